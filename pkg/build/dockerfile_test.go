package build

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/build/buildkit"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
)

// fakeTool stands for docker or buildctl. It fails on any argument that it was not
// told, unless it was told none, and answers with the metadata of a build.
func fakeTool(t *testing.T, program string, arguments []string, answer string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "expected"), []byte(strings.Join(arguments, "\n")+"\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "answer"), []byte(answer), 0o644))
	script := `#!/bin/sh
here=` + dir + `
if [ "$*" = "buildx version" ]; then exit 0; fi
metadata=""; previous=""
for a in "$@"; do
  if [ "$previous" = "--metadata-file" ]; then metadata="$a"; a=METADATA; fi
  printf '%s\n' "$a" >> $here/got; previous="$a"
done
if [ "$(cat $here/expected)" ] && ! diff $here/expected $here/got; then exit 9; fi
if [ -n "$DOCKER_AUTH_CONFIG" ]; then echo "$DOCKER_AUTH_CONFIG" > $here/auth; fi
cp $here/answer "$metadata"
`
	path := filepath.Join(dir, program)
	require.NoError(t, os.WriteFile(path, []byte(script), 0o755))
	return path
}

func dockerfileOptions(t *testing.T, host string) (Options, record.Image) {
	t.Helper()
	registrytest.PushPlatforms(t, host, "amd64", "arm64")
	image := registrytest.Find(t, host+"/library/node:many")
	dir := writeTree(t, map[string]string{"deploy/Dockerfile": "FROM scratch\n"})
	return Options{
		Builder: record.BuilderDockerfile, Source: dir, Repository: host + "/library/node", Platform: "linux/amd64,linux/arm64", Version: "1.0.0",
		Created: time.Unix(1700000000, 0), Labels: map[string]string{"team": "a,b"}, Images: hasty,
		Dockerfile: buildkit.Dockerfile{File: "deploy/Dockerfile", Target: "run", Args: map[string]string{"B": "2", "A": "1"}, Secrets: []string{"id=npm,env=NPM_TOKEN"}},
	}, image
}

func TestBuildxIsToldToPushByDigest(t *testing.T) {
	host := registrytest.Serve(t, nil)
	o, image := dockerfileOptions(t, host)
	o.Images.Credentials = []registry.Credentials{{Host: host, Username: "me", Password: "secret"}}
	tool := fakeTool(t, "docker", []string{
		"buildx", "build", "--file", o.Source + "/deploy/Dockerfile", "--platform", "linux/amd64,linux/arm64",
		"--output", "type=image,name=" + o.Repository + ",push=true,push-by-digest=true,name-canonical=true,oci-mediatypes=true,rewrite-timestamp=true,registry.insecure=true",
		"--metadata-file", "METADATA", "--progress", "plain", "--provenance", "false", "--sbom", "false", "--target", "run",
		"--build-arg", "A=1", "--build-arg", "B=2", "--build-arg", "SOURCE_DATE_EPOCH=1700000000",
		"--label", "org.opencontainers.image.created=2023-11-14T22:13:20Z", "--annotation", "manifest:org.opencontainers.image.created=2023-11-14T22:13:20Z", "--annotation", "index:org.opencontainers.image.created=2023-11-14T22:13:20Z",
		"--label", "org.opencontainers.image.version=1.0.0", "--annotation", "manifest:org.opencontainers.image.version=1.0.0", "--annotation", "index:org.opencontainers.image.version=1.0.0",
		"--label", "team=a,b", "--annotation", "manifest:team=a,b", "--annotation", "index:team=a,b",
		"--secret", "id=npm,env=NPM_TOKEN",
		"--cache-from", "type=registry,ref=" + o.Repository + ":stagecrew-buildcache",
		"--cache-to", "type=registry,ref=" + o.Repository + ":stagecrew-buildcache,mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true",
		o.Source,
	}, fmt.Sprintf(`{"containerimage.digest":%q,"other":{}}`, image.Digest))
	o.Dockerfile.Tool = tool
	var inspected []record.Image
	o.Inspect = func(_ context.Context, i record.Image, local LocalImage) error {
		digest, err := local.Digest()
		require.Equal(t, i.Digest, digest.String())
		inspected = append(inspected, i)
		return err
	}
	result, err := Build(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, image, result.Image)
	require.Equal(t, record.BuilderDockerfile, result.Builder)
	require.Len(t, result.Platforms, 2)
	require.Len(t, inspected, 2)
	require.Equal(t, LayerDockerfile, result.Layers[0].Name)
	auth, err := os.ReadFile(filepath.Join(filepath.Dir(tool), "auth"))
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf(`{"auths":{%q:{"auth":"bWU6c2VjcmV0"}}}`, host), strings.TrimSpace(string(auth)))
}

