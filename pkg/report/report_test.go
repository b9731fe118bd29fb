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

	"github.com/stagecrew/stagecrew/pkg/record"
)

var update = flag.Bool("update", false, "write the golden files")

// golden compares a text with that of a file.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func at(second int) time.Time { return time.Date(2026, 11, 1, 12, 0, second, 0, time.UTC) }

func image() record.Image {
	return record.Image{Repository: "registry.example.com/team/app", Digest: "sha256:" + strings.Repeat("a", 64)}
}

func release(revision, good, live int) *record.Release {
	return &record.Release{Name: "backstage", Namespace: "prod", Revision: revision, RollbackTarget: good, Live: live}
}

func records() map[string]record.Record {
	return map[string]record.Record{
		"good": {Command: "deploy", Verdict: record.VerdictGood, Image: image(), Release: release(3, 2, 3),
			Phases: []record.Phase{{Name: "apply", Start: at(0), End: at(2), Result: "ok"}},
			Checks: []record.Check{{Name: "readiness", Target: "Pod/a", Result: "passed", Seconds: 0.01}}},
		"built": {Command: "run", Verdict: record.VerdictGood, Image: image(), Release: release(3, 2, 3),
			Built: &record.Built{Builder: "layers", Reason: "the source is a Backstage workspace", Sent: 92_000, Retries: 1, Warnings: []string{"keeping the dependencies: no"},
				Layers: []record.BuiltLayer{{Platform: "linux/amd64", Name: "dependencies", Size: 86_400_000, Origin: "reused"}, {Platform: "linux/amd64", Name: "application", Size: 90_000, Origin: "sent"}}},
			Tags:   []record.MovedTag{{Tag: "1.2.3", Moved: true, Here: true}, {Tag: "sha-0123456", Here: true}, {Tag: "latest", Why: "its image is version 2.0.0, higher than 1.2.3"}},
			Phases: []record.Phase{{Name: "build: push", Start: at(0), End: at(2), Result: "ok", Bytes: 92_000}},
			Scan:   &record.ScanReport{Packages: 9, DatabaseUpdated: at(0), Suppressed: []string{"CVE-1 in x: ignored: not reachable (ignore.yaml)"}, Expired: []string{"CVE-2 until 2026-01-01: old"}, Unmatched: []string{"CVE-3 until 2027-01-01: gone"}}},
		"rolled-back": {Command: "run", Verdict: record.VerdictRolledBack, Image: image(), Release: release(2, 1, 3),
			Cause:  &record.Cause{Code: "rollout/crash-loop", Object: "Pod/a", Container: "web", Reason: "Error", Message: "Cannot find <b>module</b> | @octocat `x`\n::error::y"},
			Phases: []record.Phase{{Name: "apply", Start: at(0), End: at(2), Result: "ok"}, {Name: "watch: new", Start: at(2), End: at(9), Result: "failed"}, {Name: "rollback", Start: at(9), End: at(14), Result: "ok"}},
			Sights: []record.Sight{{At: at(2), Old: 2}, {At: at(3), New: 1, Old: 2}, {At: at(10), New: 1, Ready: 1, Old: 1}, {At: at(12), New: 2, Ready: 2}},
			Diagnosis: &record.Evidence{
				Pods:   []record.PodState{{Name: "a", Owner: "Deployment/web", New: true, Ready: "0/1", Status: "CrashLoopBackOff", Restarts: 2, Message: "exit code 1"}},
				Events: []record.Event{{Object: "Pod/a", Reason: "BackOff", Message: "back-off restarting </details> | failed container", Count: 3}},
				Logs:   []record.Log{{Pod: "a", Container: "web", Previous: true, Ended: "exit code 1 after 3s", Text: "node:internal\n\n# no heading\n```\n</pre><img src=x onerror=alert(1)>\n::error::no\n\x1b[31mred\n"}},
				Diff:   "--- 1\n+++ 2\n-image: a\n+image: b\n",
			},
			Checks: []record.Check{{Name: "readiness", Target: "Pod/b", Result: "passed"}, {Name: "page", Target: "Pod/b", Result: "failed", Detail: "status 500"}}},
		"needs-human": {Command: "deploy", Verdict: record.VerdictNeedsHuman, Image: image(), Release: release(1, 0, 1), Advice: "the first install failed"},
		"cancelled": {Command: "deploy", Verdict: record.VerdictCancelled, Image: image(), Release: release(2, 1, 3), Advice: "the rollback to revision 1 was applied but not checked",
			Cause:  &record.Cause{Code: "deploy/cancelled", Message: "stopped by a signal after the new revision was applied"},
			Phases: []record.Phase{{Name: "apply", Start: at(0), End: at(2), Result: "ok"}, {Name: "watch", Start: at(2), End: at(5), Result: "cancelled"}},
			Sights: []record.Sight{{At: at(2), Old: 1}, {At: at(3), New: 1, Old: 1}}},
		"scan-refused": {Command: "scan", Verdict: record.VerdictRefused, Image: image(), Error: "1 finding blocks [scan/vulnerable]", Scan: &record.ScanReport{
			Packages: 9, Counts: map[record.Severity]int{record.SeverityCritical: 1},
			Blocking: []record.Finding{{ID: "CVE-2021-44906", Severity: record.SeverityCritical, Package: "minimist", Version: "1.2.5", FixedVersion: "1.2.6"}}}},
	}
}

