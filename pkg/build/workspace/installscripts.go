package workspace

import (
	"context"
	"fmt"
	"maps"
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
	if every && m.name == "npm" {
		env = append(env, runsScripts...)
	}
	if err := m.fetch(ctx, dir, args, env, how.Log); err != nil || every || m.name == "yarn" {
		return withheldFrom(err, withheld)
	}
	env, _ = how.environment(root, program.ForScripts)
	names := how.Scripts
	if m.name == "npm" {
		names = append(slices.Clone(names), allowedScripts(root)...)
	}
	if len(names) > 0 {
		if err := m.run(ctx, dir, append([]string{"rebuild"}, names...), append(slices.Clone(env), runsScripts...), how.Log); err != nil {
			return err
		}
	}
	if packageScripts(root)["postinstall"] == "" {
		return nil
	}
	return m.run(ctx, dir, []string{"run", "postinstall"}, env, how.Log)
}

// runsScripts has npm run the scripts of what is installed, or rebuilt: since its version 12 it
// passes over those that allowScripts of package.json does not have, and ends well
// (diegosouzapw/OmniRoute#7160, panteLx/BetterShift#218, get-bb/bb#1120), and an .npmrc may say
// that there are none (smith-horn/skillsmith#1365). Which may run is decided here.
var runsScripts = []string{"NPM_CONFIG_DANGEROUSLY_ALLOW_ALL_SCRIPTS=true", "NPM_CONFIG_IGNORE_SCRIPTS=false"}

// packageSpec is a package in allowScripts, with versions or without.
var packageSpec = regexp.MustCompile(`^(@[a-z0-9~._-]+/)?[a-z0-9~_][a-z0-9~._-]*(@\d[\w.+-]*( \|\| \d[\w.+-]*)*)?$`)

// allowedScripts are the packages whose install scripts the workspace lets run, as npm reads it
// since its version 11.16: "allowScripts": {"better-sqlite3": true, "sharp@0.34.1": true}.
func allowedScripts(root *os.Root) (names []string) {
	m, err := readManifest(root, "package.json")
	if err != nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(m.AllowScripts)) {
		plain := strings.TrimSuffix(name, "@*")
		if m.AllowScripts[name] == true && packageSpec.MatchString(plain) {
			names = append(names, plain)
		}
	}
	return names
}

// CheckBuilt refuses dependencies whose native code was not built because their
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
