package pipeline

import (
	"context"
	"log/slog"
	"sync/atomic"

	"github.com/stagecrew/stagecrew/pkg/gha"
	"github.com/stagecrew/stagecrew/pkg/pipeline/site"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// Host is what a run gives to its stages.
type Host struct {
	Log *slog.Logger
	// Actions is the workflow that this is a step of, if any.
	Actions *gha.Actions
	// Environ is as of os.Environ, and Getenv looks into it.
	Environ []string
	// Version is that of the program, "(devel)" for one that is none of a release.
	Version string
	Getenv  func(string) string
	Ledger  Ledger
	Console Console
	Results Results
	Secrets Secrets
	// AtEnd has tell called when the record is closed and written, within a few seconds.
	AtEnd func(tell func(context.Context, record.Record))
	// Keep stores evidence and gives the paths of its files.
	Keep func(record.Evidence) ([]string, error)
	// Picture stores a PNG of what a smoke check has seen and gives its path.
	Picture func(name string, png []byte) (string, error)
}

// Ledger is the record of the run.
type Ledger interface {
	// Update changes the record.
	Update(change func(*record.Record))
	// Sketch notes how the record would look if the run ended now; the next Update
	// takes its place.
	Sketch(change func(*record.Record))
	// Document is the record as it stands, in the form in which it may be shown.
	Document() ([]byte, error)
}

// Console is where people see what happens.
type Console interface {
	// RecordPhase runs work and puts its time and result on the record.
	RecordPhase(name string, work func() error) error
	// RunBeside is RecordPhase for work that runs beside other work, with a log of its
	// own whose lines stay together.
	RunBeside(name string, work func(*slog.Logger) error) error
	// InGroup puts what work logs into a group that the viewer can fold.
	InGroup(name string, work func() error) error
	// Progress tells how many bytes were sent until it is stopped.
	Progress(sent *atomic.Int64) (stop func())
	site.Screen
	// Findings prints the table of a scan.
	Findings(table []byte) error
}

// Results is where a command leaves what it was asked for.
type Results interface {
	// Changes prints what a dry run would change.
	Changes([]record.Change)
	// Revisions prints those of a release, newest first.
	Revisions(record.Release, []record.Revision) error
	// Migrations prints what a rollback between two images needs.
	Migrations(record.Migrations)
	// Todo prints what is left to do for a person, in its order.
	Todo([]string)
}

// Secrets are the values that nothing may show.
type Secrets interface {
	site.Secrets
	// JSON is a document as it may be shown.
	JSON(document []byte) []byte
}
