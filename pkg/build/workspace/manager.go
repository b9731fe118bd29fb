package workspace

import (
	"bytes"
	"cmp"
	"context"
	"log/slog"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/build/program"
	"github.com/stagecrew/stagecrew/pkg/build/tree"
	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// manager is the package manager of a workspace.
type manager struct {
	name, lockfile string   // name is "npm", "yarn", or "yarn1", which is another program
	command        []string // that starts it
	install        []string // arguments that install for production
	all            []string // arguments that install everything
	hint, build    string   // what a person would type
}

// lockfiles are those of the package managers that can install, the first that is there
// counts unless package.json names another manager.
var lockfiles = []string{"yarn.lock", "npm-shrinkwrap.json", "package-lock.json"}

// pnpmLockfile is that of pnpm, which does not install here: what it has installed is taken
// (pnpm/pnpm#1637, #3114).
const pnpmLockfile = "pnpm-lock.yaml"

// foreign are lockfiles of package managers that cannot.
var foreign = []struct{ lockfile, manager string }{
	{pnpmLockfile, "pnpm"}, {"bun.lock", "Bun"}, {"bun.lockb", "Bun"}, {"deno.lock", "Deno"},
}

// managerOf tells the package manager by the lockfile, and of several by package.json's
// packageManager. A Yarn that the workspace brings along is the one to run.
func managerOf(root *os.Root) manager {
	lockfile := lockfileOf(root)
	if lockfile == "" && tree.Exists(root, pnpmLockfile) {
		return manager{name: "pnpm", lockfile: pnpmLockfile, hint: "pnpm install --prod --frozen-lockfile --ignore-scripts", build: "pnpm run build"}
	}
	if lockfile != "yarn.lock" {
		return manager{
			name: "npm", lockfile: cmp.Or(lockfile, "package-lock.json"), command: []string{"npm"},
			install: []string{"ci", "--omit=dev", "--no-audit", "--no-fund"}, all: []string{"ci", "--no-audit", "--no-fund"},
			hint: "npm ci --omit=dev --ignore-scripts", build: "npm run build",
		}
	}
	m := manager{
		name: "yarn", lockfile: lockfile, command: []string{"yarn"},
		install: []string{"workspaces", "focus", "--all", "--production"}, all: []string{"install", "--immutable"},
		hint: "yarn workspaces focus --all --production", build: "yarn build:backend",
	}
	settings := readYarnSettings(root)
	if settings.ofYarn1() || settings.YarnPath == "" && isYarn1(root) {
		settings.YarnPath = cmp.Or(settings.YarnPath, readYarn1Settings(root).YarnPath)
		m.name, m.hint = "yarn1", "yarn install --frozen-lockfile --production --ignore-scripts"
		m.all = []string{"install", "--frozen-lockfile", "--non-interactive"}
		m.install = append(m.all[:len(m.all):len(m.all)], "--production")
	}
	if settings.YarnPath != "" {
		m.command = []string{"node", path.Clean(settings.YarnPath)}
	}
	return m
}

// lockfileOf is the lockfile that counts, "" when there is none.
func lockfileOf(root *os.Root) string {
	there := present(root)
	if len(there) == 0 {
		return ""
	}
	m, _ := readManifest(root, "package.json") // whoever reads it says what is wrong with it
	wanted, _, _ := strings.Cut(m.PackageManager, "@")
	for _, lockfile := range there {
		if (lockfile == "yarn.lock") == (wanted == "yarn") && (wanted == "yarn" || wanted == "npm") {
			return lockfile
		}
	}
	return there[0]
}

func present(root *os.Root) []string {
	return slices.DeleteFunc(slices.Clone(lockfiles), func(name string) bool { return !tree.Exists(root, name) })
}

// isYarn1 reports whether the lockfile was written by Yarn 1, whose format has another
// beginning.
func isYarn1(root *os.Root) bool {
	text, err := files.ReadIn(root, "yarn.lock", tree.MaxLockfile)
	return err == nil && bytes.Contains(text[:min(len(text), 200)], []byte("# yarn lockfile v1"))
}

// noLockfile says which lockfile is wanted, and which is there.
func noLockfile(root *os.Root) error {
	for _, f := range foreign {
		if !tree.Exists(root, f.lockfile) {
			continue
		}
		way := ""
		if f.lockfile == pnpmLockfile {
			way = "install and build with pnpm first (`" + managerOf(root).hint + "`), and then without --prepare, or "
		}
		return record.BadInput("build/no-lockfile",
			"%s is there, but %s cannot install for this builder: %sgive it the lockfile of npm (package-lock.json, npm-shrinkwrap.json) or Yarn (yarn.lock), or use --builder dockerfile", f.lockfile, f.manager, way)
	}
	return record.BadInput("build/no-lockfile",
		"neither package-lock.json nor yarn.lock is there: without one the same source gives another image tomorrow; commit the one that `npm install` or `yarn install` writes")
}

// remarks name lockfiles that do not count beside one that does.
func remarks(root *os.Root) (remarks []string) {
	counts := lockfileOf(root)
	for _, other := range present(root) {
		if other != counts {
			remarks = append(remarks, counts+" counts; "+other+", which is there as well, does not")
		}
	}
	for _, f := range foreign {
		if counts != "" && tree.Exists(root, f.lockfile) {
			remarks = append(remarks, counts+" counts; "+f.lockfile+", which is there as well, does not")
		}
	}
	return remarks
}

// check names a Yarn that the workspace says it brings along, and does not.
func (m manager) check(root *os.Root) error {
	if m.command[0] != "node" || path.IsAbs(m.command[1]) || tree.Exists(root, m.command[1]) {
		return nil
	}
	return record.BadInput("build/no-tool",
		"looking for Yarn: yarnPath of .yarnrc.yml (yarn-path of .yarnrc) names %q, which is not there: commit it (.yarn/releases is often ignored by Git), or remove the setting and let `corepack enable` bring the packageManager of package.json", m.command[1])
}

// packageScripts are those of the workspace's package.json.
func packageScripts(root *os.Root) map[string]string {
	m, err := readManifest(root, "package.json")
	if err != nil {
		return nil
	}
	return m.Scripts
}

// steps are the commands that build the application from its source: the arguments
// that install all dependencies, and then types and bundle. A workspace without a
// script to build has none.
func (m manager) steps(root *os.Root) (install []string, build [][]string) {
	scripts := packageScripts(root)
	names := []string{"build:backend", "build"}
	i := slices.IndexFunc(names, func(name string) bool { return scripts[name] != "" })
	if i < 0 {
		return nil, nil
	}
	if scripts["tsc"] != "" {
		build = append(build, []string{"run", "tsc"})
	}
	return m.all, append(build, []string{"run", names[i]})
}

// run starts the package manager.
func (m manager) run(ctx context.Context, dir string, args, env []string, log *slog.Logger) error {
	c := program.Command{Path: m.command[0], Args: slices.Concat(m.command[1:], args), Dir: dir, Log: log,
		Env: append(env, "YARN_ENABLE_TELEMETRY=0", "NPM_CONFIG_UPDATE_NOTIFIER=false", "CI=true")}
	c.Shown = strings.Join(append([]string{c.Path}, c.Args...), " ")
	return m.named(c.Run(ctx))
}
