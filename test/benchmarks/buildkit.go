package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// daemon is a buildkitd with its own state.
type daemon struct {
	lab     *lab
	dir     string
	builder string // its name for buildx
	cmd     *exec.Cmd
	ended   chan struct{}
}

const daemonConfig = `
root = "%[1]s/state"
[grpc]
  address = ["unix://%[1]s/socket"]
[worker.oci]
  enabled = true
  binary = "%[2]s"
  snapshotter = "overlayfs"
  networkMode = "host"
  gc = false
[worker.containerd]
  enabled = false
[registry."%[3]s"]
  http = true
`

// startDaemon starts a buildkitd without any state, and makes it known to buildx.
func (l *lab) startDaemon(ctx context.Context) (*daemon, error) {
	d := &daemon{lab: l, dir: filepath.Join(l.dir, l.fresh("buildkit")), ended: make(chan struct{})}
	d.builder = filepath.Base(d.dir)
	if err := os.Mkdir(d.dir, 0o750); err != nil {
		return nil, err
	}
	config, runc := filepath.Join(d.dir, "buildkitd.toml"), filepath.Join(setting("E2E_ROOT"), "bin", "sandbox.d", "runc")
	if err := os.WriteFile(config, fmt.Appendf(nil, daemonConfig, d.dir, runc, l.registry), 0o600); err != nil {
		return nil, err
	}
	if err := d.start(ctx, config); err != nil {
		return nil, err
	}
	if err := d.listens(ctx); err != nil {
		d.stop()
		return nil, err
	}
	return d, nil
}

func (d *daemon) start(ctx context.Context, config string) error {
	log, err := os.Create(filepath.Join(d.dir, "log"))
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	d.cmd = exec.CommandContext(ctx, tool("buildkitd"), "--config", config)
	d.cmd.Stdout, d.cmd.Stderr = log, log
	d.cmd.Cancel = func() error { return d.cmd.Process.Signal(os.Interrupt) }
	d.cmd.WaitDelay = time.Minute
	if err := d.cmd.Start(); err != nil {
		return err
	}
	go func() {
		_ = d.cmd.Wait()
		close(d.ended)
	}()
	return nil
}

// listens waits for the daemon's socket.
func (d *daemon) listens(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	socket := filepath.Join(d.dir, "socket")
	for {
		if _, err := os.Stat(socket); err == nil {
			_, err := d.buildx(ctx, "create", "--name", d.builder, "--driver", "remote", "unix://"+socket)
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for buildkitd: %w\n%s", ctx.Err(), d.logTail())
		case <-d.ended:
			return fmt.Errorf("buildkitd has ended\n%s", d.logTail())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (d *daemon) stop() {
	_ = d.cmd.Process.Signal(os.Interrupt)
	<-d.ended
	_ = os.RemoveAll(d.dir)
}

// logTail gives the end of its log.
func (d *daemon) logTail() string {
	text, err := os.ReadFile(filepath.Join(d.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return end(string(text))
}

func (d *daemon) buildx(ctx context.Context, args ...string) ([]byte, error) {
	return d.lab.command(ctx, d.dir, tool("buildx"), args...)
}

// plan is what BuildKit builds: a folder, and the arguments of buildx that are about it.
type plan struct {
	source string
	args   []string
}

// minimal is examples/minimal with the root Dockerfile.
func (l *lab) minimal() plan {
	return plan{l.source, []string{"--build-arg", "BASE_IMAGE=" + l.base, "--build-arg", "BUILD_IMAGE=" + l.buildBase, "--build-arg", "BUILD_PACKAGES=",
		"--build-arg", "INSTALL_FLAGS=--ignore-scripts", "--secret", "id=npmrc,src=" + l.npmrc}}
}

// build builds a plan and pushes the image, with the registry cache where one is named.
func (d *daemon) build(ctx context.Context, p plan, repository, cache string) (image string, err error) {
	metadata := filepath.Join(d.dir, "metadata.json")
	args := slices.Concat([]string{"build", "--builder", d.builder, "--provenance=false", "--metadata-file", metadata,
		"--output", "type=image,name=" + repository + ",push-by-digest=true,push=true,oci-mediatypes=true"}, p.args)
	if cache != "" {
		args = append(args, "--cache-from", "type=registry,ref="+cache, "--cache-to", "type=registry,mode=max,image-manifest=true,oci-mediatypes=true,ref="+cache)
	}
	for _, proxy := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"} {
		if os.Getenv(proxy) != "" {
			args = append(args, "--build-arg", proxy)
		}
	}
	before := used(d.cmd.Process.Pid)
	if _, err := d.buildx(ctx, append(args, p.source)...); err != nil {
		return "", fmt.Errorf("%w\nbuildkitd: %s", err, d.logTail())
	}
	d.lab.cpu.Add(int64(used(d.cmd.Process.Pid) - before))
	text, err := os.ReadFile(metadata)
	if err != nil {
		return "", err
	}
	var result struct {
		Digest string `json:"containerimage.digest"`
	}
	if err = json.Unmarshal(text, &result); err == nil && !strings.HasPrefix(result.Digest, "sha256:") {
		err = errors.New("there is no digest in it")
	}
	if err != nil {
		return "", fmt.Errorf("reading what buildx says of its build: %w: %s", err, text)
	}
	return repository + "@" + result.Digest, nil
}
