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
		"Error: Cannot find module 'x'":                     true,
		"npm error":                                         false,
		"➤ YN0000: ┌ Resolution step":                       false,
		"Downloading errorhandler 1.5.1":                    false,
		"npm warn deprecated error-stack-parser@1 is older": false,
	} {
		require.Equal(t, want, reason.MatchString(line), line)
	}
}
