// Command settings writes what follows from the settings of pkg/config and the
// outputs of pkg/report: the inputs, the env: block and the outputs of each action,
// the tables of their READMEs, docs/settings.md and docs/stagecrew.schema.json.
//
//	settings [ROOT]
package main

//go:generate go run . ../../..

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	if err := run(root); err != nil {
		fmt.Fprintln(os.Stderr, "settings:", err)
		os.Exit(1)
	}
}

// run rewrites every file that is stale under the repository's root.
func run(root string) error {
	schema, err := schema()
	if err != nil {
		return err
	}
	for name, content := range map[string][]byte{"stagecrew.schema.json": schema, "settings.md": document()} {
		if err := os.WriteFile(filepath.Join(root, "docs", name), content, 0o644); err != nil {
			return err
		}
	}
	if err := one(filepath.Join(root, "action.yml"), filepath.Join(root, "actions", "README.md")); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(root, "actions", "*", "action.yml"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := one(file, filepath.Join(filepath.Dir(file), "README.md")); err != nil {
			return err
		}
	}
	return nil
}

// one brings an action and the tables of its README in step.
func one(file, readme string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	updated := rewrite(old)
	if err := replace(file, old, updated); err != nil {
		return err
	}
	tables, err := tables(updated)
	if err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	if old, err = os.ReadFile(readme); err != nil {
		return err
	}
	if updated, err = insert(old, tables); err != nil {
		return fmt.Errorf("updating %s: %w", readme, err)
	}
	return replace(readme, old, updated)
}

func replace(path string, old, updated []byte) error {
	if bytes.Equal(old, updated) {
		return nil
	}
	return os.WriteFile(path, updated, 0o644)
}
