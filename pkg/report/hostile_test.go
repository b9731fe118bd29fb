package report

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
	"github.com/stagecrew/stagecrew/test/hostile"
)

// everywhere is a record in which each text of others is words: all of type string. What
// it has besides are the values of our own kinds, and numbers.
func everywhere(words string) record.Record {
	r := record.Record{
		Verdict: record.VerdictRolledBack, Release: release(2, 1, 3), Cause: &record.Cause{}, Evidence: []string{""}, Repairs: []string{""},
		Phases: []record.Phase{{Start: at(0), End: at(1), Result: record.PhaseOK}, {Start: at(1), End: at(2), Result: record.PhaseFailed}},
		Sights: []record.Sight{{At: at(0), Old: 1}, {At: at(1), New: 1, Old: 1}}, Checks: []record.Check{{Result: record.CheckFailed}}, Soak: 3,
		Built: &record.Built{Layers: []record.BuiltLayer{{}}, Warnings: []string{""}}, Tags: []record.MovedTag{{Moved: true}, {Here: true}, {}},
		Scan:     &record.ScanReport{Blocking: []record.Finding{{Severity: record.SeverityHigh}}, NotCompared: []string{""}, NotRead: []string{""}, VEXUnmatched: []string{""}, Suppressed: []string{""}, Expired: []string{""}, Unmatched: []string{""}},
		Concerns: []record.Concern{{}}, Changes: []record.Change{{Action: record.ActionUpdate, Differences: []record.Difference{{}}}},
		Diagnosis:  &record.Evidence{Pods: []record.PodState{{New: true}}, Events: []record.Event{{}}, Logs: []record.Log{{Previous: true}, {}}},
		Panics:     []record.Panicked{{}},
		Migrations: &record.Migrations{Plugins: []record.PluginMigrations{{Added: []string{""}, Missing: []string{""}}}},
		Undo:       &record.DatabaseUndo{},
	}
	fill(reflect.ValueOf(&r).Elem(), words, false)
	r.Command, r.Image, r.Scan.Image, r.Built.Base = "deploy", image(), image(), image()
	return r
}

// fill sets each string in a value, those of a kind of its own only where all are meant.
func fill(v reflect.Value, words string, all bool) {
	switch v.Kind() {
	case reflect.Pointer:
		fill(v.Elem(), words, all)
	case reflect.Slice:
		for i := range v.Len() {
			fill(v.Index(i), words, all)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type() != reflect.TypeFor[time.Time]() {
				fill(v.Field(i), words, all)
			}
		}
	case reflect.String:
		if all || v.Type() == reflect.TypeFor[string]() {
			v.SetString(words)
		}
	default:
	}
}

// seenOf is how a person sees a record in each sink that has markup. The comment has all of
// the summary.
func seenOf(t *testing.T, r record.Record) map[string]hostile.Seen {
	t.Helper()
	page, err := Page(r, nil)
	require.NoError(t, err)
	return map[string]hostile.Seen{
		"comment": hostile.Markdown(Comment(r, 2_000_000)), "page": hostile.HTML(string(page)),
	}
}

// What the record says is text of registries, clusters, containers and pages; whoever reads
// it in the summary, the comment or the page sees that text, and nothing is made of it.
func TestNothingInARecordIsMoreThanText(t *testing.T) {
	want := seenOf(t, everywhere("plain"))
	for _, name := range []string{"script", "img", "iframe", "@src", "@href", "@onload", "a"} {
		require.Zero(t, want["page"].Elements[name]+want["comment"].Elements[name], "%s: it needs nothing else", name)
	}
	verdicts := record.Verdict("").Choices()
	var plain []record.Record
	var wants []map[string]hostile.Seen
	for i, v := range verdicts {
		plain = append(plain, everywhere("plain"))
		plain[i].Verdict = record.Verdict(v.Value)
		wants = append(wants, seenOf(t, plain[i]))
	}
	for n, words := range hostile.Texts() {
		r, i := everywhere(words), n%len(verdicts)
		r.Verdict = plain[i].Verdict
		for sink, seen := range seenOf(t, r) {
			require.Equal(t, wants[i][sink].Elements, seen.Elements, "%q in the %s", words, sink)
			require.Empty(t, seen.Grown, "%q in the %s", words, sink)
			require.Empty(t, hostile.Missing(words, seen.Text, 150), "%q in the %s", words, sink)
			require.Zero(t, hostile.Steers(seen.Text), "%q in the %s", words, sink)
		}
		require.Equal(t, ganttLines(Summary(plain[i])), ganttLines(Summary(r)), "%q in the picture", words)
	}
}

