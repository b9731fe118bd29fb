package scenarios

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/scenarios/result"
)

// moment is a phase in which a deploy is killed, and a release that gets there.
type moment struct {
	name          string
	first, second string
	smoke         string
	args          []string
	// reached waits for the moment; false when the run ended before it.
	reached func(s *site, p *process) bool
}

const missingImage = `containers: [{name: sidecar, image: "busybox:9.99"}]`

func inPhase(name string) func(*site, *process) bool {
	return func(_ *site, p *process) bool { return p.reaches(name) }
}

var moments = []moment{
	{name: "before apply", reached: inPhase("preflight")},
	{name: "applying", second: hook("sleep 6"), reached: func(s *site, p *process) bool {
		s.awaits("the hook's pod", func(p *corev1.Pod) bool {
			return p.Labels[batchv1.JobNameLabel] != "" && p.Status.Phase == corev1.PodRunning
		})
		return p.running()
	}},
	{name: "watching", second: slowly, reached: inPhase("watch")},
	{name: "smoking", first: slowAnswers, second: slowAnswers, smoke: slowChecks, reached: inPhase("smoke")},
	{name: "soaking", args: []string{"--soak", "20s"}, reached: inPhase("soak")},
	{name: "collecting evidence", second: missingImage, reached: inPhase("evidence")},
	{name: "rolling back", second: missingImage, reached: inPhase("rolling-back")},
	{name: "re-gating", first: slowAnswers, second: slowAnswers + "\n" + missingImage, smoke: slowChecks, reached: inPhase("re-gating")},
}

var signals = []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGKILL}

// leaves is how long a process may live after a signal.
const leaves = 8 * time.Second

func TestAKilledRunIsFinishedByTheNext(t *testing.T) {
	for i, m := range moments {
		for j, signal := range signals {
			name := fmt.Sprintf("%s, %s", m.name, signalName(signal))
			next := []string{"recover", "deploy"}[(i+j)%2]
			t.Run(name, func(t *testing.T) {
				beside(t)
				r := &result.Result{Group: result.Kill, Name: name, Order: i*len(signals) + j}
				report(t, r)
				m.kill(t, name, signal, next, r)
			})
		}
	}
}

func signalName(s syscall.Signal) string {
	return map[syscall.Signal]string{syscall.SIGINT: "SIGINT", syscall.SIGTERM: "SIGTERM", syscall.SIGKILL: "SIGKILL"}[s]
}

// kill deploys, sends the signal at the moment, lets the next run finish and looks
// at the end.
func (m moment) kill(t *testing.T, name string, signal syscall.Signal, next string, r *result.Result) {
	t.Helper()
	s := scenario{name: "kill " + name, first: m.first, smoke: m.smoke}.prepare(t)
	p := s.deploy(2, m.second, m.args...)
	require.True(t, m.reached(s, p), "the run ended before the moment")
	sent := time.Now()
	p.signal(signal)
	o := p.recorded()
	r.Exit, r.Verdict, r.Seconds = o.exit, string(o.record.Verdict), p.ended.Sub(sent).Seconds()
	if signal != syscall.SIGKILL {
		s.stopped(o, p.ended.Sub(sent))
	}
	end := s.finish(next, m)
	r.End = fmt.Sprintf("%s: exit %d, %s after %.1f s", next, end.exit, end.record.Verdict, end.seconds)
	require.Contains(t, []int{0, 4}, end.exit, "%s must end well without a human", next)
	s.provenGood()
	s.settled()
	require.Regexp(t, "^release [123]$", s.page())
}

// stopped requires that a run which was asked to stop did so in time and said what
// it had done. One that ended by itself just before was not stopped: the moment was
// missed, and the test proves nothing.
func (s *site) stopped(o outcome, after time.Duration) {
	s.t.Helper()
	require.Less(s.t, after, leaves, "time from the signal to the end")
	require.Equal(s.t, 6, o.exit, "the signal came after the end of the run")
	require.Equal(s.t, record.VerdictCancelled, o.record.Verdict)
	require.NotEmpty(s.t, o.record.Advice+o.record.Error, "what was done, and what is to do")
	require.NotEmpty(s.t, o.record.Phases)
}

