package validate

import (
	"io"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
	"github.com/stagecrew/stagecrew/pkg/retry"
	"github.com/stagecrew/stagecrew/pkg/sensitive"
	"github.com/stagecrew/stagecrew/pkg/sensitive/sensitivetest"
)

// hasty does not make a test wait.
var hasty = registry.Access{Insecure: []string{"127.0.0.1"}, Retry: retry.Policy{Attempts: 3, First: time.Millisecond, Longest: 5 * time.Millisecond}}

func results(checks []record.Check) map[string]string {
	found := map[string]string{}
	for _, c := range checks {
		found[c.Name] = string(c.Result)
		if c.Result != record.CheckPassed {
			found[c.Name] += ": " + c.Detail
		}
	}
	return found
}

// layerOf packs files as an image's layer; "setuid" is a file with that mode.
func layerOf(t *testing.T, files map[string]string) v1.Layer {
	t.Helper()
	zipped := registrytest.PackFiles(t, files)
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(zipped)), nil }, tarball.WithMediaType(types.OCILayer))
	require.NoError(t, err)
	return layer
}

// sound is a configuration with which nothing is wrong.
func sound() v1.Config {
	return v1.Config{User: "1000:1000", WorkingDir: "/app", Cmd: []string{"node", "packages/backend"}, Env: []string{"NODE_OPTIONS=--no-node-snapshot"},
		Labels: map[string]string{ocispec.AnnotationCreated: "x", ocispec.AnnotationVersion: "x", ocispec.AnnotationRevision: "x"}}
}

// imageOf has the layers on one of random bytes, which is an archive as well.
func imageOf(t *testing.T, config v1.Config, layers []map[string]string) v1.Image {
	t.Helper()
	image := registrytest.EmptyImage(t)
	for _, files := range layers {
		var err error
		image, err = mutate.AppendLayers(image, layerOf(t, files))
		require.NoError(t, err)
	}
	image, err := mutate.ConfigFile(image, &v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: registrytest.RootFS(t, image), Config: config})
	require.NoError(t, err)
	return image
}

// pushed validates an image.
func pushed(t *testing.T, image v1.Image) []record.Check {
	t.Helper()
	ref, err := name.NewTag(registrytest.Serve(t, nil) + "/team/app:x")
	require.NoError(t, err)
	require.NoError(t, remote.Write(ref, image))
	checks, err := Image(t.Context(), hasty, registrytest.Find(t, ref.String()))
	require.NoError(t, err)
	return checks
}