// A record that `stagecrew report` reads may be anybody's, also where this program writes
// words of its own.
func TestNothingInARecordOfSomebodyElseIsMoreThanText(t *testing.T) {
	foreign := func(words string) record.Record {
		r := everywhere(words)
		fill(reflect.ValueOf(&r).Elem(), words, true)
		r.Image, r.Scan.Image, r.Built.Base = image(), image(), image()
		return r
	}
	wants := seenOf(t, foreign("plain"))
	for _, words := range hostile.Texts() {
		for sink, seen := range seenOf(t, foreign(words)) {
			require.Equal(t, wants[sink].Elements, seen.Elements, "%q in the %s", words, sink)
			require.Empty(t, seen.Grown, "%q in the %s", words, sink)
			require.Zero(t, hostile.Steers(seen.Text), "%q in the %s", words, sink)
		}
	}
}

// bar of the picture: a name without what Mermaid's language has, its state and two times.
var ganttBar = regexp.MustCompile(`^  (?:[A-Za-z0-9 ,.()/-]+) :(?:done, |crit, |active, |milestone, )?\d+, \d+$`)

// ganttLines are the lines of the picture, with names in place of its bars.
func ganttLines(markdown string) (lines []string) {
	_, picture, _ := strings.Cut(markdown, "```mermaid\n")
	picture, _, _ = strings.Cut(picture, "```")
	for line := range strings.Lines(picture) {
		line = strings.TrimSuffix(line, "\n")
		name := strings.TrimSpace(strings.Split(line, " :")[0])
		if ganttBar.MatchString(line) && !ganttWord.MatchString(name) {
			line = "bar"
		}
		lines = append(lines, line)
	}
	return lines
}

// A phase may be called as a statement of Mermaid's language (mermaid-js/mermaid#2886,
// mermaid-js/mermaid#1981, catchpoint/workflow-telemetry-action#35).
func TestGantt_NamesAreNoStatements(t *testing.T) {
	for name, want := range map[string]string{
		"gantt": "- gantt", "Section two": "- Section two", "title": "- title", "click a call b()": "- click a call b()", "build: push": "build  push", "a#b;c%d": "a b c d", "": "-", ":": "-",
		"sections": "sections", "claim": "claim", "titles, and more": "titles, and more",
	} {
		require.Equal(t, want, inGantt(name), name)
	}
}

func visible(words string) string { return strings.ReplaceAll(words, "\ufffd", "") }

func TestNothingInADocumentIsACommandOrSteers(t *testing.T) {
	for _, words := range hostile.Texts() {
		r := everywhere(words)
		document, err := Encode(r)
		require.NoError(t, err)
		var back record.Record
		require.NoError(t, json.Unmarshal(document, &back))
		require.Equal(t, visible(strings.ToValidUTF8(words, "")), visible(back.Reason), "nothing is lost")
		page, err := Page(r, nil)
		require.NoError(t, err)
		for sink, text := range map[string]string{"record": string(document), "annotation": Annotation(r), "page": string(page)} {
			require.Zero(t, hostile.Steers(text), "%q in the %s", words, sink)
			if sink != "annotation" { // which its writer guards
				require.Empty(t, hostile.Command(text), "%q in the %s", words, sink)
			}
		}
		require.Empty(t, hostile.Missing(words, Annotation(r), 150), words)
	}
}

func TestNothingInEvidenceLeavesItsFileOrSteers(t *testing.T) {
	var e record.Evidence
	for _, words := range hostile.Texts() {
		one := *everywhere(words).Diagnosis
		e.Pods, e.Events, e.Logs, e.Cause = append(e.Pods, one.Pods...), append(e.Events, one.Events...), append(e.Logs, one.Logs[0]), one.Cause
	}
	dir := filepath.Join(t.TempDir(), "evidence")
	files, err := WriteEvidence(dir, e)
	require.NoError(t, err)
	require.Len(t, slices.Compact(slices.Sorted(slices.Values(files))), 4+len(e.Logs), "none has taken the place of another")
	for _, file := range files {
		name, err := filepath.Rel(dir, file)
		require.NoError(t, err)
		require.Regexp(t, `^(logs/)?[A-Za-z0-9_][A-Za-z0-9._-]{0,250}$`, name, "GitHub's artifacts take no other characters (actions/upload-artifact#22)")
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Zero(t, hostile.Steers(string(text)), name)
		switch name {
		case "pods.txt", "events.txt":
			require.Len(t, strings.Split(strings.TrimSpace(string(text)), "\n"), len(e.Pods)+1, name)
		default:
			if i := len(files) - len(e.Logs); strings.HasSuffix(name, ".log") {
				require.Empty(t, hostile.Missing(e.Logs[slices.Index(files, file)-i].Text, string(text), 150), name)
			}
		}
	}
}

