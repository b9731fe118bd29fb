package report

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

var update = flag.Bool("update", false, "write the golden files")

func at(second int) time.Time { return time.Date(2026, 11, 1, 12, 0, second, 0, time.UTC) }

func image() pipeline.Image {
	return pipeline.Image{Repository: "registry.example.com/team/app", Digest: "sha256:" + strings.Repeat("a", 64)}
}

func release(revision, good, live int) *pipeline.Release {
	return &pipeline.Release{Name: "backstage", Namespace: "prod", Revision: revision, PreviousGood: good, Live: live}
}

func records() map[string]pipeline.Record {
	return map[string]pipeline.Record{
		"good": {Command: "deploy", Verdict: pipeline.VerdictGood, Image: image(), Release: release(3, 2, 3),
			Phases: []pipeline.Phase{{Name: "apply", Start: at(0), End: at(2), Result: "ok"}},
			Checks: []pipeline.Check{{Name: "readiness", Target: "Pod/a", Result: "passed", Seconds: 0.01}}},
		"built": {Command: "run", Verdict: pipeline.VerdictGood, Image: image(), Release: release(3, 2, 3),
			Built: &pipeline.Built{Builder: "layers", Reason: "the source is a Backstage workspace", Sent: 92_000, Retries: 1, Warnings: []string{"keeping the dependencies: no"},
				Layers: []pipeline.BuiltLayer{{Platform: "linux/amd64", Name: "dependencies", Size: 86_400_000, Origin: "reused"}, {Platform: "linux/amd64", Name: "application", Size: 90_000, Origin: "sent"}}},
			Tags:   []pipeline.MovedTag{{Tag: "1.2.3", Moved: true, Here: true}, {Tag: "sha-0123456", Here: true}, {Tag: "latest", Why: "its image is version 2.0.0, higher than 1.2.3"}},
			Phases: []pipeline.Phase{{Name: "build: push", Start: at(0), End: at(2), Result: "ok", Bytes: 92_000}},
			Scan:   &pipeline.ScanReport{Packages: 9, DatabaseUpdated: at(0), Suppressed: []string{"CVE-1 in x: ignored: not reachable (ignore.yaml)"}, Expired: []string{"CVE-2 until 2026-01-01: old"}, Unmatched: []string{"CVE-3 until 2027-01-01: gone"}}},
		"rolled-back": {Command: "run", Verdict: pipeline.VerdictRolledBack, Image: image(), Release: release(2, 1, 3),
			Cause:  &pipeline.Cause{Code: "rollout/crash-loop", Object: "Pod/a", Container: "web", Reason: "Error", Message: "Cannot find <b>module</b> | @octocat `x`\n::error::y"},
			Phases: []pipeline.Phase{{Name: "watch", Start: at(0), End: at(9), Result: "failed"}},
			Checks: []pipeline.Check{{Name: "readiness", Target: "Pod/b", Result: "passed"}, {Name: "page", Target: "Pod/b", Result: "failed", Detail: "status 500"}}},
		"needs-human": {Command: "deploy", Verdict: pipeline.VerdictNeedsHuman, Image: image(), Release: release(1, 0, 1), Advice: "the first install failed"},
		"scan-refused": {Command: "scan", Verdict: pipeline.VerdictRefused, Image: image(), Error: "1 finding blocks [scan/vulnerable]", Scan: &pipeline.ScanReport{
			Packages: 9, Counts: map[pipeline.Severity]int{pipeline.SeverityCritical: 1},
			Blocking: []pipeline.Finding{{ID: "CVE-2021-44906", Severity: pipeline.SeverityCritical, Package: "minimist", Version: "1.2.5", FixedVersion: "1.2.6"}}}},
	}
}

func TestSummaries(t *testing.T) {
	for name, record := range records() {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", name+".md")
			got := Summary(record)
			if *update {
				require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(want), got)
			require.Equal(t, "**"+escape(Headline(record))+"**", firstLine(got), "the first line says what is live")
		})
	}
}

func TestForeignTextCannotBreakOut(t *testing.T) {
	got := escape("a|b <script> @octocat [x](y)\r\n# `c`\x1b" + strings.Repeat("z", 1000))
	require.Equal(t, "a\\|b &lt;script&gt; @\u200boctocat \\[x\\](y)  \\# \\`c\\`?", strings.TrimRight(got, "z…"))
	require.True(t, strings.HasSuffix(got, "…"))
}

func TestListsInTheRecordAreNeverNull(t *testing.T) {
	document, err := Encode(pipeline.Record{Scan: &pipeline.ScanReport{}})
	require.NoError(t, err)
	var back map[string]any
	require.NoError(t, json.Unmarshal(document, &back))
	for _, list := range []string{"phases", "checks", "evidence"} {
		require.Equal(t, []any{}, back[list], list)
	}
	require.Equal(t, []any{}, back["scan"].(map[string]any)["blocking"])
	require.Nil(t, back["cause"])
}

func TestTheRecordReplacesTheFileWhole(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "record.json")
	require.NoError(t, os.WriteFile(path, []byte("old"), 0o600))
	require.NoError(t, WriteFile(path, records()["good"]))
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(content), `"verdict": "good"`)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 1, "nothing else is left")
	require.Error(t, WriteFile(filepath.Join(dir, "no", "record.json"), pipeline.Record{}))
}
