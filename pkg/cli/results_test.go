package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestTheStatusTellsWhatIsACopy(t *testing.T) {
	s := newStep(t, config.Settings{})
	require.NoError(t, s.results.table([]record.Revision{{Number: 3, Origin: 1, Status: "deployed", Verdict: record.MarkGood, Image: "web"}, {Number: 2, Status: "superseded"}}))
	require.Regexp(t, `^REVISION +STATUS +VERDICT +COPY OF +WHEN +IMAGE\n3 +deployed +good +1 +\S+ +web\n2 +superseded +- +- +\S+`, s.stdout.String())
}

// A full disk is no wrong input, also where a list is printed line by line
// (aquasecurity/trivy#1796, opendatahub-io/notebooks#784).
func TestWhatCannotBePrintedIsNoSuccess(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full")
	}
	defer full.Close()
	dir := t.TempDir()
	kept := filepath.Join(dir, "record.json")
	write(t, kept, record.Record{Schema: record.RecordSchema, Command: "deploy", Verdict: record.VerdictGood})
	t.Chdir(dir)
	for _, args := range [][]string{{"version"}, {"report", kept}, {"report", "--html", kept}, {"init"}, {"init", "-o", "json"}} {
		var log bytes.Buffer
		require.Equal(t, exitUnknown, Main(args, nil, full, &log), args)
		require.Contains(t, log.String(), "[cli/disk-full]", args)
	}
}
