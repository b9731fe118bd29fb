package scenarios

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/test/envtest"
	"github.com/stagecrew/stagecrew/test/scenarios/result"
)

// helmTimeout is what the comparison gives helm: long enough for every healthy
// release of the table, and short enough to wait for.
const helmTimeout = "60s"

// helmProgram is the helm command, for the comparison that only `make e2e` makes.
func helmProgram(t *testing.T) string {
	t.Helper()
	program := os.Getenv("E2E_HELM")
	if program == "" {
		t.Skip("SKIPPED: E2E_HELM names no helm command to compare with; `make e2e` does")
	}
	return program
}

// helm does with the helm command what deploy does.
func (s *site) helm(program, image string, version int, values string) *process {
	s.t.Helper()
	return s.helmUpgrade(program, ownChart(s), image, version, values, "--install", "--atomic", "--timeout", helmTimeout)
}

func (s *site) helmUpgrade(program, chart, image string, version int, values string, flags ...string) *process {
	s.t.Helper()
	repository, digest, _ := strings.Cut(image, "@")
	return s.helmCommand(program, slices.Concat([]string{"upgrade", release, chart, "--values", s.write("values.yaml", values),
		"--set", fmt.Sprintf("version=%d,image.repository=%s,image.digest=%s", version, repository, digest)}, flags)...)
}

func (s *site) helmCommand(program string, args ...string) *process {
	s.t.Helper()
	return start(s.t, program, []string{"HELM_CACHE_HOME=" + s.t.TempDir(), "HELM_CONFIG_HOME=" + s.t.TempDir()},
		append(args, "--kubeconfig", envtest.Env(s.t, "E2E_KUBECONFIG"), "--namespace", s.namespace)...)
}

// helmInstalls installs the first, good release.
func (s *site) helmInstalls(program, values string) {
	s.t.Helper()
	o := s.helm(program, s.image, 1, values).wait()
	require.Zero(s.t, o.exit, o.stderr)
}

// helmResult looks at how helm left the release, when the pods that it ended are gone.
func (s *site) helmResult(o outcome) *result.Result {
	s.t.Helper()
	s.t.Logf("helm: exit %d after %.1f s\n%s", o.exit, o.seconds, o.stderr)
	// Pods of a node that is not there are removed after 40 s and more.
	s.within(2*time.Minute, "the old pods to end", func() bool { return len(s.terminating()) == 0 })
	r := &result.Result{Exit: o.exit, Seconds: o.seconds, Cause: lastLine(o.stderr), End: s.page()}
	out, err := exec.CommandContext(s.ctx, helmProgram(s.t), "status", release, "--kubeconfig", envtest.Env(s.t, "E2E_KUBECONFIG"),
		"--namespace", s.namespace, "--output", "json").Output()
	if err != nil {
		r.Verdict = "no release"
		return r
	}
	var status struct{ Info struct{ Status string } }
	require.NoError(s.t, json.Unmarshal(out, &status))
	r.Verdict = status.Info.Status
	return r
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// TestHelmWithTheSameReleases asserts nothing about helm: its results stand beside
// stagecrew's in the document.
func TestHelmWithTheSameReleases(t *testing.T) {
	program := helmProgram(t)
	for i, c := range failing {
		if c.alone {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			waiting(t)
			s := newSite(t, "helm "+c.name)
			if c.before != nil {
				c.before(s)
			}
			s.helmInstalls(program, c.first)
			if c.between != nil {
				c.between(s)
			}
			image := s.image
			if c.image != nil {
				image = c.image(s)
			}
			p := s.helm(program, image, 2, c.second)
			if c.during != nil {
				c.during(s, p)
			}
			r := s.helmResult(p.wait())
			r.Group, r.Name, r.Order = result.Helm, c.name, i
			report(t, r)
		})
	}
}

// helms bound the runs of helm, which do nothing but wait.
var helms = make(chan struct{}, 8)

func waiting(t *testing.T) {
	t.Parallel()
	helms <- struct{}{}
	t.Cleanup(func() { <-helms })
}
