package workspace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/build/program"
	"github.com/stagecrew/stagecrew/pkg/build/tree"
	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// updateLockfile has Yarn write the lockfile that the package.json files want, and
// nothing else. Yarn takes no --immutable with it.
var updateLockfile = []string{"install", "--mode=update-lockfile"}

// workspaceLine is where a lockfile names a package of the workspace.
var workspaceLine = regexp.MustCompile(`(?m)^  resolution: ".+@workspace:([^"]+)"\r?$`)

// checkLockfile refuses a lockfile that `yarn install --immutable` would refuse, since
// `yarn workspaces focus`, which installs for production, resolves anew what the
// lockfile lacks (yarnpkg/berry#1803, #2253, #6277). Yarn itself is asked, in a folder
// of its own with what it reads.
//
// Nothing can be told where packages that the lockfile names are not there, as in the
// context of a Dockerfile, which has the root's package.json and two archives.
func (w *Workspace) checkLockfile(ctx context.Context, packages, inputs []string, how Installing) error {
	before, err := files.ReadIn(w.Root, w.manager.lockfile, tree.MaxLockfile)
	if err != nil || w.manager.name != "yarn" || !w.tellable(before) {
		return nil // whoever reads it says what is wrong with it
	}
	dir, err := os.MkdirTemp("", "stagecrew-lockfile-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	target, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = target.Close() }()
	if err := copyTrees(target, w.Root, slices.Concat([]string{w.manager.lockfile}, inputs, packages)); err != nil {
		return err
	}
	env, _ := how.environment(target, program.ForInstallers)
	env = append(env, "YARN_ENABLE_SCRIPTS=false", "YARN_ENABLE_IMMUTABLE_INSTALLS=false")
	err = w.manager.run(ctx, dir, updateLockfile, env, how.Log)
	if record.CodeOf(err) == "build/command" {
		how.Log.Warn("whether yarn.lock fits the package.json files could not be told: Yarn makes none from them here", "error", text.Line(err.Error(), maxStale))
		return nil
	}
	if err != nil {
		return err
	}
	after, err := files.ReadIn(target, w.manager.lockfile, tree.MaxLockfile)
	if err != nil {
		return err
	}
	return stale(string(before), string(after))
}

// tellable reports whether all packages that the lockfile names are there.
func (w *Workspace) tellable(lockfile []byte) bool {
	named := workspaceLine.FindAllSubmatch(lockfile, -1)
	return len(named) > 0 && !slices.ContainsFunc(named, func(m [][]byte) bool {
		return !tree.Exists(w.Root, string(m[1])+"/package.json")
	})
}

const (
	maxStale   = 300 // bytes of a line that are shown
	staleLines = 10  // lines that are shown
)

// stale compares a lockfile with the one that Yarn would write. Sums are left out: Yarn
// adds those of packages for other platforms when it meets them, which is no change of
// what is installed.
func stale(before, after string) error {
	had, has := lockLines(before), lockLines(after)
	if slices.Equal(had, has) {
		return nil
	}
	var changes []string
	note := func(mark string, lines, other []string) {
		there := map[string]bool{}
		for _, line := range other {
			there[line] = true
		}
		for _, line := range lines {
			if !there[line] {
				changes = append(changes, mark+text.Line(line, maxStale))
			}
		}
	}
	note("+ ", has, had)
	note("- ", had, has)
	return staleLockfile("yarn install", "yarn.lock", errors.New("Yarn would change these of its lines:\n"+strings.Join(changes[:min(len(changes), staleLines)], "\n")))
}

func lockLines(lockfile string) []string {
	lines := strings.Split(strings.ReplaceAll(strings.TrimSpace(lockfile), "\r\n", "\n"), "\n")
	return slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "  checksum: ") })
}

// staleSigns are what package managers say of a lockfile that does not fit: Yarn, npm
// and Yarn 1.
var staleSigns = []string{"YN0028", "can only install packages when your package.json and", "Your lockfile needs to be updated"}

// named gives the failure of an install its name when the lockfile is the reason.
func (m manager) named(err error) error {
	var failed *record.Error
	if !errors.As(err, &failed) || failed.Code != "build/command" {
		return err
	}
	said := err.Error()
	if !slices.ContainsFunc(staleSigns, func(sign string) bool { return strings.Contains(said, sign) }) {
		return err
	}
	reason := failed.Err
	if missingNames.MatchString(said) {
		reason = fmt.Errorf("the npm that wrote it may name fewer packages than the one that reads it here: write it with this one: %w", reason)
	}
	return staleLockfile(m.command[0]+" install", m.lockfile, reason)
}

// missingNames is what npm says where another npm wrote the lockfile, which left out the
// packages of other systems (npm/cli#8740, sh1nj1/plan42#1324, team-wanderers/wasel#38); where a
// package.json was changed, too.
var missingNames = regexp.MustCompile(`Missing: \S+ from lock file`)

func staleLockfile(command, lockfile string, reason error) error {
	return record.BadInput("build/stale-lockfile",
		"%s does not fit the package.json files: an install would take versions that it does not name; run `%s` in the workspace and commit %s: %w", lockfile, command, lockfile, reason)
}
