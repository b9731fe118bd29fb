package workspace

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/backstage"
)

// installFields are the fields of a package.json that an install looks at. The
// others, above all the version, change without any effect on it.
var installFields = []string{
	"name", "bin", "directories", "workspaces", "packageManager", "engines", "os", "cpu", "libc", "type", "overrides", "resolutions",
	"dependencies", "devDependencies", "optionalDependencies", "peerDependencies", "peerDependenciesMeta", "dependenciesMeta",
	"bundleDependencies", "bundledDependencies", "installConfig", "bundled",
}

func packageInputs(text []byte) []byte {
	text = withoutMark(text)
	var all map[string]any
	if json.Unmarshal(text, &all) != nil {
		return text
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
		return text
	}
	return out
}

// lockInputs is a lockfile without the versions of the workspace's own packages,
// which npm repeats there.
func lockInputs(text []byte) []byte {
	text = withoutMark(text)
	if !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return text
	}
	var lock map[string]any
	if json.Unmarshal(text, &lock) != nil {
		return text
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
		return text
	}
	return out
}
