package report

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/html"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestPages(t *testing.T) {
	for name, rec := range records() {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", name+".html")
			got, err := Page(rec)
			require.NoError(t, err)
			if *update {
				require.NoError(t, os.WriteFile(path, got, 0o644))
			}
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got))
		})
	}
}

// What `make pictures` shows is read as strictly as `stagecrew report` reads a record.
func TestPages_TheRecordsOfThePictures(t *testing.T) {
	for name, want := range map[string]record.Verdict{
		"good": record.VerdictGood, "refused": record.VerdictRefused, "rolled-back": record.VerdictRolledBack,
		"needs-human": record.VerdictNeedsHuman, "cancelled": record.VerdictCancelled,
	} {
		text, err := os.ReadFile(filepath.Join("testdata", "runs", name+".json"))
		require.NoError(t, err)
		var rec record.Record
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.DisallowUnknownFields()
		require.NoError(t, decoder.Decode(&rec), name)
		require.Equal(t, want, rec.Verdict)
		document, err := Page(rec)
		require.NoError(t, err)
		require.Contains(t, string(document), "<svg", name)
		picture, err := os.Stat(filepath.Join("..", "..", "docs", "report-"+name+".png"))
		require.NoError(t, err, "make pictures writes it")
		require.Less(t, picture.Size(), int64(120_000), name)
	}
}

// elements are those of a document, with the text that stands in them.
func elements(t *testing.T, document []byte) (names map[string]int, text string) {
	t.Helper()
	root, err := html.Parse(strings.NewReader(string(document)))
	require.NoError(t, err)
	names = map[string]int{}
	for n := range root.Descendants() {
		switch n.Type {
		case html.ElementNode:
			names[n.Data]++
			for _, a := range n.Attr {
				names["@"+a.Key]++
			}
		case html.TextNode:
			text += n.Data
		case html.ErrorNode, html.DocumentNode, html.CommentNode, html.DoctypeNode, html.RawNode:
		}
	}
	return names, text
}

// The page is opened by a person who trusts it; the texts in it are of registries,
// pods and pages.
func TestPage_NothingInARecordIsMoreThanText(t *testing.T) {
	clean, err := Page(everywhere("plain"))
	require.NoError(t, err)
	want, _ := elements(t, clean)
	require.Zero(t, want["script"]+want["img"]+want["link"]+want["@src"]+want["@href"]+want["@onload"], "it needs nothing else")
	for _, hostile := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, `</title><script>`, `</style><script>`, `</pre></details><iframe>`,
		`javascript:alert(1)`, `{{.Secret}}`, `&lt;script&gt;`, `]]><svg onload=alert(1)>`, "\u202egnp.exe", "\x00<b>", `<!--`, `--!><b>`, `<svg><title><b>`,
	} {
		document, err := Page(everywhere(hostile))
		require.NoError(t, err)
		got, text := elements(t, document)
		require.Equal(t, want, got, hostile)
		if !strings.ContainsAny(hostile, "\x00\u202e") {
			require.Contains(t, text, hostile)
		}
		require.NotContains(t, string(document), "\u202e")
	}
}

// everywhere is a record that has a text in each place that may hold one of others.
func everywhere(words string) record.Record {
	return record.Record{
		Command: "deploy", Verdict: record.VerdictRolledBack, Image: image(), Release: release(2, 1, 3), Error: words, Advice: words, Reason: words,
		Cause:    &record.Cause{Code: "rollout/crash-loop", Object: words, Container: words, Reason: words, Message: words},
		Phases:   []record.Phase{{Name: words, Start: at(0), End: at(1), Result: record.PhaseOK}},
		Checks:   []record.Check{{Name: words, Target: words, Result: record.CheckFailed, Detail: words}},
		Run:      record.Run{ID: words, Attempt: words, Actor: words, Commit: words},
		Built:    &record.Built{Reason: words, Layers: []record.BuiltLayer{{Name: words, Platform: words, Origin: words}}},
		Tags:     []record.MovedTag{{Tag: words, Why: words}},
		Scan:     &record.ScanReport{Blocking: []record.Finding{{ID: words, Package: words, Version: words, FixedVersion: words}}},
		Concerns: []record.Concern{{Code: "preflight/x", Message: words}}, Changes: []record.Change{{Object: words, Diff: words}}, Repairs: []string{words},
		Diagnosis: &record.Evidence{
			Pods: []record.PodState{{Name: words, Owner: words, Ready: words, Status: words, Message: words}}, Diff: words,
			Events: []record.Event{{Object: words, Reason: words, Message: words}}, Logs: []record.Log{{Pod: words, Container: words, Ended: words, Text: words}},
		},
	}
}

func TestDraw(t *testing.T) {
	rec := records()["rolled-back"]
	line := draw(rec)
	require.Equal(t, 14*time.Second, line.length())
	require.Equal(t, bar{"watch: new", 2 * time.Second, 9 * time.Second, record.PhaseFailed}, line.phases[1])
	require.Len(t, line.pods, 4)
	require.Equal(t, "1 of 1 new ready, 1 old", line.pods[2].words())
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