func TestValidatingNamesWhatIsWrong(t *testing.T) {
	const token = "A1b2C3d4E5f6G7h8I9j1K2l3M4n5O6p7Q8r9" // in the form of GitHub's
	for _, c := range []struct {
		name   string
		change func(c *v1.Config)
		layers []map[string]string
		check  string
		want   string
	}{
		{name: "nothing", check: "compilers", want: "passed"},
		{name: "no user", change: func(c *v1.Config) { c.User = "" }, check: "user", want: "failed: no user is set"},
		{name: "a user by name", change: func(c *v1.Config) { c.User = "node" }, check: "user", want: `failed: user "node" is a name`},
		{name: "root", change: func(c *v1.Config) { c.User = "0:1000" }, check: "user", want: "failed: user \"0:1000\" is root"},
		{name: "no Node", change: func(c *v1.Config) { c.Cmd = []string{"sh"} }, check: "entrypoint", want: `failed: ["sh"] does not start node`},
		{name: "Node by path", change: func(c *v1.Config) {
			c.Entrypoint = []string{"/usr/local/bin/node"}
			c.Cmd = []string{"packages/backend"}
		}, check: "entrypoint", want: "passed"},
		{name: "another folder", change: func(c *v1.Config) { c.WorkingDir = "/" }, check: "working directory", want: "failed: the working directory is"},
		{name: "no switch for the scaffolder", change: func(c *v1.Config) { c.Env = nil }, check: "node options", want: "inconclusive: NODE_OPTIONS lacks"},
		{name: "no labels", change: func(c *v1.Config) { c.Labels = nil }, check: "labels", want: "inconclusive: org.opencontainers.image.created is missing"},
		{name: "a compiler", layers: []map[string]string{{"usr/bin/x86_64-linux-gnu-gcc-12": "x"}}, check: "compilers", want: "failed: /usr/bin/x86_64-linux-gnu-gcc-12"},
		{name: "make", layers: []map[string]string{{"./usr/bin/make": "x"}}, check: "compilers", want: "failed: /usr/bin/make"},
		{name: "a compiler that a later layer removes", layers: []map[string]string{{"usr/bin/gcc": "x"}, {"usr/bin/.wh.gcc": ""}}, check: "compilers", want: "passed"},
		{name: "a folder that a later layer empties", layers: []map[string]string{{"usr/bin/gcc": "x"}, {"usr/bin/.wh..wh..opq": ""}}, check: "compilers", want: "passed"},
		{name: "a folder that a later layer removes", layers: []map[string]string{{"usr/local/bin/gcc": "x"}, {"usr/.wh.local": ""}}, check: "compilers", want: "passed"},
		{name: "many compilers", layers: []map[string]string{{"bin/gcc": "", "bin/g++": "", "bin/cc": "", "bin/c++": "", "bin/ld": "", "bin/make": "", "bin/go": ""}}, check: "compilers", want: "failed: /bin/c++; /bin/cc; /bin/g++; /bin/gcc; /bin/go; and 2 more"},
		{name: "a folder that its own layer empties of what was below", layers: []map[string]string{{"usr/bin/cc": "x"}, {"usr/bin/gcc": "x", "usr/bin/.wh..wh..opq": ""}}, check: "compilers", want: "failed: /usr/bin/gcc"},
		{name: "a folder that a file replaces", layers: []map[string]string{{"usr/local/bin/gcc": "x"}, {"usr/local": "x"}}, check: "compilers", want: "passed"},
		// product-os/jellyfish#6111, o1-labs/Archive-Node-API#214
		{name: "a secret that a later layer removes", layers: []map[string]string{{"app/.npmrc": "x"}, {"app/.wh..npmrc": ""}}, check: "secrets", want: "failed: /app/.npmrc (login of a package registry; removed or replaced later, but layer 2 still has it)"},
		{name: "a secret that a later layer replaces", layers: []map[string]string{{"app/.npmrc": "//r/:_authToken=abc"}, {"app/.npmrc": "a=b"}}, check: "secrets", want: "failed: /app/.npmrc (login of a package registry; removed or replaced later, but layer 2 still has it)"},
		{name: "a secret in a folder that a later layer empties", layers: []map[string]string{{"app/.npmrc": "x"}, {"app/.wh..wh..opq": ""}}, check: "secrets", want: "but layer 2 still has it"},
		{name: "a secret before an opaque whiteout of its own layer", layers: []map[string]string{{"app/.npmrc": "x", "app/.wh..wh..opq": ""}}, check: "secrets", want: "failed: /app/.npmrc (login of a package registry)"},
		// nodejs/docker-node#145
		{name: "secrets elsewhere", layers: []map[string]string{{"root/.npmrc": "x", "home/node/.git-credentials": "x", "root/.docker/config.json": "{}"}}, check: "secrets", want: "failed: /home/node/.git-credentials (credentials of Git); /root/.docker/config.json (credentials of a tool); /root/.npmrc (login"},
		// entrius/gittensor-ui#1362
		{name: "a token in a variable", change: func(c *v1.Config) { c.Env = append(c.Env, "NPM_TOKEN=hush") }, check: "secrets", want: "failed: the variable NPM_TOKEN"},
		// trufflesecurity/trufflehog#3247
		{name: "a token in a label", change: func(c *v1.Config) { c.Labels["com.example.checkout"] = "https://x:ghp_" + token + "@github.com/a/b" }, check: "secrets", want: "failed: the label com.example.checkout"},
		{name: "a token in the command", change: func(c *v1.Config) { c.Cmd = append(c.Cmd, "--token", "ghp_"+token) }, check: "secrets", want: "failed: the command"},
		{name: "a password in the health check", change: func(c *v1.Config) {
			c.Healthcheck = &v1.HealthConfig{Test: []string{"CMD-SHELL", "curl http://admin:hunter2@localhost:7007/"}}
		}, check: "secrets", want: "failed: the health check"},
		{name: "a token for the heirs", change: func(c *v1.Config) { c.OnBuild = []string{"RUN npm ci --token ghp_" + token} }, check: "secrets", want: "failed: ONBUILD"},
		{name: "an npm configuration", layers: []map[string]string{{"app/.npmrc": "x"}}, check: "secrets", want: "failed: /app/.npmrc"},
		{name: "local settings", layers: []map[string]string{{"app/app-config.local.yaml": "x"}}, check: "secrets", want: "failed: /app/app-config.local.yaml"},
		{name: "a program with the rights of its owner", layers: []map[string]string{{"app/run": "mode 4755"}}, check: "privileges", want: "failed: /app/run has mode 4755"},
		{name: "a program that a later layer replaces", layers: []map[string]string{{"app/run": "mode 4755"}, {"app/run": "x"}}, check: "privileges", want: "passed"},
		{name: "a file that the user cannot read", layers: []map[string]string{{"app/key": "mode 600"}}, check: "ownership", want: "failed: /app/key belongs to 0"},
		{name: "a file of another user of the group", change: func(c *v1.Config) { c.User = "2000:0" }, layers: []map[string]string{{"app/key": "mode 640"}}, check: "ownership", want: "passed"},
		{name: "a file of root for a user without a group", change: func(c *v1.Config) { c.User = "2000" }, layers: []map[string]string{{"app/key": "mode 640"}}, check: "ownership", want: "passed"},
		{name: "a user whose group the image knows", change: func(c *v1.Config) { c.User = "2000" }, layers: []map[string]string{{"etc/passwd": "x:x:2000:5::/:/bin/sh\n", "app/key": "mode 640"}}, check: "ownership", want: "failed: /app/key belongs to 0:0 with mode 640 and cannot be read by user 2000"},
		{name: "a further group of the user", change: func(c *v1.Config) { c.User = "2000" }, layers: []map[string]string{{"etc/passwd": "x:x:2000:5::/:/bin/sh\n", "etc/group": "root:x:0:y,x\n", "app/key": "mode 640"}}, check: "ownership", want: "passed"},
		{name: "a file that only its owner may not read", change: func(c *v1.Config) { c.User = "0" }, layers: []map[string]string{{"app/key": "mode 0"}}, check: "user", want: "failed"},
		{name: "a folder that the user cannot look into", layers: []map[string]string{{"app/x/": "mode 744"}}, check: "ownership", want: "failed: /app/x belongs to 0:0 with mode 744"},
		{name: "what a package was published with", layers: []map[string]string{{"app/node_modules/x/.env": "x"}}, check: "secrets", want: "passed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := sound()
			if c.change != nil {
				c.change(&config)
			}
			checks := pushed(t, imageOf(t, config, c.layers))
			require.Contains(t, results(checks)[c.check], c.want)
			for _, other := range checks {
				require.True(t, other.Name == c.check || other.Result == record.CheckPassed, "%+v", other)
			}
		})
	}
}

