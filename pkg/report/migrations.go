package report

import (
	"fmt"
	"io"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// Migrations prints what a rollback needs, and each file that differs, as plain text.
func Migrations(w io.Writer, m record.Migrations) {
	fmt.Fprintln(w, text.Visible(m.String()))
	for _, p := range m.Plugins {
		fmt.Fprintf(w, "%s (%s)\n", text.Visible(p.Plugin), p.Change)
		for _, name := range p.Added {
			fmt.Fprintln(w, "  + "+text.Visible(name))
		}
		for _, name := range p.Missing {
			fmt.Fprintln(w, "  - "+text.Visible(name))
		}
	}
}

// undone says what became of the databases before a rollback.
func undone(u record.DatabaseUndo) string {
	switch {
	case u.Done:
		return "done: " + u.Plan + lost(u.Lost)
	case u.Plan == "":
		return "not done: " + u.Why
	}
	return "not done to the end: " + u.Why
}

// lost says what was written since the dump that was put back, "" for nothing.
func lost(all []record.LostWrites) string {
	if len(all) == 0 {
		return ""
	}
	var sum record.LostWrites
	for _, one := range all {
		sum.Inserted, sum.Updated, sum.Deleted = sum.Inserted+one.Inserted, sum.Updated+one.Updated, sum.Deleted+one.Deleted
	}
	return fmt.Sprintf("; lost is what was written since, in %d tables: %d rows inserted, %d updated, %d deleted", len(all), sum.Inserted, sum.Updated, sum.Deleted)
}