func TestBuildctlIsToldTheSame(t *testing.T) {
	host := registrytest.Serve(t, nil)
	o, image := dockerfileOptions(t, host)
	o.NoCache = true
	o.BaseImage = "node:22"
	o.Dockerfile.Tool = fakeTool(t, "buildctl", []string{
		"build", "--frontend", "dockerfile.v0", "--local", "context=" + o.Source, "--local", "dockerfile=" + o.Source + "/deploy",
		"--metadata-file", "METADATA", "--progress", "plain",
		"--opt", "filename=Dockerfile", "--opt", "platform=linux/amd64,linux/arm64", "--opt", "target=run",
		"--opt", "build-arg:A=1", "--opt", "build-arg:B=2", "--opt", "build-arg:BASE_IMAGE=node:22", "--opt", "build-arg:SOURCE_DATE_EPOCH=1700000000",
		"--opt", "label:org.opencontainers.image.created=2023-11-14T22:13:20Z", "--opt", "label:org.opencontainers.image.version=1.0.0", "--opt", "label:team=a,b",
		"--output", "type=image,name=" + o.Repository + ",push=true,push-by-digest=true,name-canonical=true,oci-mediatypes=true,rewrite-timestamp=true,registry.insecure=true" +
			",annotation.org.opencontainers.image.created=2023-11-14T22:13:20Z,annotation-index.org.opencontainers.image.created=2023-11-14T22:13:20Z" +
			",annotation.org.opencontainers.image.version=1.0.0,annotation-index.org.opencontainers.image.version=1.0.0" +
			`,"annotation.team=a,b","annotation-index.team=a,b"`,
		"--secret", "id=npm,env=NPM_TOKEN",
	}, fmt.Sprintf(`{"containerimage.digest":%q}`, image.Digest))
	result, err := Build(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, image, result.Image)
}

