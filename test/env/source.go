package env

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/stagecrew/stagecrew/test/example"
)

// source makes the workspace that releases are made of.
func (s *Stage) source(ctx context.Context) error {
	if s.config.Full || s.config.Both {
		var err error
		if s.Whole, s.tools, err = example.Whole(ctx, s.config.Root); err != nil {
			return err
		}
	}
	if s.config.Full {
		s.Source = s.Whole
		return nil
	}
	return s.install(ctx)
}

// install makes a workspace of the installed examples/minimal, with what the repository has
// of it now. Its files are hard links: they are replaced, and not written into.
func (s *Stage) install(ctx context.Context) error {
	kept, err := example.Installed(ctx, s.config.Root, s.config.Log)
	if err != nil {
		return err
	}
	s.Source = filepath.Join(s.Work, "source")
	if out, err := exec.CommandContext(ctx, "cp", "-al", kept, s.Source).CombinedOutput(); err != nil {
		return fmt.Errorf("copying %s: %w: %s", kept, err, out)
	}
	return example.Overwrite(s.example(), s.Source)
}

// example is the folder of the repository that releases are made of.
func (s *Stage) example() string {
	if s.config.Full {
		return filepath.Join(s.config.Root, "examples", "backstage")
	}
	return filepath.Join(s.config.Root, "examples", "minimal")
}