func TestEvidence_TwoLogsAreTwoFiles(t *testing.T) {
	files, err := WriteEvidence(t.TempDir(), record.Evidence{Logs: []record.Log{
		{Pod: "web-1", Container: "app", Text: "one"}, {Pod: "web", Container: "1-app", Text: "two"}, {Pod: strings.Repeat("a", 253), Container: strings.Repeat("b", 63), Text: "three"},
	}})
	require.NoError(t, err)
	var names []string
	for _, file := range files[len(files)-3:] {
		names = append(names, filepath.Base(file))
	}
	require.Equal(t, []string{"web-1-app.log", "web-1-app-2.log", strings.Repeat("a", 200) + ".log"}, names)
}

const plainRunes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-"

// shellWords splits a command as a POSIX shell does that meets nothing but plain words and
// single quotes.
func shellWords(t *testing.T, command string) (words []string) {
	t.Helper()
	within, quoted := false, false
	var word strings.Builder
	for _, r := range command + " " {
		switch {
		case r == '\'':
			within, quoted = !within, true
		case within:
			word.WriteRune(r)
		case r == ' ':
			if word.Len() > 0 || quoted {
				words = append(words, word.String())
			}
			word.Reset()
			quoted = false
		default:
			require.Contains(t, plainRunes, string(r), command)
			word.WriteRune(r)
		}
	}
	require.False(t, within, command)
	return words
}

func TestAgain_WhatIsPastedRunsNothingElse(t *testing.T) {
	for _, words := range hostile.Texts() {
		if strings.ContainsRune(words, '\'') || !utf8.ValidString(words) {
			continue // TestAgain_Quotes
		}
		r := everywhere(words)
		r.Verdict = record.VerdictNeedsHuman
		for _, one := range Again(r) {
			got := shellWords(t, one[1])
			require.Equal(t, "stagecrew", got[0])
			require.Equal(t, []string{"--release", words, "--namespace", words}, got[len(got)-4:], one[1])
		}
	}
}

func TestAgain_Quotes(t *testing.T) {
	for words, want := range map[string]string{"web-1": "web-1", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$(x)": "'$(x)'", "-rf": "'-rf'", "a@sha256:b": "a@sha256:b", `a\b`: `'a\b'`} {
		require.Equal(t, want, text.ShellWord(words))
	}
}

// What is shown of a step is at most 1 MiB, and a comment at most 65,536 characters; what
// is too much is left out in whole pieces, the least important first
// (prefix-dev/rattler-build#2738, actions/dependency-review-action#867, maester365/maester#905).
func TestWhatIsTooMuchIsLeftOutInWholePieces(t *testing.T) {
	r := everywhere(strings.Repeat("$#<", 4000))
	for range 200 {
		r.Checks = append(r.Checks, r.Checks[0])
		r.Repairs = append(r.Repairs, r.Repairs[0])
		r.Concerns = append(r.Concerns, r.Concerns[0])
		r.Diagnosis.Logs = append(r.Diagnosis.Logs, r.Diagnosis.Logs[0])
		r.Diagnosis.Events = append(r.Diagnosis.Events, r.Diagnosis.Events[0])
	}
	for limit, document := range map[int]string{1_000_000: Summary(r), 65_000: Comment(r, 65_000)} {
		require.LessOrEqual(t, len(document), limit)
		require.Greater(t, len(document), limit/4)
		require.Contains(t, document, "is left out for its size")
		for _, element := range []string{"details", "pre", "span"} {
			require.Equal(t, strings.Count(document, "<"+element+">"), strings.Count(document, "</"+element+">"), element)
		}
	}
	require.Less(t, len(Summary(everywhere(strings.Repeat("long ", 40_000)))), 200_000)
}