func TestABuilderThatDoesNotSayWhatItPushedIsNotBelieved(t *testing.T) {
	for _, c := range []struct{ name, answer, want string }{
		{"no digest", `{"containerimage.digest":""}`, "[build/no-digest]"},
		{"no JSON", `pushed`, "[build/no-digest]"},
		{"a digest that nobody has", `{"containerimage.digest":"sha256:` + strings.Repeat("0", 64) + `"}`, "[build/image-not-found]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			host := registrytest.Serve(t, nil)
			o, _ := dockerfileOptions(t, host)
			o = Options{Builder: record.BuilderDockerfile, Source: o.Source, Repository: o.Repository, Platform: "linux/amd64", Images: hasty, NoCache: true, Dockerfile: buildkit.Dockerfile{File: "deploy/Dockerfile"}}
			o.Dockerfile.Tool = fakeTool(t, "docker", nil, c.answer)
			_, err := Build(t.Context(), o)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestABuildForAnotherPlatformThanAskedIsRefused(t *testing.T) {
	host := registrytest.Serve(t, nil)
	o, _ := dockerfileOptions(t, host)
	arm, err := remote.Image(mustTag(t, host+"/library/node:many"), remote.WithPlatform(v1.Platform{OS: "linux", Architecture: "arm64"}))
	require.NoError(t, err)
	digest, err := arm.Digest()
	require.NoError(t, err)
	o.Platform = "linux/amd64"
	o.Dockerfile.Tool = fakeTool(t, "docker", nil, fmt.Sprintf(`{"containerimage.digest":%q}`, digest))
	_, err = Build(t.Context(), o)
	require.ErrorContains(t, err, "[build/base-platform]")
}

func mustTag(t *testing.T, s string) name.Tag {
	t.Helper()
	tag, err := name.NewTag(s)
	require.NoError(t, err)
	return tag
}

func TestTheBuilderIsChosenAndTheReasonTold(t *testing.T) {
	for _, c := range []struct {
		name    string
		options Options
		files   []string
		builder record.Builder
		reason  string
	}{
		{"a Backstage workspace", Options{}, []string{"package.json", "packages/backend/package.json"}, record.BuilderLayers, "need not be built again"},
		{"with a Dockerfile", Options{}, []string{"package.json", "packages/backend/package.json", "Dockerfile"}, record.BuilderLayers, "its Dockerfile is not used"},
		{"a Dockerfile only", Options{}, []string{"Dockerfile", "package.json"}, record.BuilderDockerfile, "no Backstage workspace"},
		{"a Dockerfile by name", Options{Dockerfile: buildkit.Dockerfile{File: "x"}}, []string{"package.json", "packages/backend/package.json"}, record.BuilderDockerfile, "was named"},
		{"asked for", Options{Builder: record.BuilderDockerfile}, nil, record.BuilderDockerfile, "asked for"},
		{"nothing", Options{}, nil, record.BuilderLayers, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := map[string]string{}
			for _, f := range c.files {
				files[f] = "{}"
			}
			c.options.Source = writeTree(t, files)
			builder, reason := choose(c.options.withDefaults())
			require.Equal(t, c.builder, builder)
			require.Contains(t, reason, c.reason)
		})
	}
}

func TestAToolThatIsNotThereIsNamed(t *testing.T) {
	host := registrytest.Serve(t, nil)
	o, _ := dockerfileOptions(t, host)
	t.Setenv("PATH", t.TempDir())
	_, err := Build(t.Context(), o)
	require.ErrorContains(t, err, "docker (with buildx) or buildctl")
	require.ErrorContains(t, err, "[build/no-tool]")
	o.Dockerfile.File = "nowhere"
	_, err = Build(t.Context(), o)
	require.ErrorContains(t, err, "[build/no-dockerfile]")
}

// The labels by which a base says what it is are not those of the application
// (ttlequals0/MinusPod#576, cyanheads/mcp-ts-core#202), those of the Dockerfile are
// (docker/metadata-action#295).
func TestLabelsOfTheBaseOfADockerfileAreEmptied(t *testing.T) {
	host := registrytest.Serve(t, nil)
	base, err := mutate.Config(registrytest.EmptyImage(t), v1.Config{Labels: map[string]string{
		"org.opencontainers.image.version": "22.11.0", "org.opencontainers.image.source": "https://github.com/nodejs/docker-node",
		"org.opencontainers.image.title": "Node.js", "org.label-schema.name": "CentOS", "maintainer": "them",
	}})
	require.NoError(t, err)
	ref, err := name.NewTag(host + "/library/labelled:22")
	require.NoError(t, err)
	require.NoError(t, remote.Write(ref, base))
	dir := writeTree(t, map[string]string{"Dockerfile": "FROM " + ref.Name() + "\nLABEL org.opencontainers.image.title=Portal\n"})
	o := Options{Source: dir, Repository: host + "/team/app", Platform: "linux/amd64", Version: "1.0.0", Images: hasty, Log: slog.New(slog.DiscardHandler)}
	want := map[string]string{"org.opencontainers.image.created": "0001-01-01T00:00:00Z", "org.opencontainers.image.version": "1.0.0", "org.opencontainers.image.source": "", "org.label-schema.name": ""}
	require.Equal(t, want, o.buildkit(t.Context(), o.Images.Connect()).Labels)
	o.Source = writeTree(t, map[string]string{"Dockerfile": "FROM " + host + "/library/gone\n"})
	delete(want, "org.opencontainers.image.source")
	delete(want, "org.label-schema.name")
	require.Equal(t, want, o.buildkit(t.Context(), o.Images.Connect()).Labels)
}
