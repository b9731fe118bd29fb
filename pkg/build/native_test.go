package build

import (
	"debug/elf"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/build/tree/treetest"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
)

func TestNativeModulesDecideWhichPlatformsATreeServes(t *testing.T) {
	x64, arm := treetest.Module(elf.EM_X86_64), treetest.Module(elf.EM_AARCH64)
	for _, c := range []struct {
		name    string
		files   map[string]string
		refused map[string]string // platform to what the message names
	}{
		{"none", map[string]string{"node_modules/pg/index.js": "x"}, nil},
		{"a name, but no module", map[string]string{"node_modules/x/a.node": "text of more than twenty bytes", "node_modules/x/b.node": ""}, nil},
		{"compiled here", map[string]string{"node_modules/better-sqlite3/build/Release/better_sqlite3.node": x64},
			map[string]string{"linux/arm64": "node_modules/better-sqlite3 has code for linux/amd64 only"}},
		{"with code for both", map[string]string{"node_modules/bufferutil/prebuilds/linux-x64/b.node": x64, "node_modules/bufferutil/prebuilds/linux-arm64/b.node": arm, "node_modules/bufferutil/prebuilds/darwin-arm64/b.node": treetest.AppleModule}, nil},
		{"a package for each platform", map[string]string{"node_modules/@swc/core-linux-x64-gnu/swc.linux-x64-gnu.node": x64, "node_modules/@swc/core-linux-arm64-gnu/swc.linux-arm64-gnu.node": arm}, nil},
		{"the package of one platform", map[string]string{"node_modules/@swc/core-linux-x64-gnu/swc.linux-x64-gnu.node": x64},
			map[string]string{"linux/arm64": "node_modules/@swc/core-"}},
		{"installed on a Mac", map[string]string{"node_modules/better-sqlite3/build/Release/better_sqlite3.node": treetest.AppleModule},
			map[string]string{"linux/amd64": "has code for darwin only", "linux/arm64": "has code for darwin only"}},
		{"a package that is for macOS", map[string]string{"node_modules/fsevents/fsevents.node": treetest.AppleModule, "node_modules/fsevents/package.json": `{"os":["darwin"]}`}, nil},
		// Sources: evanw/esbuild#642, anomalyco/sst#3760, cloudposse/atmos#2931.
		{"a library of a package for one processor", map[string]string{"node_modules/@img/sharp-libvips-linux-x64/lib/libvips-cpp.so.42": x64, "node_modules/@img/sharp-libvips-linux-x64/package.json": `{"cpu":["x64"]}`},
			map[string]string{"linux/arm64": "node_modules/@img/sharp-libvips-*-* has code for linux/amd64 only"}},
		{"libraries of packages for both", map[string]string{"node_modules/@img/v-linux-x64/v.so": x64, "node_modules/@img/v-linux-x64/package.json": `{"cpu":["x64"]}`, "node_modules/@img/v-linux-arm64/v.so": arm, "node_modules/@img/v-linux-arm64/package.json": `{"cpu":["arm64"]}`}, nil},
		{"a helper that may not be used", map[string]string{"node_modules/clipboardy/fallbacks/linux/xsel.so": x64}, nil},
		{"nested in another package", map[string]string{"node_modules/a/node_modules/b/build/b.node": arm},
			map[string]string{"linux/amd64": "node_modules/a/node_modules/b has code for linux/arm64 only"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			host := registrytest.Serve(t, nil)
			base := registrytest.PushPlatforms(t, host, "amd64", "arm64")
			for _, platform := range []string{"linux/amd64", "linux/arm64"} {
				files := portal()
				for name, content := range c.files {
					files[name] = content
				}
				o := options(writeTree(t, files), host, base)
				o.Platform = platform
				_, err := Build(t.Context(), o)
				if want := c.refused[platform]; want != "" {
					require.ErrorContains(t, err, want)
					require.ErrorContains(t, err, "[build/native-modules]")
					require.Equal(t, record.KindInput, record.KindOf(err))
				} else {
					require.NoError(t, err, platform)
				}
			}
		})
	}
}

