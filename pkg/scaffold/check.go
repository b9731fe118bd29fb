package scaffold

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// Check checks whether the files that [Init] writes are there, and whether what they say
// of the repository is still true. It writes nothing. Its error, with the code
// scaffold/stale, is a refusal that names each thing that is not.
func Check(ctx context.Context, dir string, o Options) error {
	root, err := open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	found, err := look(ctx, root)
	if err != nil {
		return err
	}
	found.Options = o
	var stale []error
	for _, f := range found.wanted() {
		text, err := files.ReadIn(root, f.path, maxSize)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			stale = append(stale, refused("%s is missing: `stagecrew init` writes it", f.path))
		case err != nil:
			stale = append(stale, refused("%s cannot be read: %w", f.path, err))
		case f.path == settingsFile:
			stale = append(stale, found.settings(root, text)...)
		case path.Dir(f.path) == workflowDir:
			stale = append(stale, found.uses(f.path, text)...)
		}
	}
	return errors.Join(stale...)
}

func refused(format string, args ...any) error {
	return record.Refused("scaffold/stale", format, args...)
}

// settings are those of stagecrew.yaml that say what lies where. Whether all of them
// are settings is found out when they are read for any command.
type settings struct {
	Source   string `json:"source"`
	Chart    string `json:"chart"`
	Values   any    `json:"values"` // one or a list
	Smoke    string `json:"smoke"`
	Ignores  string `json:"scan-ignore-file"`
	Identity string `json:"verify-identity-regexp"`
}

func (f facts) settings(root *os.Root, text []byte) []error {
	var s settings
	if err := yaml.Unmarshal(text, &s); err != nil {
		return []error{refused("%s cannot be read: %w", settingsFile, err)}
	}
	var stale []error
	for _, named := range s.paths() {
		if _, err := root.Stat(named.path); err != nil {
			stale = append(stale, refused("%s: %s is %s, which is not there", settingsFile, named.setting, named.path))
		}
	}
	if s.Identity == "" || f.Slug == "" {
		return stale
	}
	// As the signature is checked, it must be the whole identity.
	pattern, err := regexp.Compile("^(?:" + s.Identity + ")$")
	identity := fmt.Sprintf("https://github.com/%s/%s/%s@refs/tags/v1.0.0", f.Slug, workflowDir, f.Deploy)
	if err == nil && !pattern.MatchString(identity) {
		stale = append(stale, refused("%s: verify-identity-regexp does not take what this repository's workflow signs as, such as %s", settingsFile, identity))
	}
	return stale
}

type named struct{ setting, path string }

// paths are the files and folders of the repository that the settings name.
func (s settings) paths() []named {
	all := []named{{"source", s.Source}, {"scan-ignore-file", s.Ignores}}
	if s.Chart != "" && !strings.Contains(s.Chart, "://") {
		all = append(all, named{"chart", path.Join(s.Chart, "Chart.yaml")})
	}
	if s.Smoke != record.SmokeBackstage && s.Smoke != record.SmokeNone {
		all = append(all, named{"smoke", s.Smoke})
	}
	values, isList := s.Values.([]any)
	if !isList {
		values = []any{s.Values}
	}
	for _, value := range values {
		if name, is := value.(string); is {
			all = append(all, named{"values", name})
		}
	}
	var inRepository []named
	for _, n := range all {
		if n.path != "" && !path.IsAbs(n.path) {
			inRepository = append(inRepository, named{n.setting, path.Clean(n.path)})
		}
	}
	return inRepository
}

// reference is what a step uses, with its Git reference.
var reference = regexp.MustCompile(`(?m)^[ -]*uses:\s*["']?([^@\s"']+)@([^\s"'#]+)`)

// commit is the whole hash of one.
var commit = regexp.MustCompile(`^[0-9a-f]{40}$`)

// uses finds the steps of a workflow whose actions are of another version than this
// program, or can change without a commit here.
func (f facts) uses(name string, text []byte) []error {
	if !ours.Match(text) {
		return []error{refused("%s does not use stagecrew/stagecrew", name)}
	}
	var stale []error
	seen := map[string]bool{}
	for _, m := range reference.FindAllStringSubmatch(string(text), -1) {
		action, ref := m[1], m[2]
		isOurs := strings.HasPrefix(action, "stagecrew/stagecrew")
		switch {
		case seen[m[0]]:
		case isOurs && f.Ref.isRelease() && Ref(ref) != f.Ref && !commit.MatchString(ref):
			stale = append(stale, refused("%s uses %s at %s, and this program is %s", name, action, ref, f.Ref))
		case !isOurs && !commit.MatchString(ref):
			stale = append(stale, refused("%s uses %s at %s, which can change without a commit here: name the whole hash of a commit", name, action, ref))
		}
		seen[m[0]] = true
	}
	return stale
}

// isRelease reports whether it is a version and not a branch.
func (r Ref) isRelease() bool {
	return strings.HasPrefix(string(r), "v") && strings.Contains(string(r), ".")
}

// Identity is the pattern of what the workflow signs as, from the main branch and tags.
func (f facts) Identity() string {
	return fmt.Sprintf(`https://github\.com/%s/\.github/workflows/%s@refs/(heads/%s|tags/.*)`,
		regexp.QuoteMeta(f.Slug), regexp.QuoteMeta(f.Deploy), regexp.QuoteMeta(f.branch()))
}

// branch is the main branch, as far as it is known.
func (f facts) branch() string { return cmp.Or(f.Branch, "main") }
