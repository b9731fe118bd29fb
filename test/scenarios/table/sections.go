package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/test/scenarios/result"
)

// summary counts what matters most.
func (d *document) summary() {
	as := func(group string) string {
		good := 0
		for _, r := range d.groups[group] {
			if r.Problem == "" {
				good++
			}
		}
		return fmt.Sprintf("%d of %d", good, len(d.groups[group]))
	}
	d.row("what", "as it should be")
	d.row("---", "---")
	d.row("releases that cannot work: found out, cause named, last good release serves", as(result.Failing))
	d.row("healthy releases that look bad: verified good, no rollback", as(result.Healthy))
	d.row("what people reported of Helm, its charts and Kubernetes: every command ends as it must", as(result.Reported))
	d.row("runs killed in a phase: finished by the next run, without a human", as(result.Kill))
	d.row("runs killed at a random moment: finished by the same command", as(result.Random))
	d.row("verdicts within their promised time", as(result.Speed))
	d.end()
}

func (d *document) failing() {
	helm := d.byName(result.Helm)
	d.section("Releases that cannot work",
		"Verdict after: seconds from the start of the command until the cause was certain; ended after: with evidence, rollback and its checks.\n"+
			"Beside it `helm upgrade --install --atomic --timeout 60s` with the same chart and values: its seconds, its exit code, the status of the release and what the Service answers then\n"+
			"(`release 1` is the good one).",
		"scenario", "verdict", "cause named", "verdict after", "ended after", "helm", "helm's last words")
	for _, r := range d.groups[result.Failing] {
		beside, words := "", ""
		if h, ok := helm[r.Name]; ok {
			beside, words = fmt.Sprintf("%s s, exit %d, %s, %s", seconds(h.Seconds), h.Exit, h.Verdict, h.End), quote(h.Cause)
		}
		d.row(name(r), verdict(r), quote(r.Cause), seconds(r.Decided), seconds(r.Seconds), beside, words)
	}
	d.end()
}

func (d *document) healthy() {
	d.section("Healthy releases that look bad", "None of them may be rolled back.", "scenario", "verdict", "seconds", "")
	for _, r := range d.groups[result.Healthy] {
		d.row(name(r), verdict(r), seconds(r.Seconds), r.End)
	}
	d.end()
}

func (d *document) reported() {
	helm := d.byName(result.HelmReported)
	d.section("What people reported",
		"Cases of public issue threads, each made anew with a small chart: some commands one after another (deploys, where nothing else is said), and what people, controllers and\n"+
			"`helm` did between them. Beside some of them the same deploys with `helm upgrade --install --atomic --timeout 60s`: how the last one ended, and what the Service answers then.",
		"case", "reported in", "how the commands ended", "cause named last", "helm", "helm's last words")
	for _, r := range d.groups[result.Reported] {
		beside, words := "", ""
		if h, ok := helm[r.Name]; ok {
			beside, words = fmt.Sprintf("exit %d, %s, %s", h.Exit, h.Verdict, h.End), quote(h.Cause)
		}
		d.row(name(r), r.Source, r.End, quote(r.Cause), beside, words)
	}
	d.end()
}

func (d *document) byName(group string) map[string]result.Result {
	results := map[string]result.Result{}
	for _, r := range d.groups[group] {
		results[r.Name] = r
	}
	return results
}

func (d *document) killed() {
	d.section("Runs that are killed in a phase",
		"A signal is sent when the log names the phase. After SIGINT and SIGTERM the process must be gone within 8 s and say what it did. Then the next run finishes the release:\n"+
			"`recover`, or a `deploy` of a good release, in turn.",
		"phase and signal", "gone after", "how it ended", "the next run")
	for _, r := range d.groups[result.Kill] {
		how := verdict(r)
		if r.Verdict == "" {
			how = "killed"
		}
		d.row(name(r), seconds(r.Seconds)+" s", how, r.End)
	}
	d.end()
}

func (d *document) random() {
	d.section("SIGKILL at a random moment, then the same command again",
		"Good and bad releases in turn, killed at the same moments (of a fixed seed). The second run's end, and what serves after it.",
		"moment", "stagecrew", "helm")
	helm := d.byName(result.HelmRandom)
	stuck := 0
	for _, r := range helm {
		if strings.HasPrefix(r.Verdict, "pending") {
			stuck++
		}
	}
	for _, r := range d.groups[result.Random] {
		beside := ""
		if h, ok := helm[r.Name]; ok {
			beside = fmt.Sprintf("exit %d after %s s, status %s, %s: %s", h.Exit, seconds(h.Seconds), h.Verdict, h.End, quote(h.Cause))
		}
		d.row(name(r), fmt.Sprintf("%s (exit %d) after %s s, %s", r.Verdict, r.Exit, seconds(r.Seconds), r.End), beside)
	}
	d.end()
	if len(helm) > 0 {
		fmt.Fprintf(&d.text, "Of helm's %d releases %d were left pending, so that no further `helm upgrade` works until a human acts.\n\n", len(helm), stuck)
	}
}

func (d *document) speed() {
	d.section("Seconds from the end of apply to the verdict", "Each measured several times in a row.", "cause", "median", "limit", "all", "the cause as named")
	for _, r := range d.groups[result.Speed] {
		d.row(name(r), seconds(median(r.Values)), seconds(r.Limit), list(r.Values), quote(r.Cause))
	}
	d.end()
	for _, r := range d.groups[result.Tail] {
		fmt.Fprintf(&d.text, "%s: from the moment the last new pod is Ready to the end of the process, without the time of the smoke checks: %s s at most (%s), limit %s s.\n\n",
			strings.ToUpper(r.Name[:1])+r.Name[1:], hundredths(slices.Max(append(r.Values, 0))), list(r.Values), seconds(r.Limit))
	}
}

func hundredths(s float64) string { return fmt.Sprintf("%.2f", s) }

func list(values []float64) string {
	var words []string
	for _, v := range values {
		words = append(words, hundredths(v))
	}
	return strings.Join(words, ", ")
}

func (d *document) requests() {
	d.section("Requests while waiting", "Counted in the API server's audit log. The renewals of the lock's Lease are counted apart: one read and one write every few seconds.",
		"wait", "first minute", "second minute", "limit", "renewals in the second minute", "the second minute")
	for _, r := range d.groups[result.Requests] {
		minutes := append(slices.Clone(r.Values), 0, 0)
		d.row(name(r), fmt.Sprint(minutes[0]), fmt.Sprint(minutes[1]), fmt.Sprint(r.Limit), fmt.Sprint(r.Asked), strings.TrimSuffix(r.End, ", "))
	}
	d.end()
	d.section("A client that asks all the time", "Two replicas; a pod asks the Service, each time by a new connection, from before the deploy until after it.",
		"while", "verdict", "requests", "failed")
	for _, r := range d.groups[result.Available] {
		d.row(name(r), verdict(r), fmt.Sprint(r.Asked), fmt.Sprint(r.Failed))
	}
	d.end()
}

func verdict(r result.Result) string {
	return fmt.Sprintf("%s (exit %d)", r.Verdict, r.Exit)
}
