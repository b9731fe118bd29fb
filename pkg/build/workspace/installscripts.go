package workspace

import (
	"context"
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/build/program"
	"github.com/stagecrew/stagecrew/pkg/build/tree"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// allScripts stands for every package in [Installing].
const allScripts = "*"

var packageName = regexp.MustCompile(`^(@[a-z0-9~._-]+/)?[a-z0-9~_][a-z0-9~._-]*$`)

// CheckScripts names those of the packages whose scripts may run that are no names of
// packages.
func CheckScripts(names []string) (problems []error) {
	for _, name := range names {
		if name != allScripts && !packageName.MatchString(name) {
			problems = append(problems, fmt.Errorf("install scripts of %q: want the name of a package, such as better-sqlite3, or * for all", name))
		}
	}
	return problems
}

// installIn installs, without the scripts of packages but for those that may run.
// Scripts of dependencies are how worms travel (the ones of September and November
// 2025 took the credentials of the jobs that installed them); the scripts of the
// workspace itself are its own code.
func (m manager) installIn(ctx context.Context, dir string, root *os.Root, args []string, how Installing) error {
	env, withheld := how.environment(root, program.ForInstallers)
	every := slices.Contains(how.Scripts, allScripts)
	if len(how.Scripts) > 0 && !every && m.name != "npm" {
		return record.BadInput("build/install-scripts",
			"installing with Yarn: name the packages whose install scripts may run in dependenciesMeta of package.json (\"better-sqlite3\": {\"built\": true}) rather than by --allow-install-scripts, which takes only * here (Yarn 1 can run all or none)")
	}
	if m.name == "yarn" && !every {
		env = append(env, "YARN_ENABLE_SCRIPTS=false")
	}
	const off = "--ignore-scripts"
	if m.name != "yarn" && !every && !slices.Contains(args, off) {
		args = append(slices.Clone(args), off)
	}
	if err := m.fetch(ctx, dir, args, env, how.Log); err != nil || every || m.name == "yarn" {
		return withheldFrom(err, withheld)
	}
	further := [][]string{}
	if len(how.Scripts) > 0 {
		further = append(further, append([]string{"rebuild"}, how.Scripts...))
	}
	if packageScripts(root)["postinstall"] != "" {
		further = append(further, []string{"run", "postinstall"})
	}
	env, _ = how.environment(root, program.ForScripts)
	for _, step := range further {
		if err := m.run(ctx, dir, step, env, how.Log); err != nil {
			return err
		}
	}
	return nil
}

// CheckBuilt refuses dependencies whose native code nobody has built because their
// install scripts did not run: the application would find out in production. What is
// optional to all that use it may be missing.
func (w *Workspace) CheckBuilt(deps *Installed, mayRun []string) error {
	if slices.Contains(mayRun, allScripts) {
		return nil
	}
	sources, built := map[string]string{}, map[string]bool{}
	for _, e := range deps.Entries {
		folder, _ := tree.PackageOf(e.Path)
		if path.Base(e.Path) == "binding.gyp" && path.Dir(e.Path) == folder {
			sources[folder] = folder[strings.LastIndex(folder, backstage.Modules+"/")+len(backstage.Modules+"/"):]
		}
		if path.Ext(e.Path) == ".node" {
			built[folder] = true
		}
	}
	var missing []string
	for folder, name := range sources {
		if !built[folder] && !tree.ForOtherSystems(deps.Root, folder) {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	missing = w.needed(deps, missing)
	if len(missing) == 0 {
		return nil
	}
	return record.BadInput("build/install-scripts",
		"checking the dependencies: %s: native code that install scripts build or download is missing, because they did not run; "+
			"let those that you trust run (%s), or install elsewhere and give the tree (--dependency-tree)",
		strings.Join(missing, ", "), w.manager.allow(missing))
}

// allow says how install scripts are let run.
func (m manager) allow(names []string) string {
	if m.name == "yarn" {
		return "in package.json: \"dependenciesMeta\": {\"" + strings.Join(names, "\": {\"built\": true}, \"") + "\": {\"built\": true}}, then `yarn install`, since yarn.lock says so too"
	}
	if m.name == "yarn1" {
		return "--allow-install-scripts '*'"
	}
	return "--allow-install-scripts " + strings.Join(names, " --allow-install-scripts ")
}

// needed keeps those packages that something in the tree, or the workspace, cannot do
// without; sorted.
func (w *Workspace) needed(deps *Installed, names []string) []string {
	var needed []string
	note := func(root *os.Root, file string) {
		manifest, err := readManifest(root, file)
		if err != nil {
			return
		}
		for _, name := range names {
			_, wants := manifest.Dependencies[name]
			if _, optional := manifest.OptionalDependencies[name]; wants && !optional {
				needed = append(needed, name)
			}
		}
	}
	for _, e := range deps.Entries {
		if path.Base(e.Path) == "package.json" {
			note(deps.Root, e.Path)
		}
	}
	if own, err := packageFiles(deps.Root); err == nil {
		for _, file := range own {
			note(deps.Root, file)
		}
	}
	slices.Sort(needed)
	return slices.Compact(needed)
}
