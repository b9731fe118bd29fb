package main

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// daemon is a buildkitd with its own state.
type daemon struct {
	lab     *lab
	dir     string
	builder string // its name for buildx
	cmd     *exec.Cmd
	words   *bytes.Buffer
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
[registry."%[4]s"]
  ca = ["%[5]s"]
`

// startDaemon starts a buildkitd without any state, and makes it known to buildx.
func (l *lab) startDaemon(ctx context.Context) (*daemon, error) {
	d := &daemon{lab: l, dir: filepath.Join(l.dir, l.fresh("buildkit")), words: &bytes.Buffer{}}
	d.builder = filepath.Base(d.dir)
	if err := os.Mkdir(d.dir, 0o755); err != nil {
		return nil, err
	}
	runc := filepath.Join(setting("E2E_ROOT"), "bin", "sandbox.d", "runc")
	config := filepath.Join(d.dir, "buildkitd.toml")
	if err := os.WriteFile(config, fmt.Appendf(nil, daemonConfig, d.dir, runc, l.proxied, direct(), setting("SSL_CERT_FILE")), 0o644); err != nil {
		return nil, err
	}
	d.cmd = exec.CommandContext(ctx, l.tool("buildkitd"), "--config", config)
	d.cmd.Stdout, d.cmd.Stderr = d.words, d.words
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	socket := filepath.Join(d.dir, "socket")
	for range 600 {
		if _, err := os.Stat(socket); err == nil {
			_, err := d.buildx(ctx, "create", "--name", d.builder, "--driver", "remote", "unix://"+socket)
			return d, err
		}
		time.Sleep(50 * time.Millisecond)
	}
	d.stop()
	return nil, fmt.Errorf("buildkitd does not listen: %s", d.words)
}

func (d *daemon) stop() {
	_ = d.cmd.Process.Signal(os.Interrupt)
	_ = d.cmd.Wait()
	_ = os.RemoveAll(d.dir)
}

func (d *daemon) buildx(ctx context.Context, args ...string) ([]byte, error) {
	return d.lab.command(ctx, d.dir, []string{"BUILDX_CONFIG=" + filepath.Join(d.lab.dir, "buildx")}, d.lab.tool("buildx"), args...)
}

// build builds the example and pushes it, with the registry cache where one is named.
func (d *daemon) build(ctx context.Context, repository, cache string) (string, error) {
	l := d.lab
	metadata := filepath.Join(d.dir, "metadata.json")
	args := []string{"build", "--builder", d.builder, "--provenance=false", "--build-arg", "BASE_IMAGE=" + l.base, "--build-arg", "BUILD_IMAGE=" + l.buildBase,
		"--build-arg", "BUILD_PACKAGES=", "--build-arg", "INSTALL_FLAGS=--ignore-scripts", "--secret", "id=npmrc,src=" + l.npmrc(),
		"--output", "type=image,name=" + repository + ",push-by-digest=true,push=true,oci-mediatypes=true", "--metadata-file", metadata}
	if cache != "" {
		args = append(args, "--cache-from", "type=registry,ref="+cache, "--cache-to", "type=registry,mode=max,image-manifest=true,oci-mediatypes=true,ref="+cache)
	}
	if _, err := d.buildx(ctx, append(args, l.source)...); err != nil {
		return "", fmt.Errorf("%w\n%s", err, d.words.Bytes()[max(0, d.words.Len()-2000):])
	}
	text, err := os.ReadFile(metadata)
	if err != nil {
		return "", err
	}
	_, after, _ := strings.Cut(string(text), `"containerimage.digest": "`)
	digest, _, found := strings.Cut(after, `"`)
	if !found {
		return "", fmt.Errorf("buildx gave no digest: %s", text)
	}
	return repository + "@" + digest, nil
}

// npmrc lets npm in the build trust whom npm on this machine trusts.
func (l *lab) npmrc() string {
	file := filepath.Join(l.dir, "npmrc")
	if _, err := os.Stat(file); err == nil {
		return file
	}
	text := ""
	if authorities, err := os.ReadFile(os.Getenv("NODE_EXTRA_CA_CERTS")); err == nil {
		for _, one := range strings.SplitAfter(string(authorities), "-----END CERTIFICATE-----") {
			if _, certificate, found := strings.Cut(one, "-----BEGIN CERTIFICATE-----"); found {
				text += `ca[]="-----BEGIN CERTIFICATE-----` + strings.ReplaceAll(certificate, "\n", `\n`) + "\"\n"
			}
		}
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		panic(err) // the directory was made by this program
	}
	return file
}

// withNPM pushes the base image with the npm of this machine on it: the stage's image
// of Node.js has none.
func (l *lab) withNPM(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "npm", "root", "--global").Output()
	if err != nil {
		return "", fmt.Errorf("looking for npm: %w", err)
	}
	var content bytes.Buffer
	archive := tar.NewWriter(&content)
	npm := filepath.Join(strings.TrimSpace(string(out)), "npm")
	if npm, err = filepath.EvalSymlinks(npm); err != nil {
		return "", err
	}
	const at = "usr/local/lib/node_modules/npm"
	if err := filepath.WalkDir(npm, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := archive.WriteHeader(&tar.Header{Name: at + strings.TrimPrefix(path, npm), Mode: 0o755, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
			return err
		}
		_, err = archive.Write(text)
		return err
	}); err != nil {
		return "", err
	}
	if err := archive.WriteHeader(&tar.Header{Name: "usr/local/bin/npm", Linkname: "/" + at + "/bin/npm-cli.js", Typeflag: tar.TypeSymlink, Mode: 0o777}); err != nil {
		return "", err
	}
	if err := archive.Close(); err != nil {
		return "", err
	}
	ref, err := name.ParseReference(l.base)
	if err != nil {
		return "", err
	}
	var base v1.Image
	if base, err = remote.Image(ref, remote.WithContext(ctx)); err != nil {
		return "", err
	}
	layer, err := tarball.LayerFromReader(&content)
	if err != nil {
		return "", err
	}
	image, err := mutate.AppendLayers(base, layer)
	if err != nil {
		return "", err
	}
	to, err := name.NewTag(l.registry + "/benchmarks/node-npm:22")
	if err != nil {
		return "", err
	}
	return to.String(), remote.Write(to, image, remote.WithContext(ctx))
}
