package workspace

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// installFields are the fields of a package.json that an install looks at. The
// others, above all the version, change without any effect on it.
var installFields = []string{
	"name", "bin", "directories", "workspaces", "packageManager", "engines", "os", "cpu", "libc", "type", "overrides", "resolutions",
	"dependencies", "devDependencies", "optionalDependencies", "peerDependencies", "peerDependenciesMeta", "dependenciesMeta",
	"bundleDependencies", "bundledDependencies", "installConfig", "bundled",
	"allowScripts", "patchedDependencies", "packageExtensions",
}

func packageInputs(content []byte) []byte {
	content = text.Unmarked(content)
	var all map[string]any
	if json.Unmarshal(content, &all) != nil {
		return content
	}
	kept := map[string]any{}
	for _, name := range installFields {
		if value, ok := all[name]; ok {
			kept[name] = value
		}
	}
	if scripts, ok := all["scripts"].(map[string]any); ok {
		for _, name := range []string{"preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare"} {
			if value, ok := scripts[name]; ok {
				kept["script "+name] = value
			}
		}
	}
	out, err := json.Marshal(kept)
	if err != nil {
		return content
	}
	return out
}

// lockInputs is a lockfile without the versions of the workspace's own packages,
// which npm repeats there.
func lockInputs(content []byte) []byte {
	content = text.Unmarked(content)
	if !bytes.HasPrefix(bytes.TrimSpace(content), []byte("{")) {
		return content
	}
	var lock map[string]any
	if json.Unmarshal(content, &lock) != nil {
		return content
	}
	delete(lock, "version")
	packages, _ := lock["packages"].(map[string]any)
	for name, p := range packages {
		if fields, ok := p.(map[string]any); ok && !strings.Contains(name, backstage.Modules) {
			delete(fields, "version")
		}
	}
	out, err := json.Marshal(lock)
	if err != nil {
		return content
	}
	return out
}
