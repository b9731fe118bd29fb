package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/stagecrew/stagecrew/test/node"
)

// lab is where it takes place: a folder with a Node.js and a Yarn.
type lab struct {
	dir      string
	env      []string
	registry string   // of npm packages, a URL
	packages sync.Map // what it told, packument by name
}

func newLab(ctx context.Context, dir string) (*lab, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"E2E_REPOSITORY", "E2E_BASE_IMAGE", "E2E_STAGECREW", "E2E_KUBECONFIG"} {
		if os.Getenv(name) == "" {
			return nil, fmt.Errorf("%s is not set: run make worlds", name)
		}
	}
	found, err := node.Install(ctx, dir)
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir, env: slices.Concat(os.Environ(), found, []string{"npm_config_cache=" + filepath.Join(dir, "npm")})}
	registry, err := l.command(ctx, dir, "npm", "config", "get", "registry")
	l.registry = strings.TrimSpace(string(registry))
	return l, err
}

// command runs a program with the lab's environment, at a low priority, and gives what
// it printed.
func (l *lab) command(ctx context.Context, dir, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "nice", append([]string{program}, args...)...)
	var words bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stderr = dir, l.env, &words
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("running %s %s: %w\n%s", filepath.Base(program), strings.Join(args[:min(2, len(args))], " "), err, end(string(out)+words.String()))
	}
	return out, err
}

// edit changes a JSON file.
func edit(file string, change func(map[string]any)) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var document map[string]any
	if err := json.Unmarshal(text, &document); err != nil {
		return fmt.Errorf("reading %s: %w", filepath.Base(file), err)
	}
	change(document)
	if text, err = json.MarshalIndent(document, "", "  "); err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}

// object gives a field that is one, and makes it where there is none.
func object(in map[string]any, field string) map[string]any {
	if o, ok := in[field].(map[string]any); ok {
		return o
	}
	o := map[string]any{}
	in[field] = o
	return o
}
