package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// results are all that was measured, by the letter of the comparison.
type results struct {
	Conditions  conditions            `json:"conditions"`
	Comparisons map[string]comparison `json:"comparisons"`
}

// load reads the results of an earlier run, if there was one.
func load(file string) (*results, error) {
	all := &results{Comparisons: map[string]comparison{}}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err == nil {
		err = json.Unmarshal(text, all)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the results %q: %w; remove the file to measure anew", file, err)
	}
	return all, nil
}

// under forgets what was measured on another machine or with other versions; what the
// document has of it stays there, and says so.
func (r *results) under(c conditions) {
	if r.Conditions != c {
		*r = results{Conditions: c, Comparisons: map[string]comparison{}}
	}
}

func (r *results) write(file, markdown string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o644); err != nil {
		return err
	}
	return r.writeDocument(markdown)
}

// writeDocument writes the results, and keeps what the document has beside them.

func (r *results) writeDocument(file string) error {
	if len(r.Comparisons) == 0 {
		return errors.New("there are no results: measure first")
	}
	earlier, err := readKept(file, r.Conditions)
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(document(r, earlier)), 0o644)
}
