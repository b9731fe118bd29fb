package env

import (
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/stagecrew/stagecrew/test/example"
)

// Release makes the workspace that of one release of the example, as a commit would: its
// version in the root package.json, and the overlay's files (path to content) over the
// rest. It is Source; what the release before laid over it is as in the example again.
func (s *Stage) Release(version string, overlay map[string]string) (string, error) {
	if err := example.Overwrite(s.example(), s.Source); err != nil {
		return "", err
	}
	if err := label(filepath.Join(s.Source, "package.json"), version); err != nil {
		return "", err
	}
	for name, content := range overlay {
		if err := example.Replace(filepath.Join(s.Source, name), []byte(content)); err != nil {
			return "", err
		}
	}
	return s.Source, nil
}

// label writes the version into a package.json.
func label(file, version string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var manifest map[string]any
	if err := json.Unmarshal(text, &manifest); err != nil {
		return err
	}
	manifest["version"] = version
	if text, err = json.MarshalIndent(manifest, "", "  "); err != nil {
		return err
	}
	return example.Replace(file, text)
}

// Broken is the overlay of a release whose backend exits at its start, as after
// a dependency was forgotten.
func (s *Stage) Broken() (map[string]string, error) {
	const script = "require('@backstage/plugin-that-nobody-installed');\n"
	if s.config.Full {
		return map[string]string{"packages/backend/src/index.ts": script + "export {};\n"}, nil
	}
	content, err := os.ReadFile(filepath.Join(s.Source, "packages", "backend", "package.json"))
	if err != nil {
		return nil, err
	}
	var manifest struct{ Main string }
	if err := json.Unmarshal(content, &manifest); err != nil {
		return nil, err
	}
	return map[string]string{filepath.Join("packages", "backend", manifest.Main): "'use strict';\n" + script}, nil
}

// Blank is the overlay of a release of the whole example whose page stays white, while
// every file of it is there and its pods are well.
func (s *Stage) Blank() map[string]string {
	return map[string]string{"packages/app/src/index.tsx": "throw new Error('the portal forgot what it is');\nexport {};\n"}
}
