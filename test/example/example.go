// Package example installs what examples/minimal consists of, once for all that need it.
package example

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// Installed copies examples/minimal of the repository root and installs its production dependencies, unless
// that was done already: the copy is kept beside the binaries, keyed by the lock file. It returns the copy's
// folder; log gets what npm says.
func Installed(ctx context.Context, root string, log io.Writer) (string, error) {
	source := filepath.Join(root, "examples", "minimal")
	lock, err := os.ReadFile(filepath.Join(source, "package-lock.json"))
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(lock)
	kept := filepath.Join(root, "bin", "cache", "example-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(filepath.Join(kept, "node_modules")); !errors.Is(err, fs.ErrNotExist) {
		return kept, err
	}
	return kept, install(ctx, source, kept, log)
}

// install works in a folder beside kept and moves it into place when it is whole.
func install(ctx context.Context, source, kept string, log io.Writer) error {
	partial := kept + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(kept), 0o755); err != nil {
		return err
	}
	if err := os.CopyFS(partial, os.DirFS(source)); err != nil {
		return err
	}
	npm := exec.CommandContext(ctx, "npm", "ci", "--prefix", partial, "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	npm.Stdout, npm.Stderr = log, log
	if err := npm.Run(); err != nil {
		return fmt.Errorf("running %v: %w", npm.Args, err)
	}
	return os.Rename(partial, kept)
}
