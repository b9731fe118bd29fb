package build

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

const (
	backend            = "packages/backend"
	appConfig          = "app-config.yaml"
	productionConfig   = "app-config.production.yaml"
	maxPackageJSONSize = 1 << 20
)

// openWorkspace opens the source as a root that no path can leave and checks
// that it is an installed, built Backstage workspace. It reports every missing
// part at once, each with the command that makes it.
func openWorkspace(dir string) (*os.Root, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, pipeline.BadInput("build/no-workspace", "opening source %q: %w; give the root folder of the Backstage workspace", dir, err)
	}
	if err := checkWorkspace(root); err != nil {
		_ = root.Close()
		return nil, fmt.Errorf("checking workspace %q: %w", dir, err)
	}
	return root, nil
}

func checkWorkspace(root *os.Root) error {
	if !exists(root, "package.json") {
		return pipeline.BadInput("build/no-workspace", "package.json is missing: it is not the root of a Backstage workspace")
	}
	install, build := "npm ci --omit=dev --ignore-scripts", "npm run build"
	yarn := exists(root, "yarn.lock")
	if yarn {
		install, build = "yarn workspaces focus --all --production", "yarn build:backend"
	}
	var problems []error
	if !yarn && !exists(root, "package-lock.json") {
		problems = append(problems, pipeline.BadInput("build/no-lockfile",
			"neither package-lock.json nor yarn.lock is there: without one the same source gives another image tomorrow; commit the one that `npm install` or `yarn install` writes"))
	}
	if !exists(root, "node_modules") {
		problems = append(problems, pipeline.BadInput("build/no-dependencies",
			"node_modules is missing: run `%s` there first", install))
	}
	if err := checkBackend(root, build); err != nil {
		problems = append(problems, err)
	}
	if !exists(root, appConfig) {
		problems = append(problems, pipeline.BadInput("build/no-config",
			"%s is missing: the backend starts with it; settings of production go to %s", appConfig, productionConfig))
	}
	return errors.Join(problems...)
}

// checkBackend tells whether `node packages/backend` would find something to run.
func checkBackend(root *os.Root, build string) error {
	file := backend + "/package.json"
	text, err := readLimited(root, file, maxPackageJSONSize)
	if errors.Is(err, fs.ErrNotExist) {
		return pipeline.BadInput("build/no-backend", "%s is missing: the image starts `node %s`", file, backend)
	}
	if err != nil {
		return pipeline.BadInput("build/no-backend", "reading %s: %w", file, err)
	}
	var manifest struct {
		Main string `json:"main"`
	}
	if err := json.Unmarshal(text, &manifest); err != nil {
		return pipeline.BadInput("build/no-backend", "reading %s: %w", file, err)
	}
	if manifest.Main == "" {
		manifest.Main = "index.js"
	}
	entry := path.Join(backend, manifest.Main)
	// Node completes the name as require() does.
	for _, candidate := range []string{entry, entry + ".js", entry + "/index.js"} {
		if info, err := root.Stat(candidate); err == nil && info.Mode().IsRegular() {
			return nil
		}
	}
	if bundle := backend + "/dist/bundle.tar.gz"; exists(root, bundle) {
		return pipeline.BadInput("build/no-backend",
			"%s, the entry of the backend, is still packed: run `tar -xzf %s` in the workspace", entry, bundle)
	}
	return pipeline.BadInput("build/no-backend",
		"%s, the entry of the backend, is missing: build it first (`%s`)", entry, build)
}

func exists(root *os.Root, name string) bool {
	_, err := root.Stat(name)
	return err == nil
}

func readLimited(root *os.Root, name string, limit int64) ([]byte, error) {
	file, err := root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("it is larger than %d bytes", limit)
	}
	return text, err
}
