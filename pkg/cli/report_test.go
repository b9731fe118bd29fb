package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/report"
	"github.com/stagecrew/stagecrew/test/hostile"
	"github.com/stagecrew/stagecrew/test/race"
)

func write(t *testing.T, file string, rec record.Record) {
	t.Helper()
	document, err := report.Encode(rec)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, document, 0o600))
}

func TestReport_ShowsARecordThatARunHasLeft(t *testing.T) {
	file := filepath.Join(t.TempDir(), "record.json")
	begin := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	rec := record.Record{
		Schema: record.RecordSchema, Command: "deploy", Verdict: record.VerdictRolledBack,
		Release: &record.Release{Name: "web", Namespace: "prod", Revision: 2, RollbackTarget: 1, Live: 3},
		Phases:  []record.Phase{{Name: "apply", Start: begin, End: begin.Add(time.Second), Result: record.PhaseOK}},
	}
	write(t, file, rec)
	var out, log bytes.Buffer
	require.Equal(t, exitOK, Main([]string{"report", file}, nil, &out, &log), log.String())
	require.Equal(t, report.Summary(rec), out.String())
	out.Reset()
	require.Equal(t, exitOK, Main([]string{"report", "--html", file}, nil, &out, &log))
	require.Contains(t, out.String(), "<h1 class=\"rolled-back\">"+report.Headline(rec))

	// What only looks has no release of its own to tell of.
	write(t, file, record.Record{Schema: record.RecordSchema, Command: "status", Verdict: record.VerdictOK, Release: rec.Release})
	out.Reset()
	require.Equal(t, exitOK, Main([]string{"report", file}, nil, &out, &log))
	require.Equal(t, "**status: done**\n\n", out.String())
}

// An artifact holds what lay side by side, and the folders of the runner are gone
// (QualityOps/wdio-timeline-reporter#42, Hazyzh/jest-html-reporters#54).
func TestReport_PicturesLieBesideTheRecordAgain(t *testing.T) {
	png := []byte("\x89PNG\r\n\x1a\nseen")
	place := func(path ...string) string {
		at := filepath.Join(append([]string{t.TempDir()}, path...)...)
		require.NoError(t, os.MkdirAll(filepath.Dir(at), 0o700))
		require.NoError(t, os.WriteFile(at, png, 0o600))
		return at
	}
	page := func(file string, paths ...string) string {
		rec := record.Record{Schema: record.RecordSchema, Command: "deploy", Verdict: record.VerdictGood}
		for _, path := range paths {
			rec.Checks = append(rec.Checks, record.Check{Name: "page", Picture: path})
		}
		write(t, file, rec)
		var out, log bytes.Buffer
		require.Equal(t, exitOK, Main([]string{"report", "--html", file}, nil, &out, &log), log.String())
		return out.String()
	}
	const runners = "/gone/with/the/runner/stagecrew/evidence/pictures/1.png"
	there := place("evidence", "pictures", "1.png")
	root := filepath.Dir(filepath.Dir(filepath.Dir(there)))
	require.Contains(t, page(filepath.Join(root, "deploy.json"), runners), "data:image/png;base64,")
	require.Contains(t, page(filepath.Join(t.TempDir(), "deploy.json"), there), "data:image/png;base64,", "where it was written")
	outside := filepath.Join(root, "evidence", "deploy.json")
	require.NotContains(t, page(outside, "/x/../../../../1.png", "../1.png"), "data:image/png;base64,")

	if race.Enabled {
		return // what follows is large
	}
	// One picture a thousand times is no page of any size.
	require.NoError(t, os.WriteFile(there, append(png, make([]byte, maxPicture-len(png))...), 0o600))
	many := page(filepath.Join(root, "deploy.json"), slices.Repeat([]string{runners}, 1000)...)
	require.Equal(t, maxPictures/maxPicture, strings.Count(many, "data:image/png;base64,"))
}

func TestReport_WhatIsNoRecordIsInput(t *testing.T) {
	for name, content := range map[string]string{"no JSON": "x", "another schema": `{"schema": "stagecrew.dev/record/v2"}`, "another document": `{}`, "another form": `{"phases": 1}`} {
		file := filepath.Join(t.TempDir(), "record.json")
		require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
		var out, log bytes.Buffer
		require.Equal(t, exitUsage, Main([]string{"report", file}, nil, &out, &log), name)
		require.Contains(t, log.String(), "[config/record]", name)
		require.Empty(t, out.String(), name)
	}
	var out, log bytes.Buffer
	require.Equal(t, exitUsage, Main([]string{"report", "/no/where"}, nil, &out, &log))
	require.Equal(t, exitUsage, Main([]string{"report"}, nil, &out, &log))
}

// A record may be of another run, and a step may print it.
func TestReport_NothingInARecordIsACommandOfTheStepThatPrintsIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "record.json")
	for _, words := range hostile.Texts() {
		write(t, file, record.Record{
			Schema: record.RecordSchema, Command: "deploy", Verdict: record.VerdictNeedsHuman, Reason: words, Error: words, Release: &record.Release{Name: words, Namespace: words},
			Tags: []record.MovedTag{{Tag: words, Why: words}}, Diagnosis: &record.Evidence{Logs: []record.Log{{Text: words}}},
		})
		for _, args := range [][]string{{"report", file}, {"report", "--html", file}} {
			var out, log bytes.Buffer
			require.Equal(t, exitOK, Main(args, []string{"GITHUB_ACTIONS=true"}, &out, &log), log.String())
			require.Empty(t, hostile.Command(out.String()), words)
			require.Zero(t, hostile.Steers(out.String()), words)
		}
	}
}
