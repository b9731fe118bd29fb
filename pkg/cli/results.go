package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/report"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// results prints on stdout what a command was asked for.
type results struct {
	form    config.Output
	stdout  io.Writer // guarded
	raw     io.Writer // for documents that have passed the secrets
	secrets *secrets
	printed bool // the document; then the record is none
	lost    *noting
}

// noting is a writer that remembers its first error: those who print tables and lists do
// not look at each line.
type noting struct {
	out io.Writer
	mu  sync.Mutex
	err error
}

// Write passes on.
func (n *noting) Write(p []byte) (int, error) {
	written, err := n.out.Write(p)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.err == nil {
		n.err = err
	}
	return written, err
}

// failed is why something of the result could not be printed, nil where all was.
func (r *results) failed() error {
	r.lost.mu.Lock()
	defer r.lost.mu.Unlock()
	if r.lost.err == nil {
		return nil
	}
	return fmt.Errorf("writing to stdout: %w", r.lost.err)
}

// statusSchema is the version of the JSON form of `status`.
const statusSchema = "stagecrew.dev/status/v1"

// statusDocument is what `status --output json` prints.
type statusDocument struct {
	Schema    string            `json:"schema"`
	Release   string            `json:"release"`
	Namespace string            `json:"namespace"`
	Revisions []record.Revision `json:"revisions"` // newest first
}

// Changes prints what a dry run would change; the JSON form has it in the record.
func (r *results) Changes(changes []record.Change) {
	if r.form == config.OutputText {
		report.Changes(r.stdout, changes)
	}
}

// Revisions prints the history of a release, newest first.
func (r *results) Revisions(of record.Release, history []record.Revision) error {
	if r.form != config.OutputJSON {
		return r.table(history)
	}
	text, err := json.MarshalIndent(statusDocument{statusSchema, of.Name, of.Namespace, history}, "", "  ")
	if err != nil {
		return err
	}
	return r.document(append(text, '\n'))
}

// Migrations prints what a rollback between two images needs; the JSON form has it in the
// record.
func (r *results) Migrations(m record.Migrations) {
	if r.form == config.OutputText {
		report.Migrations(r.stdout, m)
	}
}

// Todo prints what is left to do for a person, in its order.
func (r *results) Todo(all []string) {
	if r.form == config.OutputJSON || len(all) == 0 {
		return
	}
	fmt.Fprintln(r.stdout, "What is left to do:")
	for i, one := range all {
		fmt.Fprintf(r.stdout, "%3d. %s\n", i+1, one)
	}
}

func (r *results) table(history []record.Revision) error {
	w := tabwriter.NewWriter(r.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "REVISION\tSTATUS\tVERDICT\tCOPY OF\tWHEN\tIMAGE")
	for _, one := range history {
		verdict, when := string(one.Verdict), one.MarkedAt
		if verdict == "" {
			verdict = "-"
		}
		if when.IsZero() {
			when = one.Deployed
		}
		original := "-"
		if one.Origin > 0 {
			original = strconv.Itoa(one.Origin)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", one.Number, text.Visible(string(one.Status)), text.Visible(verdict), original, when.UTC().Format(time.RFC3339), text.Visible(one.Image))
	}
	return w.Flush()
}

// record prints the record where it is the document that was asked for.
func (r *results) record(rec record.Record) error {
	if r.form != config.OutputJSON || r.printed {
		return nil
	}
	text, err := report.Encode(rec)
	if err != nil {
		return err
	}
	return r.document(text)
}

// document writes a JSON document, once.
func (r *results) document(text []byte) error {
	r.printed = true
	_, _ = r.raw.Write(report.Unspoken(r.secrets.JSON(text)))
	return r.failed()
}
