package program

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// npm ci prints its reason, what is missing in hundreds of lines, and a page about its
// options (nx-squeezer/squeezer#654, taiga-family/maskito#820).
func TestTheReasonIsToldThoughALotStandsBehindIt(t *testing.T) {
	said := "npm warn deprecated x\nnpm error code EUSAGE\nnpm error\nnpm error `npm ci` can only install packages when your package.json and package-lock.json are in sync.\n"
	for i := range 200 {
		said += fmt.Sprintf("npm error Missing: package-%d@1.0.0 from lock file\n", i)
	}
	for i := range 60 {
		said += fmt.Sprintf("npm error   --option-%d\n", i)
	}
	err := Command{Path: "sh", Args: []string{"-c", `printf %s "$SAID"; exit 1`}, Env: []string{"SAID=" + said}, Shown: "npm ci", Log: slog.New(slog.DiscardHandler)}.Run(t.Context())
	require.ErrorContains(t, err, "are in sync")
	require.ErrorContains(t, err, "Missing: package-0@1.0.0")
	require.ErrorContains(t, err, "--option-59")
	require.NotContains(t, err.Error(), "deprecated")
	require.Less(t, strings.Count(err.Error(), "\n"), 50)
	require.Equal(t, record.KindInput, record.KindOf(err))
}

func TestColoursAreNoPartOfAReason(t *testing.T) {
	output := &tail{log: slog.New(slog.DiscardHandler)}
	_, err := output.Write([]byte("\x1b[96ma.ts\x1b[0m: \x1b[91merror\x1b[0m TS2742: x\n\x1b[7m1\x1b[0m"))
	require.NoError(t, err)
	require.Equal(t, "a.ts: error TS2742: x\n1", output.String())
}

func TestLinesThatTellOfAnErrorAreKnown(t *testing.T) {
	for line, want := range map[string]bool{
		"npm ERR! code ERESOLVE":    true,
		"npm error code EUSAGE":     true,
		"error Your lockfile needs": true,
		"➤ YN0028: │ The lockfile would have been modified by this install, which is explicitly forbidden.": true,
		"packages/backend/src/index.ts(3,1): error TS2304: Cannot find name 'x'.":                           true,
		"Error: Cannot find module 'x'":                                                                           true,
		"Usage Error: Environment variable not found (NPM_TOKEN) in /w/.yarnrc.yml":                               true,
		"Internal Error: root@workspace:.: This package does not seem to be present in your lockfile":             true,
		"➤ YN0000: │ isolated-vm@npm:5.0.2 STDERR gyp ERR! find Python":                                           true,
		"➤ YN0007: │ isolated-vm@npm:5.0.2 must be built because it never has been before or the last one failed": false,
		"npm error":                                         false,
		"➤ YN0000: ┌ Resolution step":                       false,
		"Downloading errorhandler 1.5.1":                    false,
		"npm warn deprecated error-stack-parser@1 is older": false,
	} {
		require.Equal(t, want, isReason(line), line)
	}
}

// The lines are those of the reports; Yarn 4 puts its own words before them, npm others.
func TestWhatADependencyThatIsCompiledLacksIsSaid(t *testing.T) {
	for line, says := range map[string]string{
		"gyp ERR! find Python Python is not set from command line or npm configuration":            "needs Python", // backstage/backstage#18717
		"➤ YN0000: │ isolated-vm@npm:5.0.2 STDERR gyp ERR! stack Error: Could not find any Python": "needs Python", // backstage/backstage#27978
		"/bin/sh: 1: node-gyp: not found":                 "calls node-gyp", // backstage/backstage#20113
		"npm error gyp ERR! stack Error: not found: make": "needs a compiler",
		"make: g++: not found":                            "needs a compiler",
		"npm ERR! gyp ERR! stack Error: 403 response downloading https://nodejs.org/download/release/x": "npm_config_nodedir",      // nodejs/node-gyp#2174
		"gyp ERR! stack FetchError: request to https://unofficial-builds.nodejs.org/x failed":           "npm_config_nodedir",      // nodejs/node-gyp#3003
		`/usr/include/node/v8config.h:13:2: error: #error "C++20 or later required."`:                   "older than this Node.js", // laverdet/isolated-vm#500, #528
		"gyp info find Python using Python version 3.11.2 found at \"/usr/bin/python3\"":                "",
		"gyp http GET https://nodejs.org/download/release/v22.1.0/node-v22.1.0-headers.tar.gz":          "",
	} {
		require.Contains(t, adviceFor(line), says, line)
		require.Equal(t, says == "", adviceFor(line) == "", line)
	}
}

