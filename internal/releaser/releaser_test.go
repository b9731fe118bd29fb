package main

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// repository is one with a program in the place of stagecrew.
func repository(t *testing.T, dir string) string {
	t.Helper()
	for name, content := range map[string]string{
		"go.mod":                   "module github.com/stagecrew/stagecrew\n\ngo 1.26\n",
		"cmd/stagecrew/main.go":    "package main\n\nimport \"github.com/stagecrew/stagecrew/pkg/cli\"\n\nfunc main() { cli.Main() }\n",
		"pkg/cli/cli.go":           "package cli\n\nvar version = \"(devel)\"\n\nfunc Main() { panic(\"stagecrew \" + version) }\n",
		"actions/setup/VERSION":    "1.0.0\n",
		"actions/setup/SHA256SUMS": nothingPinned,
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return dir
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(path...))
	require.NoError(t, err)
	return string(content)
}

const here = runtime.GOOS + "/" + runtime.GOARCH

func TestTheSameBytesComeFromEveryFolder(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles a program several times")
	}
	long := repository(t, filepath.Join(t.TempDir(), "a folder", "of somebody else"))
	short := repository(t, t.TempDir())
	require.NoError(t, run(t.Context(), []string{"-version", "1.2.3", "-root", long, "-dir", filepath.Join(long, "out"), "-platforms", here}))
	t.Setenv("GOFLAGS", `"-gcflags=all=-dwarf=false -l" -tags=netgo`)
	t.Setenv("GOAMD64", "v3")
	require.NoError(t, run(t.Context(), []string{"-version", "1.2.3", "-root", short, "-dir", filepath.Join(short, "dist"), "-platforms", here}))
	require.Equal(t, read(t, long, "out", "SHA256SUMS"), read(t, short, "dist", "SHA256SUMS"))

	name := "stagecrew_1.2.3_" + strings.ReplaceAll(here, "/", "_")
	program := read(t, long, "out", name)
	require.NotContains(t, program, "of somebody else", "no path of the machine that built it")
	out, err := exec.CommandContext(t.Context(), filepath.Join(long, "out", name)).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "stagecrew 1.2.3", "it says its version")

	archive, err := os.Open(filepath.Join(long, "out", name+".gz"))
	require.NoError(t, err)
	defer archive.Close()
	r, err := gzip.NewReader(archive)
	require.NoError(t, err)
	unpacked, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, program, string(unpacked))
	require.Regexp(t, `^[0-9a-f]{64}  `+regexp.QuoteMeta(name)+`\n[0-9a-f]{64}  \S+\.cdx\.json\n[0-9a-f]{64}  \S+\.gz\n$`, read(t, long, "out", "SHA256SUMS"))

	var bom struct {
		Metadata struct {
			Component struct{ Name, Version string }
		}
		Components []struct{ Name, Version, Purl string }
	}
	require.NoError(t, json.Unmarshal([]byte(read(t, long, "out", name+".cdx.json")), &bom))
	require.Equal(t, "1.2.3", bom.Metadata.Component.Version)
	require.Equal(t, "stdlib", bom.Components[0].Name)
}

func TestWhatIsBuiltIsWhatTheCommitSays(t *testing.T) {
	if testing.Short() {
		t.Skip("it compiles a program several times")
	}
	root := repository(t, t.TempDir())
	build := func(dir string, more ...string) error {
		return run(t.Context(), append([]string{"-version", "1.0.0", "-root", root, "-dir", filepath.Join(root, dir), "-platforms", here}, more...))
	}
	require.ErrorContains(t, build("unpinned", "-check"), "actions/setup/SHA256SUMS does not have ")
	require.ErrorContains(t, build("some", "-pin"), "-pin is for all platforms")
	require.NoError(t, build("good"))
	require.NoError(t, writePins(filepath.Join(root, "actions", "setup"), "1.0.0", read(t, root, "good", "SHA256SUMS")))
	require.NoError(t, build("again", "-check"))

	require.NoError(t, os.WriteFile(filepath.Join(root, "pkg", "cli", "more.go"), []byte("package cli\n\nfunc init() { println(1) }\n"), 0o600))
	require.ErrorContains(t, build("changed", "-check"), "actions/setup/SHA256SUMS does not have ")
	require.ErrorContains(t, run(t.Context(), []string{"-version", "1.0.1", "-root", root, "-check"}), "this is 1.0.1, and actions/setup/VERSION says 1.0.0")
	require.ErrorContains(t, build("good"), "is not empty")

	require.NoError(t, run(t.Context(), []string{"-version", "1.1.0", "-root", root, "-next"}))
	require.Equal(t, "1.1.0\n", read(t, root, "actions", "setup", "VERSION"))
	require.Equal(t, nothingPinned, read(t, root, "actions", "setup", "SHA256SUMS"))
}

func TestAReleaseIsMadeWithOneCompiler(t *testing.T) {
	root := repository(t, t.TempDir())
	require.NoError(t, os.WriteFile(filepath.Join(root, "go.mod"), []byte("module github.com/stagecrew/stagecrew\n\ngo 1.26\n\ntoolchain go1.99.1\n"), 0o600))
	require.ErrorContains(t, run(t.Context(), []string{"-version", "1.0.0", "-root", root, "-dir", filepath.Join(root, "dist")}), "releases are made with go1.99.1")
	for version, want := range map[string]string{"go1.26.8": "go1.26.8", "go1.26.8-X:jsonv2": "go1.26.8", "go1.25.1 X:jsonv2": "go1.25.1", "go1.27rc1-X:jsonv2": "go1.27rc1"} {
		require.Equal(t, want, withoutExperiments(version))
	}
}

func TestAVersionIsSemantic(t *testing.T) {
	for _, version := range []string{"", "v1.0.0", "1.0", "1.0.0 ", "1.0.0\n", "01.0.0", "1.0.0/../x"} {
		require.ErrorContains(t, run(t.Context(), []string{"-version", version, "-next", "-root", t.TempDir()}), "is no version")
	}
}

// What is committed is either nothing, which setup tells, or a whole release.
func TestThePinsOfThisCommitAreWholeOrNone(t *testing.T) {
	setup := filepath.Join("..", "..", "actions", "setup")
	sums, version := read(t, setup, "SHA256SUMS"), strings.TrimSpace(read(t, setup, "VERSION"))
	require.Regexp(t, semantic, version)
	if sums == nothingPinned {
		return
	}
	for _, platform := range strings.Split(platforms, ",") {
		name := "stagecrew_" + version + "_" + strings.ReplaceAll(platform, "/", "_")
		require.Regexp(t, `(?m)^[0-9a-f]{64}  `+regexp.QuoteMeta(name)+`$`, sums)
		require.Regexp(t, `(?m)^[0-9a-f]{64}  `+regexp.QuoteMeta(name)+`\.gz$`, sums)
	}
	require.Contains(t, read(t, "..", "..", "CHANGELOG.md"), "\n## "+version+"\n", "a release has its notes")
}