func TestValidateHasTheSameList(t *testing.T) {
	for _, s := range sensitivetest.Paths {
		name := "app/catalog/" + s.Path
		why, err := sensitive.File(name, "app", strings.NewReader(s.Content))
		require.NoError(t, err)
		require.Equal(t, s.Why == "", why == "", s.Path)
		require.Contains(t, why, s.Why)
		published := "app/node_modules/x/" + s.Path
		why, err = sensitive.File(published, "app", strings.NewReader(s.Content))
		require.NoError(t, err)
		if !strings.Contains(s.Content, "_authToken") {
			require.Empty(t, why, "what was published is nobody's secret")
		}
	}
}

// TestAnIndexIsJudgedByAllItsImages: what names no platform (containers/podman#24685),
// and a second one of the same platform.
func TestAnIndexIsJudgedByAllItsImages(t *testing.T) {
	good, bad := imageOf(t, sound(), nil), imageOf(t, v1.Config{User: "0", Cmd: []string{"sh"}}, nil)
	amd, newer := &v1.Platform{OS: "linux", Architecture: "amd64"}, &v1.Platform{OS: "linux", Architecture: "amd64", Variant: "v3"}
	digest, err := bad.Digest()
	require.NoError(t, err)
	for _, c := range []struct {
		name    string
		entries []mutate.IndexAddendum
		failed  string // the target whose user is wrong
	}{
		{"no platform", []mutate.IndexAddendum{{Add: bad}}, "linux/amd64"},
		{"two variants", []mutate.IndexAddendum{{Add: good, Descriptor: v1.Descriptor{Platform: amd}}, {Add: bad, Descriptor: v1.Descriptor{Platform: newer}}}, "linux/amd64/v3"},
		{"two of the same", []mutate.IndexAddendum{{Add: good, Descriptor: v1.Descriptor{Platform: amd}}, {Add: bad, Descriptor: v1.Descriptor{Platform: amd}}}, "linux/amd64 " + digest.String()},
		{"nothing", nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			ref, err := name.NewTag(registrytest.Serve(t, nil) + "/team/app:x")
			require.NoError(t, err)
			require.NoError(t, remote.WriteIndex(ref, mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), c.entries...)))
			checks, err := Image(t.Context(), hasty, registrytest.Find(t, ref.String()))
			if c.failed == "" {
				require.ErrorContains(t, err, "names no image that could be looked at [build/not-valid]")
				require.Equal(t, record.KindRefused, record.KindOf(err))
				return
			}
			require.NoError(t, err)
			var failed []string
			for _, check := range checks {
				if check.Name == "user" && check.Result == record.CheckFailed {
					failed = append(failed, check.Target)
				}
			}
			require.Equal(t, []string{c.failed}, failed)
		})
	}
}

