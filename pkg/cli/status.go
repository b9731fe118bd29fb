package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// statusSchema is the version of the JSON form of `status`.
const statusSchema = "stagecrew.dev/status/v1"

// statusDocument is what `status --output json` prints.
type statusDocument struct {
	Schema    string            `json:"schema"`
	Release   string            `json:"release"`
	Namespace string            `json:"namespace"`
	Revisions []record.Revision `json:"revisions"` // newest first
}

func runStatus(ctx context.Context, s *session) error {
	cluster, r, err := s.openRelease()
	if err != nil {
		return err
	}
	history, err := r.History(ctx)
	if err != nil {
		return err
	}
	s.update(func(r *record.Record) { r.Release = &record.Release{Name: s.Release, Namespace: cluster.Namespace} })
	if len(history) == 0 {
		return noRelease(s.Release, cluster.Namespace)
	}
	if s.Output == config.OutputJSON {
		s.Output = config.OutputText // the status is the document, not the record
		text, err := json.MarshalIndent(statusDocument{statusSchema, s.Release, cluster.Namespace, history}, "", "  ")
		if err != nil {
			return err
		}
		return s.document(append(text, '\n'))
	}
	return s.statusTable(history)
}

func noRelease(name, namespace string) error {
	return record.Refused("status/no-release", "there is no release %q in namespace %q", name, namespace)
}

func (s *session) statusTable(history []record.Revision) error {
	w := tabwriter.NewWriter(s.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "REVISION\tSTATUS\tVERDICT\tCOPY OF\tWHEN\tIMAGE")
	for _, r := range history {
		verdict, when := string(r.Verdict), r.MarkedAt
		if verdict == "" {
			verdict = "-"
		}
		if when.IsZero() {
			when = r.Deployed
		}
		original := "-"
		if r.Origin > 0 {
			original = strconv.Itoa(r.Origin)
		}
		fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\n", r.Number, oneLine(string(r.Status)), oneLine(verdict), original, when.UTC().Format(time.RFC3339), oneLine(r.Image))
	}
	return w.Flush()
}
