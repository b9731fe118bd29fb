package backstage

import "path"

// Where things lie in a Backstage workspace, and in its image below [WorkDir].
const (
	Backend = "packages/backend"
	// Skeleton and Bundle are what `yarn build:backend` writes: each package.json, and
	// what runs.
	Skeleton = Backend + "/dist/skeleton.tar.gz"
	Bundle   = Backend + "/dist/bundle.tar.gz"
	// Versions says of which release of Backstage the packages are.
	Versions = "backstage.json"
	// Modules is the folder of dependencies, at the top or beside a package.json.
	Modules = "node_modules"
	// AppConfig is what the backend starts with; ProductionConfig comes on top of it
	// where it is there. Configs matches these and their like at the top.
	AppConfig        = "app-config.yaml"
	ProductionConfig = "app-config.production.yaml"
	Configs          = "app-config*.yaml"
)

// How an image of Backstage runs.
const (
	WorkDir = "app" // without the leading slash, which archives lack
	Owner   = 1000  // uid and gid of the user, and of every file
	Port    = "7007/tcp"
	// NodeOptions is Node's own variable. Backstage's scaffolder needs the switch on
	// Node 20 and newer before its version 4; it is without effect elsewhere.
	NodeOptions = "NODE_OPTIONS"
	NoSnapshot  = "--no-node-snapshot"
)

// Included are the files and folders of a workspace that its image has besides the
// configuration. Everything else at the top stays out, so that a file with secrets
// that happens to lie there never travels.
func Included() []string {
	return []string{
		"package.json", "package-lock.json", "yarn.lock", Versions,
		"node_modules", "packages", "plugins",
		"catalog", "catalog-info.yaml", "examples",
	}
}

// Packed match what `yarn build:backend` writes for any package: an image holds what is
// in there.
func Packed() []string {
	return []string{"packages/*/dist/bundle.tar.gz", "packages/*/dist/skeleton.tar.gz"}
}

// Command starts the backend, with the configuration of production where there is
// one.
func Command(production bool) []string {
	c := []string{"node", Backend, "--config", AppConfig}
	if production {
		c = append(c, "--config", ProductionConfig)
	}
	return c
}

// IsConfig reports whether a path is one of the configuration files at the top.
func IsConfig(name string) bool {
	ok, _ := path.Match(Configs, name)
	return ok
}
