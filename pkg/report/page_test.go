package report

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestPages(t *testing.T) {
	for name, rec := range records() {
		t.Run(name, func(t *testing.T) {
			got, err := Page(rec, nil)
			require.NoError(t, err)
			golden(t, filepath.Join("testdata", name+".html"), string(got))
		})
	}
}

// The five ways in which a deploy ends, and a plan, in each form that a person sees; `make
// pictures` makes pictures of the first five.
func TestRuns(t *testing.T) {
	for name, want := range map[string]record.Verdict{
		"good": record.VerdictGood, "refused": record.VerdictRefused, "rolled-back": record.VerdictRolledBack,
		"needs-human": record.VerdictNeedsHuman, "cancelled": record.VerdictCancelled, "plan": record.VerdictOK,
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", "runs", name)
			rec := readRun(t, file+".json")
			require.Equal(t, want, rec.Verdict)
			document, err := Page(rec, nil)
			require.NoError(t, err)
			golden(t, file+".html", string(document))
			golden(t, file+".summary.md", Summary(rec))
			golden(t, file+".comment.md", Comment(rec, 65_000))
			if name == "plan" {
				return
			}
			require.Contains(t, string(document), "<svg")
			for _, kind := range []string{"report", "summary"} {
				picture, err := os.Stat(filepath.Join("..", "..", "docs", kind+"-"+name+".png"))
				require.NoError(t, err, "make pictures writes it")
				require.Less(t, picture.Size(), int64(120_000), kind)
			}
		})
	}
}

// readRun is as strict as `stagecrew report`.
func readRun(t *testing.T, file string) (rec record.Record) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&rec))
	return rec
}

func TestDraw(t *testing.T) {
	rec := records()["rolled-back"]
	line := draw(rec)
	require.Equal(t, 14*time.Second, line.length())
	require.Equal(t, bar{"watch: new", 2 * time.Second, 9 * time.Second, record.PhaseFailed}, line.phases[1])
	require.Len(t, line.pods, 4)
	require.Equal(t, "1 of 1 new ready, 1 old", line.pods[2].label())
	require.Equal(t, 14*time.Second, line.pods[3].till)

	// A clock that was set back, and a record from elsewhere.
	rec.Phases[1].End, rec.Sights[1].At = at(0), at(50)
	line = draw(rec)
	require.Len(t, line.phases, 2)
	require.Nil(t, newPicture(record.Record{}))
	require.NotNil(t, newPicture(record.Record{Phases: []record.Phase{{Start: at(1), End: at(1)}}}), "of no length")
}

func TestDuration(t *testing.T) {
	for want, d := range map[string]time.Duration{"0.3 s": 340 * time.Millisecond, "12 s": 12300 * time.Millisecond, "3m20s": 200 * time.Second} {
		require.Equal(t, want, duration(d))
	}
}

func TestDiagnosis_TheEndOfALogInWholeLines(t *testing.T) {
	require.Equal(t, "…\ncd\n", tail("ab\nxx\ncd\n", 5))
	require.Equal(t, "…\n", tail("ü", 1), "no half of a character")
	require.Equal(t, "ab", tail("ab", 5))
}
