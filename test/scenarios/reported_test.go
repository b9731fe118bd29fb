package scenarios

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/scenarios/result"
)

// reported is what somebody met and wrote down in public: a few commands one after
// another, and how each must end.
type reported struct {
	name   string
	source string // the thread, repository#number
	steps  []step
	// beside says that helm is asked to do the same.
	beside bool
	// alone says that it changes what all namespaces share, so that nothing runs beside it.
	alone bool
}

// step is one command for the release, what happens before it and meanwhile, and
// how it must be afterwards.
type step struct {
	command string // default deploy
	// values are those of a deploy, over the chart's; each deploy is of the next version.
	values string
	chart  func(*site) string // default the scenarios' own
	smoke  string             // the checks from this step on
	args   []string

	before []deed
	during func(*site, *process)

	// exits are the codes that are right, default 0; words must stand in what the
	// record says, lies must not; told is what the log says.
	exits             []int
	words, lies, told []string
	// serves is the version that answers afterwards; 0 asks nothing.
	serves int
	after  []deed
}

// deed is what a person, a controller or helm does between the commands, or a look
// at the cluster.
type deed func(*site)

// The ends that most cases have.
var (
	refused    = []int{1, 2}
	rolledBack = []int{4}
	human      = []int{5}
)

// crash are the values of a release whose process ends at its start.
const crash = `script: "echo cannot open the database >&2; exit 3"`

// checks ask for the page alone.
const checks = `
attempts: 3
interval: 300ms
checks: [{name: page, path: /, expect: {contentType: text/html, bodyRegex: release}}]
`

var allReported = slices.Concat(ofCharts, ofHooks, ofServices, ofWorkloads, ofData, ofOthers, ofRights, ofLife, ofLimits, ofTrouble, ofSilence, ofMerges, ofAdmission, ofStarting)

func TestWhatOthersReported(t *testing.T) {
	for i, c := range allReported {
		t.Run(c.name, func(t *testing.T) {
			if !c.alone {
				beside(t)
			}
			c.run(t, i)
		})
	}
}

func (c reported) run(t *testing.T, order int) {
	t.Helper()
	r := &result.Result{Group: result.Reported, Name: c.name, Source: c.source, Order: order}
	report(t, r)
	s := newSite(t, "reported "+c.name)
	version := 0
	var ends []string
	for i, step := range c.steps {
		o := step.run(s, &version)
		ends = append(ends, fmt.Sprintf("%s (exit %d)", o.record.Verdict, o.exit))
		r.Exit, r.Verdict, r.Seconds, r.End = o.exit, string(o.record.Verdict), o.seconds, strings.Join(ends, ", ")
		if o.record.Cause != nil {
			r.Cause = o.record.Cause.String()
		} else if o.record.Error != "" {
			r.Cause = o.record.Error
		}
		step.judge(s, o, fmt.Sprintf("step %d (%s)", i+1, o.record.Command))
	}
}

// run plays a step; version counts the deploys.
func (st step) run(s *site, version *int) outcome {
	s.t.Helper()
	if st.smoke != "" {
		s.smoke = s.write("smoke.yaml", st.smoke)
	}
	for _, do := range st.before {
		do(s)
	}
	p := st.start(s, version)
	if st.during != nil {
		st.during(s, p)
	}
	return p.recorded()
}

func (st step) start(s *site, version *int) *process {
	s.t.Helper()
	if st.command == "" {
		*version++
		return s.deploy(*version, st.values, st.flags(s)...)
	}
	args := slices.Concat(st.flags(s), s.args, []string{"--smoke", s.smoke})
	switch st.command {
	case "preflight":
		args = append(args, "--image", s.image, "--values", s.write("values.yaml", st.values), "--set", fmt.Sprintf("version=%d", *version+1))
	case "gate", "recover", "rollback":
		args = append(args, "--soak", "0s")
	}
	return s.command(st.command, args...)
}

