package main

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// withNPM pushes the base image with the npm of this machine on it, because the
// sandbox's image of Node.js has none.
func (l *lab) withNPM(ctx context.Context) (string, error) {
	content, err := npmArchive(ctx)
	if err != nil {
		return "", err
	}
	return l.withLayer(ctx, content, "node-npm")
}

// withYarn does so with the Yarn that the variables lead to, as one file.
func (l *lab) withYarn(ctx context.Context, variables []string) (string, error) {
	out, err := l.in(ctx, surroundings{l.dir, l.dir, variables}, "sh", "-c", "command -v yarn")
	if err != nil {
		return "", err
	}
	program, err := filepath.EvalSymlinks(strings.TrimSpace(string(out)))
	if err != nil {
		return "", err
	}
	var content bytes.Buffer
	archive := tar.NewWriter(&content)
	if err := add(archive, program, "usr/local/bin/yarn"); err != nil {
		return "", err
	}
	if err := archive.Close(); err != nil {
		return "", err
	}
	return l.withLayer(ctx, content.Bytes(), "node-yarn")
}

// withLayer pushes the base image with one more layer.
func (l *lab) withLayer(ctx context.Context, content []byte, repository string) (string, error) {
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil })
	if err != nil {
		return "", err
	}
	from, err := name.ParseReference(l.base)
	if err != nil {
		return "", err
	}
	to, err := name.NewTag(l.registry + "/benchmarks/" + repository + ":22")
	if err != nil {
		return "", err
	}
	base, err := remote.Image(from, remote.WithContext(ctx))
	if err != nil {
		return "", err
	}
	image, err := mutate.AppendLayers(base, layer)
	if err != nil {
		return "", err
	}
	return to.String(), remote.Write(to, image, remote.WithContext(ctx))
}

// npmArchive holds npm as it is installed here, where an image of Node.js has it.
func npmArchive(ctx context.Context) ([]byte, error) {
	out, err := exec.CommandContext(ctx, "npm", "root", "--global").Output()
	if err != nil {
		return nil, fmt.Errorf("looking for npm: %w", err)
	}
	npm, err := filepath.EvalSymlinks(filepath.Join(strings.TrimSpace(string(out)), "npm"))
	if err != nil {
		return nil, err
	}
	const at = "usr/local/lib/node_modules/npm"
	var content bytes.Buffer
	archive := tar.NewWriter(&content)
	err = filepath.WalkDir(npm, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		return add(archive, path, at+filepath.ToSlash(strings.TrimPrefix(path, npm)))
	})
	if err == nil {
		err = archive.WriteHeader(&tar.Header{Name: "usr/local/bin/npm", Linkname: "/" + at + "/bin/npm-cli.js", Typeflag: tar.TypeSymlink, Mode: 0o777})
	}
	if err == nil {
		err = archive.Close()
	}
	return content.Bytes(), err
}

func add(archive *tar.Writer, file, as string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := archive.WriteHeader(&tar.Header{Name: as, Mode: 0o755, Size: int64(len(text)), Typeflag: tar.TypeReg}); err != nil {
		return err
	}
	_, err = archive.Write(text)
	return err
}

// npmrc lets npm in the build trust whom npm on this machine trusts.
func npmrc(authorities []byte) string {
	var text strings.Builder
	for _, one := range strings.SplitAfter(string(authorities), "-----END CERTIFICATE-----") {
		if _, certificate, found := strings.Cut(one, "-----BEGIN CERTIFICATE-----"); found {
			text.WriteString(`ca[]="-----BEGIN CERTIFICATE-----` + strings.ReplaceAll(certificate, "\n", `\n`) + "\"\n")
		}
	}
	return text.String()
}
