package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stagecrew/stagecrew/pkg/gha"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// console is where people see what happens: lines of a log, groups of them, and on a
// terminal a table or a line below.
type console struct {
	name    string // of the command
	log     *slog.Logger
	warn    func(string) // makes annotations, nil outside of GitHub Actions
	out     io.Writer    // guarded
	screen  *screen
	actions *gha.Actions
	hide    func(string) string // takes secret values out of a text
	ledger  *ledger
	// shown are the pods that the log of the job shows, without their ages, and since
	// when. One rollout is watched at a time.
	shown   string
	shownAt time.Time
	groups  sync.Mutex // held while a group of log lines is written
}

// RecordPhase runs work and notes its time and result in the record.
func (c *console) RecordPhase(name string, work func() error) error {
	return c.recordPhase(name, c.log, work)
}

func (c *console) recordPhase(name string, log *slog.Logger, work func() error) error {
	log.Info(name)
	p := record.Phase{Name: name, Start: time.Now(), Result: record.PhaseOK}
	err := work()
	p.End = time.Now()
	if err != nil {
		p.Result = record.PhaseFailed
	}
	c.ledger.Update(func(r *record.Record) { r.Phases = append(r.Phases, p) })
	return err
}

// RunBeside is RecordPhase for work beside other work, with a log of its own: on a
// terminal its lines have its name; in GitHub Actions they come as one folded group
// when it is over.
func (c *console) RunBeside(name string, work func(*slog.Logger) error) error {
	if !c.actions.Enabled() {
		log := c.newLog(c.out, c.name+" "+name)
		return c.recordPhase(name, log, func() error { return work(log) })
	}
	var lines bytes.Buffer
	err := c.recordPhase(name, c.log, func() error { return work(c.newLog(&lines, c.name+" "+name)) })
	return errors.Join(err, c.InGroup(name, func() error {
		_, err := c.out.Write(lines.Bytes())
		return err
	}))
}

// InGroup puts what work logs into a group that the viewer can fold.
func (c *console) InGroup(name string, work func() error) error {
	c.groups.Lock()
	defer c.groups.Unlock()
	defer c.actions.Group(name)()
	return work()
}

// quietFor is how long a stage may say nothing in the log of a job.
const quietFor = 10 * time.Second

// Progress tells how much was sent until it is stopped: on a terminal as a line that
// changes, otherwise as a line of the log now and then.
func (c *console) Progress(sent *atomic.Int64) (stop func()) {
	began, done := time.Now(), make(chan struct{})
	every, tell := quietFor, func(text string) { c.log.Info(text) }
	if c.screen.width > 0 {
		every, tell = quietFor/50, c.screen.line
	}
	var ended sync.WaitGroup
	ended.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-done:
				c.screen.clear()
				return
			case <-tick.C:
				tell(fmt.Sprintf("building for %s, %.1f MB sent", time.Since(began).Round(time.Second), float64(sent.Load())/1e6))
			}
		}
	})
	return func() {
		close(done)
		ended.Wait()
	}
}

// ShowPods draws the pods of a rollout below the log. In the log of a job, which has
// no below, their table is a part of it at each change.
func (c *console) ShowPods(sight record.Progress) {
	c.ledger.see(time.Now(), sight.Pods)
	if !c.actions.Enabled() {
		c.screen.show(sight)
		return
	}
	sight = redacted(sight, c.hide)
	if now := podTable(ageless(sight), jobLogWidth); now != c.shown && time.Since(c.shownAt) >= tablesApart {
		c.shown, c.shownAt = now, time.Now()
		_, _ = io.WriteString(c.out, podTable(sight, jobLogWidth))
	}
}

const (
	// jobLogWidth is how many columns of a job's log fit on a usual screen.
	jobLogWidth = 160
	// tablesApart keeps a rollout of many pods from filling the log of a job.
	tablesApart = 5 * time.Second
)

// ClearPods removes them.
func (c *console) ClearPods() { c.screen.clear() }

// Findings prints the table of a scan.
func (c *console) Findings(table []byte) error {
	_, err := c.out.Write(table)
	return err
}
