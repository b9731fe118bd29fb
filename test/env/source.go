package env

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/stagecrew/stagecrew/test/example"
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

// install makes a workspace of the installed examples/minimal, with what the repository has of it now.
func (s *Stage) install(ctx context.Context) error {
	kept, err := example.Installed(ctx, s.config.Root, s.config.Log)
	if err != nil {
		return err
	}
	s.Source = filepath.Join(s.Work, "source")
	if err := link(ctx, kept, s.Source); err != nil {
		return err
	}
	return overwrite(s.example(), s.Source)
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
