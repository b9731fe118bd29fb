package scaffold

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// facts are what a look at the repository tells; "" for what it does not.
type facts struct {
	Options

	// Slug is OWNER/NAME on github.com and Branch the one that releases come from; Guessed
	// says that Git does not know that one. Server is the host of a repository that is
	// elsewhere, perhaps a GitHub Enterprise Server.
	Slug, Branch, Server string
	Guessed              bool
	// GitSays is why Git tells nothing, "" where it does or there is no repository yet.
	GitSays string
	// Name is fit for a Helm release and a namespace.
	Name string
	// Image is HOST/PATH.
	Image string

	// Workspace is the folder of a Node workspace with a backend, "." for the root.
	Workspace string
	Backstage bool
	Lockfile  string // its path
	// Foreign is a package manager that cannot install for an image, "" for npm and Yarn.
	Foreign string
	// Dockerfile is the path of one at the root or where one is usually put.
	Dockerfile string

	// Chart is the one that is deployed; Charts are the folders of all.
	Chart  chart
	Charts []string
	Values []string

	PublicURL  string
	IgnoreFile string
	// Deploy and Rollback are the names of the workflow files.
	Deploy, Rollback string
}

// skipped are folders of others' files, of any depth.
var skipped = []string{"node_modules", "vendor", "dist", "dist-types", "testdata", "examples", "templates", "third_party"}

// The bounds of a look: no repository keeps these files deeper, and one with more
// folders is not read to its end.
const (
	maxDepth   = 4
	maxFolders = 20000
	maxSize    = 4 << 20
)

// look reads the repository.
func look(ctx context.Context, root *os.Root) (facts, error) {
	names, err := upper(root)
	if err != nil {
		return facts{}, record.BadInput("scaffold/no-directory", "looking at the repository: %w", err)
	}
	below, says := git(ctx, root.Name(), "rev-parse", "--show-prefix")
	if below != "" {
		return facts{}, record.BadInput("scaffold/not-the-root", "this is the folder %s of a repository, and GitHub reads workflows at its root only: call it there; `source` and `chart` say where things lie", below)
	}
	f := facts{GitSays: says}
	f.remote(ctx, root.Name())
	f.workspace(root, names)
	f.charts(root, names)
	f.name(root)
	if f.Slug != "" {
		f.Image = "ghcr.io/" + strings.ToLower(f.Slug)
	}
	f.PublicURL = publicURL(root, f.Workspace)
	f.IgnoreFile = first(names, ".trivyignore.yaml", ".trivyignore")
	f.Deploy, f.Rollback = free(root, "deploy.yml"), free(root, "rollback.yml")
	return f, nil
}

// upper are the files of the upper folders, sorted.
func upper(root *os.Root) ([]string, error) {
	var names []string
	folders := 0
	err := fs.WalkDir(root.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrPermission) && name != ".":
			return fs.SkipDir
		case err != nil:
			return err
		case !entry.IsDir():
			names = append(names, name)
			return nil
		}
		folders++
		hidden := strings.HasPrefix(path.Base(name), ".") && name != "."
		if hidden || slices.Contains(skipped, path.Base(name)) || strings.Count(name, "/") >= maxDepth {
			return fs.SkipDir
		}
		if folders > maxFolders {
			return fs.SkipAll
		}
		return nil
	})
	return names, err
}

// first is the first of the candidates that is there.
func first(names []string, candidates ...string) string {
	for _, candidate := range candidates {
		if slices.Contains(names, candidate) {
			return candidate
		}
	}
	return ""
}

// workspace finds what an image can be made of.
func (f *facts) workspace(root *os.Root, names []string) {
	var found []string
	for _, name := range names {
		if dir, is := strings.CutSuffix("/"+name, "/packages/backend/package.json"); is {
			found = append(found, path.Join(".", strings.TrimPrefix(dir, "/")))
		}
	}
	slices.SortStableFunc(found, func(a, b string) int { return strings.Count(a, "/") - strings.Count(b, "/") })
	if len(found) > 0 {
		f.Workspace = found[0]
		f.Lockfile = first(names, path.Join(f.Workspace, "yarn.lock"), path.Join(f.Workspace, "package-lock.json"), path.Join(f.Workspace, "npm-shrinkwrap.json"))
		f.Foreign = f.foreign(names)
		f.Backstage = first(names, path.Join(f.Workspace, "backstage.json")) != "" || usesBackstage(root, f.Workspace)
	}
	f.Dockerfile = first(names, "Dockerfile", "docker/Dockerfile", "build/Dockerfile", "packages/backend/Dockerfile")
}

// foreign is the package manager of a workspace that has only the lockfile of another one
// than npm and Yarn.
func (f *facts) foreign(names []string) string {
	if f.Lockfile != "" {
		return ""
	}
	return map[string]string{"pnpm-lock.yaml": "pnpm", "bun.lock": "Bun", "bun.lockb": "Bun", "deno.lock": "Deno"}[path.Base(first(names,
		path.Join(f.Workspace, "pnpm-lock.yaml"), path.Join(f.Workspace, "bun.lock"), path.Join(f.Workspace, "bun.lockb"), path.Join(f.Workspace, "deno.lock")))]
}

// usesBackstage reports whether the backend depends on Backstage's, for workspaces
// without a backstage.json.
func usesBackstage(root *os.Root, workspace string) bool {
	var manifest struct {
		Dependencies map[string]string `json:"dependencies"`
	}
	text, err := files.ReadIn(root, path.Join(workspace, "packages/backend/package.json"), maxSize)
	return err == nil && json.Unmarshal(text, &manifest) == nil &&
		(manifest.Dependencies["@backstage/backend-defaults"] != "" || manifest.Dependencies["@backstage/backend-common"] != "")
}

// name chooses one for the release: the chart's, or the repository's. Never that of
// package.json: the root of a workspace is called "root".
func (f *facts) name(root *os.Root) {
	full, err := os.Getwd()
	if err != nil || root.Name() != "." {
		full = root.Name()
	}
	for _, candidate := range []string{f.Chart.Name, path.Base(f.Slug), path.Base(full), "app"} {
		if f.Name = label(candidate); f.Name != "" {
			return
		}
	}
}

var notLabel = regexp.MustCompile(`[^a-z0-9]+`)

// label makes a name fit for a Helm release, which has at most 53 bytes.
func label(name string) string {
	name = strings.Trim(notLabel.ReplaceAllString(strings.ToLower(name), "-"), "-")
	return strings.Trim(name[:min(len(name), 53)], "-")
}

// publicURL is where Backstage says that it is reached.
func publicURL(root *os.Root, workspace string) string {
	for _, name := range []string{"app-config.production.yaml", "app-config.yaml"} {
		text, err := files.ReadIn(root, path.Join(workspace, name), maxSize)
		if err != nil {
			continue
		}
		var config struct{ App struct{ BaseURL string } }
		if yaml.Unmarshal(text, &config) != nil {
			continue
		}
		at, err := url.Parse(config.App.BaseURL)
		if err == nil && at.Scheme == "https" && at.User == nil && at.Hostname() != "localhost" && !strings.Contains(config.App.BaseURL, "$") {
			return config.App.BaseURL
		}
	}
	return ""
}

// ours is what tells a workflow that uses stagecrew from another.
var ours = regexp.MustCompile(`uses:\s*["']?stagecrew/stagecrew[/@]`)

// free is the name of a workflow file: name, unless a workflow of others has it.
func free(root *os.Root, name string) string {
	text, err := files.ReadIn(root, path.Join(workflowDir, name), maxSize)
	if err != nil || ours.Match(text) {
		return name
	}
	return "stagecrew-" + name
}
