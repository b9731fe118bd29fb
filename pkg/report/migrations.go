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
		return "done: " + u.Plan
	case u.Plan == "":
		return "not done: " + u.Why
	}
	return "not done to the end: " + u.Why
}
