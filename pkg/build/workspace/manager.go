package workspace

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/build/program"
	"github.com/stagecrew/stagecrew/pkg/build/tree"
	"github.com/stagecrew/stagecrew/pkg/files"
)

// manager is the package manager of a workspace.
type manager struct {
	name, lockfile string
	command        []string // that starts it
	install        []string // arguments that install for production
	hint, build    string   // what a person would type
}

// managerOf tells the package manager by the lockfile. A Yarn that the workspace
// brings along is the one to run.
func managerOf(root *os.Root) manager {
	if !tree.Exists(root, "yarn.lock") {
		return manager{
			name: "npm", lockfile: "package-lock.json", command: []string{"npm"},
			install: []string{"ci", "--omit=dev", "--no-audit", "--no-fund"},
			hint:    "npm ci --omit=dev --ignore-scripts", build: "npm run build",
		}
	}
	m := manager{
		name: "yarn", lockfile: "yarn.lock", command: []string{"yarn"},
		install: []string{"workspaces", "focus", "--all", "--production"},
		hint:    "yarn workspaces focus --all --production", build: "yarn build:backend",
	}
	if text, err := files.ReadIn(root, ".yarnrc.yml", tree.MaxPackageJSON); err == nil {
		for line := range strings.Lines(string(text)) {
			if file, ok := strings.CutPrefix(strings.TrimSpace(line), "yarnPath:"); ok {
				m.command = []string{"node", strings.Trim(strings.TrimSpace(file), `"'`)}
			}
		}
	}
	return m
}

// packageScripts are those of the workspace's package.json.
func packageScripts(root *os.Root) map[string]string {
	text, err := files.ReadIn(root, "package.json", tree.MaxPackageJSON)
	if err != nil {
		return nil
	}
	var manifest struct {
		Scripts map[string]string `json:"scripts"`
	}
	if json.Unmarshal(text, &manifest) != nil {
		return nil
	}
	return manifest.Scripts
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
	install = []string{"install", "--immutable"}
	if m.name == "npm" {
		install = []string{"ci", "--no-audit", "--no-fund"}
	}
	if scripts["tsc"] != "" {
		build = append(build, []string{"run", "tsc"})
	}
	return install, append(build, []string{"run", names[i]})
}

// run starts the package manager.
func (m manager) run(ctx context.Context, dir string, args, env []string, log *slog.Logger) error {
	c := program.Command{Path: m.command[0], Args: slices.Concat(m.command[1:], args), Dir: dir, Log: log,
		Env: append(env, "YARN_ENABLE_TELEMETRY=0", "NPM_CONFIG_UPDATE_NOTIFIER=false", "CI=true")}
	c.Shown = strings.Join(append([]string{c.Path}, c.Args...), " ")
	return c.Run(ctx)
}
