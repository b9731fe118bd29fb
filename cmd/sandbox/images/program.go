package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// programRecipe is an image of one static program, docker.io/sandbox/NAME:local, which
// runs as a user without a name.
func programRecipe(path string) (recipe, error) {
	f, err := os.Open(path)
	if err != nil {
		return recipe{}, err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return recipe{}, fmt.Errorf("reading %s: %w", path, err)
	}
	name := filepath.Base(path)
	return recipe{
		name:   name,
		names:  []string{"docker.io/sandbox/" + name + ":local"},
		config: v1.Config{User: "65532:65532", Env: []string{"PATH=" + systemPath}, Entrypoint: []string{"/" + name}, WorkingDir: "/"},
		digest: hex.EncodeToString(sum.Sum(nil)),
		make: func(_ context.Context, k *kitchen, _ debSet) (v1.Image, error) {
			content, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			t := newTree(false)
			t.file(name, 0o755, content)
			l, err := t.layer(k.tmp, name)
			if err != nil {
				return nil, err
			}
			return stack(layerNote{l, name})
		},
	}, nil
}
