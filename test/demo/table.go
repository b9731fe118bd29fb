package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// table prints what happened and gives an error when a step did not end as it should.
func (d *demo) table(out io.Writer, prepared time.Duration) error {
	var problems []error
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "STEP\tWHAT\tVERDICT\tEXIT\tSECONDS\tAS IT SHOULD")
	fmt.Fprintf(w, "\tcluster, registry, workspace, keys, database\t\t\t%.1f\tyes\n", prepared.Seconds())
	for _, r := range d.results {
		as := "yes"
		if r.problem != "" {
			as = "NO: " + r.problem
			problems = append(problems, fmt.Errorf("step (%s) %s: %s", r.step, r.title, r.problem))
		}
		fmt.Fprintf(w, "(%s)\t%s\t%s\t%d\t%.1f\t%s\n", r.step, r.title, r.record.Verdict, r.exit, r.seconds, as)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	for _, r := range d.results {
		for _, p := range r.record.Phases {
			fmt.Fprintf(out, "(%s) %-16s %6.1f s  %s\n", r.step, p.Name, p.End.Sub(p.Start).Seconds(), p.Result)
		}
		if r.record.Cause != nil {
			fmt.Fprintf(out, "(%s) cause: %s\n", r.step, r.record.Cause)
		}
	}
	fmt.Fprintf(out, "\nWhile (b) and (c) ran, a client asked the Service for / %d times; %d requests failed.\n", d.client.asked, len(d.client.failures))
	for _, f := range d.client.failures[:min(len(d.client.failures), 5)] {
		fmt.Fprintln(out, "  "+strings.ToValidUTF8(f, "?"))
	}
	if d.client.asked == 0 {
		problems = append(problems, errors.New("the client never asked"))
	}
	return errors.Join(problems...)
}
