package report

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// WriteEvidence writes what is known of a failed revision as files for people
// (cause, pods, events, the difference of the manifests, logs) and one for
// programs (evidence.json) into dir, which it makes. It gives their paths.
func WriteEvidence(dir string, e record.Evidence) ([]string, error) {
	document, err := encode(e)
	if err != nil {
		return nil, err
	}
	files := []struct{ name, text string }{
		{"cause.txt", plain(e.Cause.String()) + "\n"},
		{"pods.txt", podTable(e.Pods)},
		{"events.txt", eventTable(e.Events)},
		{"manifest.diff", plain(e.Diff)},
		{"evidence.json", string(document)},
	}
	taken := map[string]bool{}
	for _, l := range e.Logs {
		files = append(files, struct{ name, text string }{logName(l, taken), logText(l)})
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

// notInName is what may not stand in a file's name, nor at its begin.
var notInName = regexp.MustCompile(`^[.-]|[^A-Za-z0-9._-]`)

// maxFileName leaves room for what is added to a name: Linux takes 255 bytes, and a pod's
// name may have 253.
const maxFileName = 200

// logName is the file of a log, another one for each.
func logName(l record.Log, taken map[string]bool) string {
	name := l.Pod + "-" + l.Container
	if l.Previous {
		name += "-previous"
	}
	name = notInName.ReplaceAllString(name, "_")
	name = name[:min(len(name), maxFileName)]
	for base, n := name, 2; taken[name]; n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	taken[name] = true
	return filepath.Join("logs", name+".log")
}

func logText(l record.Log) string {
	words := plain(l.Text)
	if l.Ended != "" {
		words = strings.TrimRight(words, "\n") + "\n== it ended: " + cell(l.Ended) + "\n"
	}
	return words
}

// plain keeps the lines and columns of a text and writes out everything else that cannot be
// seen: a log must not steer the terminal of whoever looks at it.
func plain(words string) string {
	var b strings.Builder
	for line := range strings.Lines(words) {
		columns := strings.Split(strings.TrimRight(line, "\r\n"), "\t")
		for i := range columns {
			columns[i] = text.Visible(columns[i])
		}
		b.WriteString(strings.Join(columns, "\t"))
		if strings.HasSuffix(line, "\n") {
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func podTable(pods []record.PodState) string {
	return table(func(w io.Writer) {
		fmt.Fprintln(w, "POD\tOWNER\tNEW\tREADY\tSTATUS\tRESTARTS\tAGE\tNODE\tMESSAGE")
		for _, p := range pods {
			fmt.Fprintf(w, "%s\t%s\t%t\t%s\t%s\t%d\t%s\t%s\t%s\n", cell(p.Name), cell(p.Owner), p.New, cell(p.Ready), cell(p.Status), p.Restarts, seconds(p.Seconds), cell(p.Node), cell(p.Message))
		}
	})
}

func eventTable(events []record.Event) string {
	return table(func(w io.Writer) {
		fmt.Fprintln(w, "LAST SEEN\tOBJECT\tREASON\tCOUNT\tMESSAGE")
		for _, e := range events {
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", seconds(e.Seconds), cell(e.Object), cell(e.Reason), e.Count, cell(e.Message))
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
func cell(words string) string { return text.Visible(strings.Join(strings.Fields(words), " ")) }

// Changes writes a plan for people: each object with what would happen to it and
// how it would differ.
func Changes(w io.Writer, changes []record.Change) {
	if len(changes) == 0 {
		fmt.Fprintln(w, "nothing would change")
	}
	for _, c := range changes {
		fmt.Fprintf(w, "%s %s\n", cell(string(c.Action)), cell(c.Object))
		for line := range strings.Lines(plain(c.Diff)) {
			fmt.Fprintf(w, "    %s\n", strings.TrimRight(line, "\n"))
		}
	}
}