// finish is the next run: recover, or a deploy of a good release.
func (s *site) finish(next string, m moment) outcome {
	s.t.Helper()
	if next == "recover" {
		return s.command("recover", "--smoke", s.smoke, "--rollback-timeout", "2m", "--soak", "0").recorded()
	}
	return s.deploy(3, m.first).recorded()
}

// The random moments are the same in each run of the tests, unless E2E_KILLS and
// E2E_SEED say otherwise, as every night.
const (
	randomRuns = 10
	randomSeed = 2026
	// longest is about how long an undisturbed deploy of these releases takes.
	longest = 8 * time.Second
)

// randomly gives the moment of each kill, and the release that is deployed: good
// and bad ones in turn.
func randomly(t *testing.T) (moments []time.Duration) {
	runs, seed := randomRuns, uint64(randomSeed)
	if text := os.Getenv("E2E_KILLS"); text != "" {
		var err error
		runs, err = strconv.Atoi(text)
		require.NoError(t, err, "E2E_KILLS")
		seed = rand.Uint64()
	}
	if text := os.Getenv("E2E_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err, "E2E_SEED")
	}
	t.Logf("%d kills at random moments, seed %d", runs, seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range runs {
		moments = append(moments, time.Duration(random.Int64N(int64(longest))))
	}
	return moments
}

func randomRelease(run int) (values string) {
	return []string{`container: {readinessProbe: {initialDelaySeconds: 4}}`, missingImage}[run%2]
}

func TestAfterSIGKILLAtARandomMomentTheSameCommandEndsWell(t *testing.T) {
	killed := killing(t)
	for run, moment := range randomly(t) {
		name := fmt.Sprintf("run %d, after %.1f s", run+1, moment.Seconds())
		t.Run(name, func(t *testing.T) {
			beside(t)
			r := &result.Result{Group: result.Random, Name: name, Order: run}
			report(t, r)
			s := scenario{name: "random " + name}.prepare(t)
			p := s.deploy(2, randomRelease(run))
			p.killAfter(moment)
			killed(p.wait())
			o := s.deploy(2, randomRelease(run)).recorded()
			r.Exit, r.Verdict, r.Seconds = o.exit, string(o.record.Verdict), o.seconds
			require.Contains(t, []int{0, 4}, o.exit)
			s.provenGood()
			s.settled()
			s.serves([]int{2, 1}[run%2])
			r.End = s.page()
		})
	}
}

// killing counts the runs whose process was killed, of those that it is told: one may have
// ended before its moment, but not half of them. A few alone, as with -run, say nothing.
func killing(t *testing.T) func(outcome) {
	t.Helper()
	var runs, kills atomic.Int32
	t.Cleanup(func() {
		assert.True(t, runs.Load() < randomRuns || 2*kills.Load() >= runs.Load(), "only %d of %d runs were killed", kills.Load(), runs.Load())
	})
	return func(o outcome) {
		runs.Add(1)
		if o.exit == -1 {
			kills.Add(1)
		}
	}
}

// killAfter sends SIGKILL some time after the start, if the process still runs.
func (p *process) killAfter(after time.Duration) {
	select {
	case <-p.done:
	case <-time.After(time.Until(p.started.Add(after))):
		p.signal(syscall.SIGKILL)
	}
}

func TestHelmAfterSIGKILLAtARandomMoment(t *testing.T) {
	helm := helmProgram(t)
	killed := killing(t)
	for run, moment := range randomly(t) {
		name := fmt.Sprintf("run %d, after %.1f s", run+1, moment.Seconds())
		t.Run(name, func(t *testing.T) {
			beside(t)
			s := newSite(t, "helm random "+name)
			s.helmInstalls(helm, "")
			p := s.helm(helm, s.image, 2, randomRelease(run))
			p.killAfter(moment)
			killed(p.wait())
			r := s.helmResult(s.helm(helm, s.image, 2, randomRelease(run)).wait())
			r.Group, r.Name, r.Order = result.HelmRandom, name, run
			report(t, r)
		})
	}
}
