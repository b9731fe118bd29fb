// Package report turns the record of a run into what people and programs read:
// a headline, a Markdown summary, a JSON document.
package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// Headline says in one plain line how the run ended; for a deploy it begins with
// what is live.
func Headline(r record.Record) string {
	if r.Release == nil || r.Release.Name == "" || r.LooksOnly {
		return stageHeadline(r)
	}
	name := fmt.Sprintf("%s in %s", r.Release.Name, r.Release.Namespace)
	live := "nothing is known to be live"
	if r.Release.Live > 0 {
		live = fmt.Sprintf("revision %d is live", r.Release.Live)
	}
	switch r.Verdict {
	case record.VerdictGood:
		return fmt.Sprintf("%s: revision %d is live and verified good: %s", name, r.Release.Live, r.Image)
	case record.VerdictRolledBack:
		return fmt.Sprintf("%s: rolled back: revision %d, a copy of the verified-good revision %d, is live; revision %d did not pass",
			name, r.Release.Live, r.Release.RollbackTarget, r.Release.Revision)
	case record.VerdictNeedsHuman:
		return fmt.Sprintf("%s: a human is needed: %s (%s)", name, r.Advice, live)
	case record.VerdictCancelled:
		return fmt.Sprintf("%s: cancelled; %s", name, live)
	case record.VerdictRefused:
		return fmt.Sprintf("%s: refused, %s; %s", name, r.Changed(), live)
	case record.VerdictOK:
		if r.Release.Idle {
			return fmt.Sprintf("%s: revision %d is applied; nothing runs, on purpose, and so nothing is proven", name, r.Release.Live)
		}
		return fmt.Sprintf("%s: %s: %s; %s", name, r.Command, r.Changed(), live)
	case record.VerdictUnknown, record.VerdictError:
	}
	return fmt.Sprintf("%s: could not tell; %s", name, live)
}

// maxAnnotation is what GitHub keeps of one (actions/runner, ExecutionContext).
const maxAnnotation = 4096

// Annotation is the headline with why: all errors, each on a line, or the cause.
func Annotation(r record.Record) string {
	all := Headline(r)
	if r.Cause != nil {
		all += "\n" + r.Cause.String()
	}
	if r.Error != "" {
		// The headline of a stage ends with the first of them.
		all = strings.TrimSuffix(all, firstLine(r.Error))
		if strings.HasSuffix(all, ": ") {
			all += r.Error
		} else {
			all += "\n" + r.Error
		}
	}
	return text.Cut(plain(all), maxAnnotation-len("…"))
}

func stageHeadline(r record.Record) string {
	switch {
	case r.Verdict == record.VerdictOK && r.Image != (record.Image{}):
		return fmt.Sprintf("%s: done: %s", r.Command, r.Image)
	case r.Verdict == record.VerdictOK:
		return r.Command + ": done"
	case r.Verdict == record.VerdictRefused:
		return fmt.Sprintf("%s: refused: %s", r.Command, firstLine(r.Error))
	case r.Verdict == record.VerdictCancelled:
		return r.Command + ": cancelled; nothing was deployed"
	}
	return fmt.Sprintf("%s: %s", r.Command, firstLine(r.Error))
}

// Encode gives the record as an indented JSON document. Lists are never null.
func Encode(r record.Record) ([]byte, error) {
	if r.Phases == nil {
		r.Phases = []record.Phase{}
	}
	if r.Checks == nil {
		r.Checks = []record.Check{}
	}
	if r.Evidence == nil {
		r.Evidence = []string{}
	}
	if r.Scan != nil {
		scan := *r.Scan
		if scan.Findings == nil {
			scan.Findings = []record.Finding{}
		}
		if scan.Blocking == nil {
			scan.Blocking = []record.Finding{}
		}
		r.Scan = &scan
	}
	return encode(r)
}

func encode(value any) ([]byte, error) {
	var document bytes.Buffer
	encoder := json.NewEncoder(&document)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(value)
	return Unspoken(document.Bytes()), err
}

// Unspoken writes what GitHub's runner would take for a command, and what steers a terminal
// or cannot be seen, otherwise in the texts of a JSON document: a job may print it.
func Unspoken(document []byte) []byte {
	document = bytes.ReplaceAll(document, []byte("::"), []byte(`\u003a\u003a`))
	document = bytes.ReplaceAll(document, []byte("##["), []byte(`\u0023\u0023[`))
	var b bytes.Buffer
	for _, r := range string(document) {
		if r < 0x7f || strconv.IsPrint(r) { // JSON itself has the first ones escaped
			b.WriteRune(r)
			continue
		}
		for _, half := range utf16.AppendRune(nil, r) {
			fmt.Fprintf(&b, `\u%04x`, half)
		}
	}
	return b.Bytes()
}
