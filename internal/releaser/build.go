package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// release is what is built, from where and to where.
type release struct {
	root, dir, version string
	program            string // package to build, in root
}

// make builds for each platform "OS/ARCH" and gives the text of SHA256SUMS.
func (r release) make(ctx context.Context, platforms []string) (string, error) {
	dir, err := filepath.Abs(r.dir)
	if err != nil {
		return "", err
	}
	r.dir = dir
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return "", fmt.Errorf("%s is not empty: what lies there would be taken for a part of the release", r.dir)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for _, platform := range platforms {
		if err := r.one(ctx, platform); err != nil {
			return "", fmt.Errorf("making the release for %s: %w", platform, err)
		}
	}
	sums, err := sumsOf(dir)
	if err != nil {
		return "", err
	}
	return sums, os.WriteFile(filepath.Join(dir, "SHA256SUMS"), []byte(sums), 0o644)
}

func (r release) one(ctx context.Context, platform string) error {
	system, architecture, found := strings.Cut(platform, "/")
	if !found {
		return errors.New("a platform is OS/ARCH")
	}
	file := filepath.Join(r.dir, fmt.Sprintf("stagecrew_%s_%s_%s", r.version, system, architecture))
	if err := r.build(ctx, file, system, architecture); err != nil {
		return err
	}
	if err := pack(file); err != nil {
		return err
	}
	return listModules(file, r.version)
}

// build is what `go build` makes of the sources alone: no path of this machine, no
// setting of its user, no commit.
func (r release) build(ctx context.Context, file, system, architecture string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-tags", "disable_grpc_modules",
		"-ldflags", "-s -w -X github.com/stagecrew/stagecrew/pkg/cli.version="+r.version, "-o", file, r.program)
	cmd.Dir, cmd.Stdout, cmd.Stderr = r.root, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), "GOOS="+system, "GOARCH="+architecture, "GOAMD64=v1", "GOARM64=v8.0",
		"CGO_ENABLED=0", "GOEXPERIMENT=jsonv2", "GOFLAGS=-mod=readonly", "GOWORK=off")
	return cmd.Run()
}

// pack writes FILE.gz, without name and time.
func pack(file string) (err error) {
	from, err := os.Open(file)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.Create(file + ".gz")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	w, err := gzip.NewWriterLevel(to, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, from); err != nil {
		return err
	}
	return w.Close()
}
