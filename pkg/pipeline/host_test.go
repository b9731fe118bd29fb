package pipeline

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/gha"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// witness is a host that notes what stages tell it.
type witness struct {
	mu        sync.Mutex
	record    record.Record
	sketched  record.Record
	beside    []string // phases that ran beside others
	groups    []string
	withheld  []string
	changes   []record.Change
	todo      []string
	revisions []record.Revision
	table     string
	log       bytes.Buffer
	tellers   []func(context.Context, record.Record)
}

func (w *witness) Update(change func(*record.Record)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.record)
}

func (w *witness) Sketch(change func(*record.Record)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sketched = w.record
	change(&w.sketched)
}

func (w *witness) Document() ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return []byte(`{"verdict":"` + string(w.record.Verdict) + `"}`), nil
}

func (w *witness) RecordPhase(name string, work func() error) error {
	err := work()
	result := record.Phase{Name: name, Result: record.PhaseOK}
	if err != nil {
		result.Result = record.PhaseFailed
	}
	w.Update(func(r *record.Record) { r.Phases = append(r.Phases, result) })
	return err
}

func (w *witness) RunBeside(name string, work func(*slog.Logger) error) error {
	w.mu.Lock()
	w.beside = append(w.beside, name)
	w.mu.Unlock()
	return w.RecordPhase(name, func() error { return work(slog.New(slog.DiscardHandler)) })
}

func (w *witness) InGroup(name string, work func() error) error {
	w.mu.Lock()
	w.groups = append(w.groups, name)
	w.mu.Unlock()
	return work()
}

func (w *witness) Progress(*atomic.Int64) func()          { return func() {} }
func (w *witness) ShowPods(record.Progress)               {}
func (w *witness) ClearPods()                             {}
func (w *witness) Findings(table []byte) error            { w.table = string(table); return nil }
func (w *witness) Migrations(record.Migrations)           {}
func (w *witness) Changes(all []record.Change)            { w.changes = all }
func (w *witness) Withhold(values ...string)              { w.withheld = append(w.withheld, values...) }
func (w *witness) Suspect(values ...string)               { w.withheld = append(w.withheld, values...) }
func (w *witness) Names(...string)                        {}
func (w *witness) Public(...string)                       {}
func (w *witness) Unread(string, error)                   {}
func (w *witness) Answer(text string) string              { return text }
func (w *witness) JSON(document []byte) []byte            { return document }
func (w *witness) Keep(record.Evidence) ([]string, error) { return nil, nil }

func (w *witness) Revisions(_ record.Release, all []record.Revision) error {
	w.revisions = all
	return nil
}

func (w *witness) Todo(all []string) { w.todo = all }

// host is one whose workflow is what environ says.
func (w *witness) host(environ ...string) Host {
	getenv := func(name string) string {
		i := slices.IndexFunc(environ, func(line string) bool { return strings.HasPrefix(line, name+"=") })
		if i < 0 {
			return ""
		}
		return strings.TrimPrefix(environ[i], name+"=")
	}
	return Host{
		Log: slog.New(slog.NewTextHandler(&w.log, nil)), Actions: gha.New(getenv, io.Discard), Environ: environ, Getenv: getenv,
		Ledger: w, Console: w, Results: w, Secrets: w, Keep: w.Keep,
		AtEnd: func(tell func(context.Context, record.Record)) { w.tellers = append(w.tellers, tell) },
	}
}

// part is the slice of a command.
func part(t *testing.T, command string, settings config.Settings, environ ...string) *slice {
	t.Helper()
	s, _ := logged(t, command, settings, environ...)
	return s
}

// logged is part with the log.
func logged(t *testing.T, command string, settings config.Settings, environ ...string) (*slice, *bytes.Buffer) {
	t.Helper()
	var w witness
	return newSlice(Commands()[command], settings, w.host(environ...)), &w.log
}