func TestSeveralPlatformsShareATreeWithoutNativeModules(t *testing.T) {
	called := installer(t, "npm", "package-lock.json")
	host := registrytest.Serve(t, nil)
	o := prepared(writeTree(t, unprepared()), host, registrytest.PushPlatforms(t, host, "amd64", "arm64", "s390x"))
	o.Platform = "linux/amd64, linux/arm64"
	result, err := Build(t.Context(), o)
	require.NoError(t, err)
	require.Len(t, called(), 1, "one install for both")
	require.Len(t, result.Platforms, 2)

	ref, err := name.NewDigest(result.Image.String())
	require.NoError(t, err)
	index, err := remote.Index(ref)
	require.NoError(t, err)
	manifest, err := index.IndexManifest()
	require.NoError(t, err)
	require.Equal(t, "1.0.0", manifest.Annotations[ocispec.AnnotationVersion])
	layers := map[string]bool{}
	for i, m := range manifest.Manifests {
		require.Equal(t, result.Platforms[i].Name, m.Platform.String())
		require.Equal(t, result.Platforms[i].Image.Digest, m.Digest.String())
		image, err := index.Image(m.Digest)
		require.NoError(t, err)
		config, err := image.ConfigFile()
		require.NoError(t, err)
		require.Equal(t, m.Platform.Architecture, config.Architecture)
		for _, l := range result.Layers {
			if l.Name != LayerBase && l.Platform == m.Platform.String() {
				layers[l.Digest] = true
			}
		}
	}
	require.Len(t, layers, 3, "dependencies, application and configuration, each stored once")

	again, err := Build(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, result.Image, again.Image)
	require.Len(t, called(), 1)
	platforms, err := hasty.Platforms(t.Context(), result.Image.String(), nil)
	require.NoError(t, err)
	require.Equal(t, []string{"linux/amd64", "linux/arm64"}, platforms)
}

func TestEachPlatformCanHaveATreeOfItsOwn(t *testing.T) {
	host := registrytest.Serve(t, nil)
	base := registrytest.PushPlatforms(t, host, "amd64", "arm64")
	source := unprepared()
	o := options("", host, base)
	o.Platform, o.Trees = "linux/amd64,linux/arm64", map[string]string{}
	for platform, machine := range map[string]elf.Machine{"linux/amd64": elf.EM_X86_64, "linux/arm64": elf.EM_AARCH64} {
		o.Trees[platform] = writeTree(t, map[string]string{"node_modules/a/a.node": treetest.Module(machine), "node_modules/.package-lock.json": fmt.Sprintf(`{"packages":{"node_modules/a":{"cpu":%q}}}`, machine)})
	}
	o.Source = writeTree(t, source)
	result, err := Build(t.Context(), o)
	require.NoError(t, err)
	digests := map[string]bool{}
	for _, l := range result.Layers {
		if l.Name == LayerDependencies {
			digests[l.Digest] = true
		}
	}
	require.Len(t, digests, 2)
	again, err := Build(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, result.Image, again.Image)

	o.Trees["linux/arm64"] = o.Trees["linux/amd64"]
	_, err = Build(t.Context(), o)
	require.ErrorContains(t, err, "[build/native-modules]")
	delete(o.Trees, "linux/arm64")
	_, err = Build(t.Context(), o)
	require.ErrorContains(t, err, "not for linux/arm64")
}

// Sources: evanw/esbuild#642, anomalyco/sst#3760, cloudposse/atmos#2931.
func TestExecutablesOfAnotherProcessorAreRefusedOrTold(t *testing.T) {
	host := registrytest.Serve(t, nil)
	base := registrytest.PushPlatforms(t, host, "amd64", "arm64")
	build := func(files map[string]string) (Result, error) {
		all := portal()
		maps.Copy(all, files)
		o := options(writeTree(t, all), host, base)
		for name := range files {
			require.NoError(t, os.Chmod(filepath.Join(o.Source, name), 0o755))
		}
		o.Platform, o.Include = "linux/amd64,linux/arm64", []string{"examples"}
		return Build(t.Context(), o)
	}
	x64 := treetest.Module(elf.EM_X86_64)
	const example = "examples/readme"
	_, err := build(map[string]string{example: "x", "node_modules/@esbuild/linux-x64/bin/esbuild": x64, "node_modules/@esbuild/linux-x64/package.json": `{"os":["linux"],"cpu":["x64"]}`})
	require.ErrorContains(t, err, "node_modules/@esbuild/linux-* has code for linux/amd64 only")
	require.ErrorContains(t, err, "[build/native-modules]")
	result, err := build(map[string]string{example: "x", "node_modules/clipboardy/fallbacks/linux/xsel": x64, "plugins/p/dist-dynamic/node_modules/n/n.node": x64})
	require.NoError(t, err, "nobody knows whether it is used")
	require.Equal(t, []string{
		"the image for linux/arm64 may lack native code: node_modules/clipboardy has code for linux/amd64 only",
		"the image for linux/arm64 may lack native code: plugins/p/dist-dynamic/node_modules/n has code for linux/amd64 only",
	}, result.Warnings)
}