func (st step) flags(s *site) []string {
	if st.command != "" && st.command != "preflight" {
		return st.args
	}
	chart := ownChart(s)
	if st.chart != nil {
		chart = st.chart(s)
	}
	// Of a flag that is given twice the last one counts.
	return append([]string{"--chart", chart}, st.args...)
}

// judge compares how a step ended with how it must, and looks at the cluster.
func (st step) judge(s *site, o outcome, what string) {
	s.t.Helper()
	s.last = o
	exits := st.exits
	if exits == nil {
		exits = []int{0}
	}
	said := said(o.record)
	require.Contains(s.t, exits, o.exit, "exit code of %s, which said: %s", what, said)
	for _, word := range st.words {
		require.Contains(s.t, said, word, what)
	}
	for _, word := range st.told {
		require.Contains(s.t, o.stderr, word, what)
	}
	for _, lie := range st.lies {
		require.NotContains(s.t, said, lie, what)
	}
	switch {
	case o.exit == 1 && st.command != "gate", o.exit == 2:
		require.NotEqual(s.t, record.VerdictGood, o.record.Verdict, what)
	case o.exit == 4:
		require.Equal(s.t, record.VerdictRolledBack, o.record.Verdict, what)
		s.provenGood()
	}
	if st.serves > 0 {
		s.serves(st.serves)
	}
	for _, look := range st.after {
		look(s)
	}
}

// said is all that a record says to people.
func said(r record.Record) string {
	var words []string
	if r.Cause != nil {
		words = append(words, r.Cause.String())
	}
	words = append(words, r.Error, r.Advice)
	for _, c := range r.Concerns {
		if strings.HasPrefix(c.Code, "preflight/image-") && !c.Blocks {
			continue // nearly all cases have images by tag, of registries that only the nodes know
		}
		words = append(words, c.Object+": "+c.Message+" "+c.Advice+" ["+c.Code+"]")
	}
	words = append(words, r.Repairs...)
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), "\n")
}

// isGood requires that the newest revision is verified-good.
func isGood(s *site) { s.t.Helper(); s.provenGood() }

// isNotGood requires that the newest revision is not.
func isNotGood(s *site) {
	s.t.Helper()
	require.NotEqual(s.t, record.MarkGood, s.revisions()[0].Verdict)
}

// isNotBad requires that no revision is called bad.
func isNotBad(s *site) {
	s.t.Helper()
	for _, r := range s.revisions() {
		require.NotEqual(s.t, record.MarkBad, r.Verdict, "revision %d", r.Number)
	}
}

// onlyOneRevision requires that nothing was recorded since the first one.
func onlyOneRevision(s *site) {
	s.t.Helper()
	require.Len(s.t, s.revisions(), 1)
}

// TestHelmWithWhatOthersReported asserts nothing about helm: its results stand
// beside stagecrew's in the document. What is no deploy is left out.
func TestHelmWithWhatOthersReported(t *testing.T) {
	program := helmProgram(t)
	for i, c := range allReported {
		if !c.beside {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			waiting(t)
			s := newSite(t, "helm reported "+c.name)
			var r *result.Result
			version := 0
			for _, step := range c.untilLastDeploy() {
				for _, do := range step.before {
					do(s)
				}
				if step.command != "" {
					continue
				}
				version++
				chart := ownChart(s)
				if step.chart != nil {
					chart = step.chart(s)
				}
				p := s.helmUpgrade(program, chart, s.image, version, step.values, "--install", "--atomic", "--timeout", helmTimeout)
				if step.during != nil {
					step.during(s, p)
				}
				r = s.helmResult(p.wait())
			}
			r.Group, r.Name, r.Order = result.HelmReported, c.name, i
			report(t, r)
		})
	}
}

// untilLastDeploy are the steps that helm can take.
func (c reported) untilLastDeploy() []step {
	end := 0
	for i, step := range c.steps {
		if step.command == "" {
			end = i + 1
		}
	}
	return c.steps[:end]
}
