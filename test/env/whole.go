package env

import (
	"context"
	"os"
	"path/filepath"

	"github.com/stagecrew/stagecrew/test/node"
)

// whole copies examples/backstage, and fetches the programs that build it. Both stay
// beside the binaries: what a build installs there the next one finds.
func (s *Stage) whole(ctx context.Context) error {
	kept := filepath.Join(s.config.Root, "bin", "cache")
	var err error
	if s.tools, err = node.Install(ctx, filepath.Join(kept, "node")); err != nil {
		return err
	}
	s.Whole = filepath.Join(kept, "backstage")
	if err := os.MkdirAll(s.Whole, 0o755); err != nil {
		return err
	}
	return overwrite(filepath.Join(s.config.Root, "examples", "backstage"), s.Whole)
}

// example is the folder of the repository that releases are made of.
func (s *Stage) example() string {
	if s.config.Full {
		return filepath.Join(s.config.Root, "examples", "backstage")
	}
	return filepath.Join(s.config.Root, "examples", "minimal")
}