func TestSummaries(t *testing.T) {
	for name, rec := range records() {
		t.Run(name, func(t *testing.T) {
			got := Summary(rec)
			golden(t, filepath.Join("testdata", name+".md"), got)
			require.Equal(t, "**"+escape(Headline(rec))+"**", firstLine(got), "the first line says what is live")
		})
	}
}

func TestForeignTextCannotBreakOut(t *testing.T) {
	got := escape("a|b <script> @octocat [x](y)\r\n# `c`\x1b" + strings.Repeat("z", 1000))
	require.Equal(t, "a\\|b &lt;script&gt; @\u200boctocat \\[x\\](y) <span>#</span> \\`c\\`\\\\x1b", strings.TrimRight(got, "z…"))
	require.True(t, strings.HasSuffix(got, "…"))
}

func TestListsInTheRecordAreNeverNull(t *testing.T) {
	document, err := Encode(record.Record{Scan: &record.ScanReport{}})
	require.NoError(t, err)
	var back map[string]any
	require.NoError(t, json.Unmarshal(document, &back))
	for _, list := range []string{"phases", "checks", "evidence"} {
		require.Equal(t, []any{}, back[list], list)
	}
	require.Equal(t, []any{}, back["scan"].(map[string]any)["blocking"])
	require.Nil(t, back["cause"])
}

func TestAnnotation_SaysWhy(t *testing.T) {
	cause := &record.Cause{Code: "rollout/crash-loop", Object: "Pod/a", Message: "no such table"}
	for name, c := range map[string]struct {
		run  record.Record
		want string
	}{
		"rolled back": {record.Record{Command: "deploy", Verdict: record.VerdictRolledBack, Cause: cause, Release: &record.Release{Name: "web", Namespace: "prod", Revision: 2, Live: 3, RollbackTarget: 1}},
			"web in prod: rolled back: revision 3, a copy of the verified-good revision 1, is live; revision 2 did not pass\nPod/a: no such table [rollout/crash-loop]"},
		"refused before": {record.Record{Command: "run", Verdict: record.VerdictRefused, Error: "no [scan/vulnerable]", Release: &record.Release{Name: "web", Namespace: "prod", Live: 2}},
			"web in prod: refused, nothing was changed; revision 2 is live\nno [scan/vulnerable]"},
		"refused after a lock was freed": {record.Record{Command: "recover", Verdict: record.VerdictRefused, Error: "no [release/locked]", Repairs: []string{"the lock a of the database b was freed: held"}, Release: &record.Release{Name: "web", Namespace: "prod", Live: 2}},
			"web in prod: refused, all that was done: the lock a of the database b was freed: held; revision 2 is live\nno [release/locked]"},
		"nothing to recover but a lock": {record.Record{Command: "recover", Verdict: record.VerdictOK, Repairs: []string{"the lock a of the database b was freed: held"}, Release: &record.Release{Name: "web", Namespace: "prod", Live: 2}},
			"web in prod: recover: all that was done: the lock a of the database b was freed: held; revision 2 is live"},
		"nothing to recover": {record.Record{Command: "recover", Verdict: record.VerdictOK, Release: &record.Release{Name: "web", Namespace: "prod", Live: 2}},
			"web in prod: recover: nothing was changed; revision 2 is live"},
		"settings": {record.Record{Command: "scan", Verdict: record.VerdictError, Error: "--a: x [config/invalid]\n--b: y [config/image]"},
			"scan: --a: x [config/invalid]\n--b: y [config/image]"},
		"a cluster that is away": {record.Record{Command: "deploy", Verdict: record.VerdictError, Error: "no answer [kube/unreachable]", Release: &record.Release{Name: "web", Namespace: "prod"}},
			"web in prod: could not tell; nothing is known to be live\nno answer [kube/unreachable]"},
	} {
		require.Equal(t, c.want, Annotation(c.run), name)
	}
	long := Annotation(record.Record{Command: "scan", Verdict: record.VerdictError, Error: strings.Repeat("x", 10_000)})
	require.LessOrEqual(t, len(long), 4096)
	require.True(t, strings.HasSuffix(long, "…"))
}

func TestSummary_SeveralErrorsAreAList(t *testing.T) {
	text := Summary(record.Record{Command: "deploy", Verdict: record.VerdictError, Error: "--a: x [config/invalid]\nadd\npermissions:\n  id-token: write [gha/no-identity]\nlast"})
	require.Contains(t, text, "Errors:\n\n- --a: x \\[config/invalid\\]\n- add permissions:   id-token: write \\[gha/no-identity\\]\n- last\n")
}