// TestTheHistoryTellsSecrets: npm/docs#850, goodwithtech/dockle#196. No values
// (goodwithtech/dockle#268).
func TestTheHistoryTellsSecrets(t *testing.T) {
	image := imageOf(t, sound(), nil)
	file, err := image.ConfigFile()
	require.NoError(t, err)
	file = file.DeepCopy()
	file.History = []v1.History{{CreatedBy: "base"}, {CreatedBy: "RUN |1 NPM_TOKEN=hush /bin/sh -c npm ci # buildkit"}, {CreatedBy: "ENV API_KEY=hush"}}
	image, err = mutate.ConfigFile(image, file)
	require.NoError(t, err)
	require.Equal(t, "failed: ARG NPM_TOKEN in step 2 of the history; ENV API_KEY in step 3 of the history", results(pushed(t, image))["secrets"])
}

// What follows a layer's archive makes a scan, and a node, fail; validate took it.
func TestALayerIsReadToItsEnd(t *testing.T) {
	_, err := Image(t.Context(), hasty, registrytest.Unpackable(t))
	require.ErrorContains(t, err, "reading layer 2: gzip: invalid header")
	require.ErrorContains(t, err, "[build/image-unusable]")
	require.Equal(t, record.KindUnavailable, record.KindOf(err))
}

// TestALayerIsReadInEachOfItsForms: GoogleContainerTools/jib#3714, apple/container#988 (zstd).
func TestALayerIsReadInEachOfItsForms(t *testing.T) {
	for form, layer := range registrytest.Forms(t, map[string]string{"app/.npmrc": "x"}) {
		t.Run(form, func(t *testing.T) {
			image, err := mutate.Append(imageOf(t, sound(), nil), mutate.Addendum{Layer: layer})
			require.NoError(t, err)
			require.Equal(t, "failed: /app/.npmrc (login of a package registry)", results(pushed(t, image))["secrets"])
		})
	}
}

func TestWhatIsNoImageIsNotJudged(t *testing.T) {
	ref, err := name.NewTag(registrytest.Serve(t, nil) + "/team/chart:x")
	require.NoError(t, err)
	require.NoError(t, remote.Write(ref, mutate.ConfigMediaType(imageOf(t, sound(), nil), "application/vnd.cncf.helm.config.v1+json")))
	_, err = Image(t.Context(), hasty, registrytest.Find(t, ref.String()))
	require.ErrorContains(t, err, "[build/no-image]")
	require.Equal(t, record.KindInput, record.KindOf(err))
}
