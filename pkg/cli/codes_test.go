package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// outputOf is an output that a step has left in a file, "" for none.
func outputOf(t *testing.T, file, name string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	_, rest, found := strings.Cut("\n"+string(content), "\n"+name+"<<")
	if !found {
		return ""
	}
	delimiter, rest, _ := strings.Cut(rest, "\n")
	value, _, _ := strings.Cut(rest, "\n"+delimiter+"\n")
	return value
}

// A workflow branches on it, whatever said no: it was empty unless a rollout had failed.
func TestWhateverEndsARunIsAnOutputWithItsCode(t *testing.T) {
	breaks(t)
	refusal := record.Refused("scan/vulnerable", "2 findings refuse the image")
	failed := func(v record.Verdict, cause string) func(*record.Record) {
		return func(r *record.Record) { r.Verdict, r.Cause = v, &record.Cause{Code: cause, Message: "why"} }
	}
	for name, c := range map[string]struct {
		before    func(*record.Record)
		err       error
		cancelled bool
		code      string
		exit      int
		said      string
	}{
		"all is well":                             {nil, nil, false, "", exitOK, ""},
		"a scan refuses":                          {nil, refusal, false, "scan/vulnerable", exitRefused, "2 findings refuse the image [scan/vulnerable]"},
		"a refusal within another stage":          {nil, fmt.Errorf("scan: %w", refusal), false, "scan/vulnerable", exitRefused, "scan: 2 findings"},
		"two at once: the first":                  {nil, errors.Join(refusal, record.Unavailable("kube/unreachable", "no route")), false, "scan/vulnerable", exitRefused, "no route"},
		"a build cannot push":                     {nil, record.Unavailable("build/registry-denied", "401"), false, "build/registry-denied", exitUnknown, "401"},
		"another run holds the lock":              {nil, record.Refused("lease/held", "another run deploys"), false, "lease/held", exitRefused, "another run deploys"},
		"wrong settings":                          {nil, record.BadInput("config/invalid", "--release is missing"), false, "config/invalid", exitUsage, "--release is missing"},
		"an error that nobody classified":         {nil, io.ErrUnexpectedEOF, false, "cli/unexpected", exitUnknown, "unexpected EOF [cli/unexpected]"},
		"a full disk":                             {nil, record.Unavailable("scan/engine-failed", "analyzing: %w", &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}), false, "cli/disk-full", exitUnknown, "TMPDIR"},
		"a rollout that was taken back":           {failed(record.VerdictRolledBack, "rollout/crash-loop"), nil, false, "rollout/crash-loop", exitRolledBack, "why"},
		"a rollback that failed, too":             {failed(record.VerdictNeedsHuman, "rollout/crash-loop"), nil, false, "rollout/crash-loop", exitNeedsHuman, "why"},
		"a signal before a change":                {nil, record.Unavailable("registry/unreachable", "reading: %w", context.Canceled), true, "cli/cancelled", exitCancelled, "reading"},
		"a signal while a stage was at it":        {nil, context.Canceled, true, "cli/cancelled", exitCancelled, "context canceled"},
		"a signal after the change":               {failed(record.VerdictCancelled, "deploy/cancelled"), nil, false, "deploy/cancelled", exitCancelled, "why"},
		"a panic":                                 {nil, attempt(func() error { panic("nil map") }), false, "cli/panicked", exitUnknown, "nil map"},
		"what it says is longer than an argument": {nil, record.Refused("scan/vulnerable", "%s", strings.Repeat("x", 1<<20)), false, "scan/vulnerable", exitRefused, "xxx"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "output")
			s := testSession("run", config.Settings{}, []string{"GITHUB_ACTIONS=true", "GITHUB_OUTPUT=" + file}, io.Discard, io.Discard)
			if c.before != nil {
				s.Update(c.before)
			}
			end := s.finish
			if c.cancelled {
				end = s.cancel
			}
			require.Equal(t, c.exit, end(c.err))
			require.Equal(t, c.code, outputOf(t, file, "cause-code"))
			require.Contains(t, outputOf(t, file, "cause"), c.said)
			require.Less(t, len(outputOf(t, file, "cause")), 5000)
		})
	}
}

// Each command that is given nothing says what it wants, by the same code everywhere.
func TestEachCommandThatRefusesHasACodeOfTheDocuments(t *testing.T) {
	document, err := os.ReadFile("../../docs/errors.md")
	require.NoError(t, err)
	t.Chdir(t.TempDir())
	refused := 0
	for _, c := range config.Commands() {
		file := filepath.Join(t.TempDir(), "output")
		var stdout strings.Builder
		code := Main([]string{c.Name, "--output", "json"}, []string{"GITHUB_ACTIONS=true", "GITHUB_OUTPUT=" + file, "KUBECONFIG=/nowhere"}, &stdout, io.Discard)
		if code == exitOK {
			continue
		}
		refused++
		said := outputOf(t, file, "cause-code")
		require.Regexp(t, "(?m)^## "+regexp.QuoteMeta(said)+"$", string(document), c.Name)
		var rec record.Record
		require.NoError(t, json.Unmarshal([]byte(stdout.String()), &rec))
		require.Equal(t, said, rec.Code(), c.Name)
		require.Contains(t, rec.Error, "["+said+"]", c.Name)
	}
	require.Greater(t, refused, 12)
}

// latchset/clevis#306, mikefarah/yq#461: a variable of a job that is over, an image without /tmp.
func TestAFolderForTemporaryFilesThatIsNotThereIsNamed(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "gone"))
	_, folder := os.MkdirTemp("", "layers-*") //nolint:usetesting // what it says is what is looked at
	_, file := os.CreateTemp("", "layer-*")   //nolint:usetesting // as above
	for _, err := range []error{folder, file} {
		err = coded(fmt.Errorf("making a place for layers: %w", err))
		require.Equal(t, "cli/no-temporary-folder", record.CodeOf(err))
		require.ErrorContains(t, err, "give another one by TMPDIR: stat "+os.TempDir())
	}
	_, elsewhere := os.ReadFile("/no/where")
	require.Equal(t, "cli/unexpected", record.CodeOf(coded(elsewhere)))
}
