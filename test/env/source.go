package env

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// source makes the workspace that releases are made of.
func (s *Stage) source(ctx context.Context) error {
	if s.config.Full || s.config.Both {
		if err := s.whole(ctx); err != nil {
			return err
		}
	}
	if s.config.Full {
		s.Source = s.Whole
		return nil
	}
	return s.install(ctx)
}

// install copies examples/minimal and installs its production dependencies.
// The copy is kept beside the binaries, keyed by the lock file.
func (s *Stage) install(ctx context.Context) error {
	example := s.example()
	lock, err := os.ReadFile(filepath.Join(example, "package-lock.json"))
	if err != nil {
		return err
	}
	sum := sha256.Sum256(lock)
	kept := filepath.Join(s.config.Root, "bin", "cache", "example-"+hex.EncodeToString(sum[:6]))
	if _, err := os.Stat(filepath.Join(kept, "node_modules")); errors.Is(err, fs.ErrNotExist) {
		if err := s.npm(ctx, example, kept); err != nil {
			return err
		}
	}
	s.Source = filepath.Join(s.Work, "source")
	if err := link(ctx, kept, s.Source); err != nil {
		return err
	}
	return overwrite(example, s.Source)
}

// npm installs into a directory beside kept and moves it into place when whole.
func (s *Stage) npm(ctx context.Context, example, kept string) error {
	partial := kept + ".partial"
	if err := os.RemoveAll(partial); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(kept), 0o755); err != nil {
		return err
	}
	if err := os.CopyFS(partial, os.DirFS(example)); err != nil {
		return err
	}
	if err := s.run(ctx, "npm", "ci", "--prefix", partial, "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"); err != nil {
		return err
	}
	return os.Rename(partial, kept)
}

// link copies a tree with hard links: quick, and the files must be replaced, not
// written into.
func link(ctx context.Context, from, to string) error {
	if out, err := exec.CommandContext(ctx, "cp", "-al", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("copying %s: %w: %s", from, err, out)
	}
	return nil
}

// overwrite replaces the files that the repository has by their present content.
func overwrite(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && d.Name() == "node_modules" {
			return filepath.SkipDir
		}
		name, err := filepath.Rel(from, path)
		if err != nil || d.IsDir() {
			return errors.Join(err, os.MkdirAll(filepath.Join(to, name), 0o755))
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return replace(filepath.Join(to, name), content)
	})
}

func replace(path string, content []byte) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.WriteFile(path, content, 0o644)
}
