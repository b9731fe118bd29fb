package scenarios

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/smoke/chromium"
	"github.com/stagecrew/stagecrew/test/needs"
	"github.com/stagecrew/stagecrew/test/scenarios/result"
)

// scenario is a good first release, a second one, and how the deploy of the
// second must end. Values are over the chart's, as YAML.
type scenario struct {
	name string
	// first and second are the values of the releases.
	first, second string
	// image is what the second release deploys; default that of the first.
	image func(s *site) string
	smoke string   // the checks of both, "" for none
	args  []string // flags of the second deploy
	// before prepares the namespace, between runs after the first release, during
	// while the second is deployed, after when it has ended.
	before, between, after func(s *site)
	during                 func(s *site, p *process)

	// exit is that of the second deploy; code and words are of the cause, or of the
	// message where the deploy is refused.
	exit  int
	code  string
	words []string
	// soon says that the verdict must come long before the deploy's time is over.
	soon bool
	// alone says that helm is not asked to do the same.
	alone bool
}

// slots bound what runs side by side: scenarios wait most of the time, and share
// two cores when they do not.
var slots = make(chan struct{}, 6)

// beside runs a test beside others, as many as there are slots.
func beside(t *testing.T) {
	t.Parallel()
	slots <- struct{}{}
	t.Cleanup(func() { <-slots })
}

// prepare makes a namespace with the first release in it.
func (c scenario) prepare(t *testing.T) *site {
	t.Helper()
	if strings.Contains(c.smoke, "browser:") {
		_, err := chromium.Find("", nil)
		needs.Program(t, err)
	}
	s := newSite(t, c.name)
	if c.smoke != "" {
		s.smoke = s.write("smoke.yaml", c.smoke)
	}
	if c.before != nil {
		c.before(s)
	}
	require.Zero(t, s.deploy(1, c.first).recorded().exit, "the first release is good")
	if c.between != nil {
		c.between(s)
	}
	return s
}

// run plays the scenario and keeps the result.
func (c scenario) run(t *testing.T, group string, order int) {
	t.Helper()
	r := &result.Result{Group: group, Name: c.name, Order: order}
	report(t, r)
	s := c.prepare(t)
	image := s.image
	if c.image != nil {
		image = c.image(s)
	}
	p := s.deployImage(image, 2, c.second, c.args...)
	if c.during != nil {
		c.during(s, p)
	}
	o := p.recorded()
	r.Exit, r.Verdict, r.Seconds, r.Decided = o.exit, string(o.record.Verdict), o.seconds, o.decided()
	if o.record.Cause != nil {
		r.Cause = o.record.Cause.String()
	} else {
		r.Cause = o.record.Error
	}
	c.judge(s, o, r.Cause)
}

// judge compares how the deploy ended with how it must, and looks at the cluster.
func (c scenario) judge(s *site, o outcome, cause string) {
	s.t.Helper()
	require.Equal(s.t, c.exit, o.exit, "cause: %s", cause)
	require.Contains(s.t, cause, c.code)
	for _, word := range c.words {
		require.Contains(s.t, cause, word)
	}
	if c.soon {
		require.Less(s.t, o.decided(), 100.0, "the whole budget was waited for")
	}
	switch c.exit {
	case 0:
		require.Equal(s.t, record.VerdictGood, o.record.Verdict)
		require.Nil(s.t, o.phase("rolling-back"), "a healthy release was rolled back")
	case 1:
		require.Equal(s.t, record.VerdictRefused, o.record.Verdict)
		require.Equal(s.t, 1, s.revisions()[0].Number, "nothing was applied")
	case 4:
		require.Equal(s.t, record.VerdictRolledBack, o.record.Verdict)
	}
	if c.after != nil {
		c.after(s)
		return
	}
	s.provenGood()
	s.settled()
	s.serves(map[bool]int{true: 2, false: 1}[c.exit == 0])
}

func TestAReleaseThatCannotWorkIsFoundOutAndTheLastGoodOneIsBack(t *testing.T) {
	for i, c := range failing {
		t.Run(c.name, func(t *testing.T) {
			beside(t)
			c.run(t, result.Failing, i)
		})
	}
}

func TestAHealthyReleaseThatLooksBadIsNotRolledBack(t *testing.T) {
	for i, c := range healthy {
		t.Run(c.name, func(t *testing.T) {
			beside(t)
			c.run(t, result.Healthy, i)
		})
	}
}