// A machine that is too small, and archives that Git LFS keeps elsewhere.
func TestWhatTheMachineOrTheCheckoutLacksIsSaid(t *testing.T) {
	for line, says := range map[string]string{
		"FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory": "--max-old-space-size", // backstage/backstage#21982
		"FATAL ERROR: Ineffective mark-compacts near heap limit Allocation failed":          "--max-old-space-size", // Borales/actions-yarn#19
		"Error [ERR_WORKER_OUT_OF_MEMORY]: Worker terminated due to reaching memory limit":  "--max-old-space-size", // meshery/schemas#879
		"error Command failed with exit code 137.":                                          "signal 9",
		"npm error signal SIGKILL": "signal 9",
		"➤ YN0001: │ Libzip Error: Failed to open the cache entry for dagre@npm:0.8.5: Not a zip archive": "lfs: true", // getappmap/vscode-appland#599, cosmos/cosmjs#1644
		"npm error code TAR_BAD_ARCHIVE":                                                                                             "lfs: true",
		"npm error nospc ENOSPC: no space left on device, write":                                                                     "disk is full",
		"Error: Cannot find matching keyid: {\"signatures\":[{\"sig\":\"MEQ\"}]}":                                                    "corepack@latest",  // nodejs/corepack#612
		"npm error Unsupported URL Type \"workspace:\": workspace:^":                                                                 "Yarn or pnpm",     // npm/cli#3946, tldraw/tldraw#3247
		"➤ YN0018: │ d3-path@npm:1.0.9: The remote archive doesn't match the expected checksum":                                      "yarn cache clean", // yarnpkg/berry#2349, getappmap/vscode-appland#547
		"➤ YN0018: │ three@https://github.com/a/three.js.git#commit=d2fbde0: The remote archive doesn't match the expected checksum": "out of Git",       // yarnpkg/berry#5795, #1142
		"➤ YN0018: │ near@file:../near: The remote archive doesn't match the expected checksum":                                      "",
		"➤ YN0016: │ axios@npm:^1.15.0: All versions satisfying \"^1.15.0\" are quarantined":                                         "npmPreapprovedPackages", // yarnpkg/berry#7231
		"npm error code EALLOWGIT":               "allow-git=root",
		"error Command failed with exit code 1.": "",
	} {
		require.Contains(t, adviceFor(line), says, line)
		require.Equal(t, says == "", adviceFor(line) == "", line)
	}
}

func TestAProgramThatTheSystemEndedIsKnownWithoutAWordOfIt(t *testing.T) {
	err := Command{Path: "sh", Args: []string{"-c", "kill -KILL $$"}, Shown: "yarn install", Log: slog.New(slog.DiscardHandler)}.Run(t.Context())
	require.ErrorContains(t, err, "take a larger machine")
}

// The cause stands far above the end of what is printed.
func TestAdviceIsTheLastLine(t *testing.T) {
	output := &tail{log: slog.New(slog.DiscardHandler)}
	_, err := output.Write([]byte("➤ YN0000: │ vm@npm:5.0.2 STDERR gyp ERR! find Python\n" + strings.Repeat("more\n", 100)))
	require.NoError(t, err)
	lines := strings.Split(output.String(), "\n")
	require.Contains(t, lines[0], "find Python")
	require.Contains(t, lines[len(lines)-1], "python3")
}
