package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// WriteEvidence writes what is known of a failed revision as files for people
// (cause, pods, events, the difference of the manifests, logs) and one for
// programs (evidence.json) into dir, which it makes. It gives their paths.
func WriteEvidence(dir string, e record.Evidence) ([]string, error) {
	document, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return nil, err
	}
	files := []struct{ name, text string }{
		{"cause.txt", plain(e.Cause.String()) + "\n"},
		{"pods.txt", podTable(e.Pods)},
		{"events.txt", eventTable(e.Events)},
		{"manifest.diff", plain(e.Diff)},
		{"evidence.json", string(document) + "\n"},
	}
	for _, l := range e.Logs {
		files = append(files, struct{ name, text string }{logName(l), logText(l)})
	}
	var paths []string
	for _, f := range files {
		if f.text == "" {
			continue
		}
		path := filepath.Join(dir, f.name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			return paths, err
		}
		if err := os.WriteFile(path, []byte(f.text), 0o600); err != nil {
			return paths, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// notInName is what may not stand in a file's name.
var notInName = regexp.MustCompile(`[^A-Za-z0-9._-]`)

func logName(l record.Log) string {
	name := l.Pod + "-" + l.Container
	if l.Previous {
		name += "-previous"
	}
	return filepath.Join("logs", notInName.ReplaceAllString(name, "_")+".log")
}

func logText(l record.Log) string {
	text := plain(l.Text)
	if l.Ended != "" {
		text = strings.TrimRight(text, "\n") + "\n== it ended: " + plain(l.Ended) + "\n"
	}
	return text
}

// plain makes control characters harmless: a log must not steer the terminal of
// whoever looks at it.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}

func podTable(pods []record.PodState) string {
	return table(func(w io.Writer) {
		fmt.Fprintln(w, "POD\tOWNER\tNEW\tREADY\tSTATUS\tRESTARTS\tAGE\tNODE\tMESSAGE")
		for _, p := range pods {
			fmt.Fprintf(w, "%s\t%s\t%t\t%s\t%s\t%d\t%s\t%s\t%s\n", p.Name, p.Owner, p.New, p.Ready, p.Status, p.Restarts, seconds(p.Seconds), p.Node, cell(p.Message))
		}
	})
}

func eventTable(events []record.Event) string {
	return table(func(w io.Writer) {
		fmt.Fprintln(w, "LAST SEEN\tOBJECT\tREASON\tCOUNT\tMESSAGE")
		for _, e := range events {
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", seconds(e.Seconds), e.Object, e.Reason, e.Count, cell(e.Message))
		}
	})
}

func table(write func(io.Writer)) string {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	write(w)
	_ = w.Flush()
	return b.String()
}

func seconds(n int) time.Duration { return time.Duration(n) * time.Second }

// cell keeps a text on its line and in its column.
func cell(text string) string { return strings.Join(strings.Fields(plain(text)), " ") }

// Changes writes a plan for people: each object with what would happen to it and
// how it would differ.
func Changes(w io.Writer, changes []record.Change) {
	if len(changes) == 0 {
		fmt.Fprintln(w, "nothing would change")
	}
	for _, c := range changes {
		fmt.Fprintf(w, "%s %s\n", c.Action, c.Object)
		for line := range strings.Lines(plain(c.Diff)) {
			fmt.Fprintf(w, "    %s\n", strings.TrimRight(line, "\n"))
		}
	}
}
