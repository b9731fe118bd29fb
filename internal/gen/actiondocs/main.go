// Command actiondocs brings the composite actions in step with the command line:
// the description of each input that is a setting comes from pkg/config, and the
// tables in the READMEs come from the action.yml beside them.
//
//	actiondocs [ROOT]
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
		fmt.Fprintln(os.Stderr, "actiondocs:", err)
		os.Exit(1)
	}
}

// run rewrites every file that is stale under the repository's root.
func run(root string) error {
	files, err := filepath.Glob(filepath.Join(root, "actions", "*", "action.yml"))
	if err != nil {
		return err
	}
	readme := func(file string) string { return filepath.Join(filepath.Dir(file), "README.md") }
	if err := one(filepath.Join(root, "action.yml"), filepath.Join(root, "actions", "README.md")); err != nil {
		return err
	}
	for _, file := range files {
		if err := one(file, readme(file)); err != nil {
			return err
		}
	}
	return nil
}

func one(file, readme string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	described := describe(content, settings())
	if err := replace(file, content, described); err != nil {
		return err
	}
	tables, err := tables(described)
	if err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	old, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	updated, err := insert(old, tables)
	if err != nil {
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