// A base image of Alpine has musl; what npm installed elsewhere is linked with glibc
// (npm/cli#4828), or made for macOS alone.
func TestCodeForAnotherCLibraryOrSystemIsTold(t *testing.T) {
	glibc, musl := treetest.Linked("libc.so.6"), treetest.Linked("libc.musl-x86_64.so.1")
	for name, c := range map[string]struct {
		files        map[string]string
		alpine, then []string // warnings in Alpine, and in Debian
	}{
		"linked with glibc":  {map[string]string{"node_modules/lmdb/build/lmdb.node": glibc}, []string{"node_modules/lmdb has code for glibc only, and the base image has musl"}, nil},
		"linked with musl":   {map[string]string{"node_modules/lmdb/build/lmdb.node": musl}, nil, []string{"node_modules/lmdb has code for musl only, and the base image has glibc"}},
		"with code for both": {map[string]string{"node_modules/lmdb/prebuilds/linux-x64/node.glibc.node": glibc, "node_modules/lmdb/prebuilds/linux-x64/node.musl.node": musl}, nil, nil},
		"a package for each": {map[string]string{"node_modules/@swc/core-linux-x64-gnu/swc.node": glibc, "node_modules/@swc/core-linux-x64-musl/swc.node": musl}, nil, nil},
		"by its package.json": {map[string]string{"node_modules/@img/sharp-linux-x64/sharp.node": treetest.Module(elf.EM_X86_64), "node_modules/@img/sharp-linux-x64/package.json": `{"libc":"glibc"}`},
			[]string{"node_modules/@img/sharp-*-* has code for glibc only, and the base image has musl"}, nil},
		"linked with neither": {map[string]string{"node_modules/esbuild/esbuild.node": treetest.Linked("libm.so.6")}, nil, nil},
		"installed on a Mac": {map[string]string{"node_modules/@img/sharp-darwin-arm64/sharp.node": treetest.AppleModule, "node_modules/@img/sharp-darwin-arm64/package.json": `{"os":["darwin"]}`},
			[]string{"node_modules/@img/sharp-*-* has code for darwin only"}, []string{"node_modules/@img/sharp-*-* has code for darwin only"}},
		"installed for both systems": {map[string]string{"node_modules/@img/sharp-darwin-arm64/sharp.node": treetest.AppleModule, "node_modules/@img/sharp-darwin-arm64/package.json": `{"os":"darwin"}`,
			"node_modules/@img/sharp-linux-x64/sharp.node": treetest.Module(elf.EM_X86_64)}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			host := registrytest.Serve(t, nil)
			for base, want := range map[string][]string{
				madeOf(t, host, "team/squashed:22", "scratch", "etc/alpine-release"):                                c.alpine,
				madeOf(t, host, "library/node:22", "ADD alpine-minirootfs-3.20.1-x86_64.tar.gz / # buildkit"):       c.alpine,
				madeOf(t, host, "alpine-tools/node:22-bookworm", "# debian.sh --arch 'amd64' out/ 'bookworm' '@1'"): c.then,
				madeOf(t, host, "wolfi/node:22-alpine", "RUN apk add nodejs", "lib/ld-linux-x86-64.so.2"):           c.then,
			} {
				files := portal()
				maps.Copy(files, c.files)
				result, err := Build(t.Context(), options(writeTree(t, files), host, base))
				require.NoError(t, err)
				var told []string
				for _, one := range result.Warnings {
					told = append(told, strings.TrimPrefix(one, "the image for linux/amd64 may lack native code: "))
				}
				require.Equal(t, want, told, base)
			}
		})
	}
}

// madeOf is an image by a name, with what its history says of its making and with empty files.
func madeOf(t *testing.T, host, called, made string, files ...string) string {
	t.Helper()
	reference, err := name.ParseReference(host + "/" + called)
	require.NoError(t, err)
	require.NoError(t, remote.Write(reference, imageOf(t, made, files)))
	return reference.String()
}

// imageOf has a layer for each list of files.
func imageOf(t *testing.T, made string, layers ...[]string) v1.Image {
	t.Helper()
	image := registrytest.EmptyImage(t)
	for _, files := range layers {
		content := map[string]string{}
		for _, file := range files {
			content[file] = ""
		}
		packed := registrytest.PackFiles(t, content)
		layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(packed)), nil })
		require.NoError(t, err)
		image, err = mutate.AppendLayers(image, layer)
		require.NoError(t, err)
	}
	config := &v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: registrytest.RootFS(t, image), History: []v1.History{{CreatedBy: made}}}
	image, err := mutate.ConfigFile(image, config)
	require.NoError(t, err)
	return image
}
