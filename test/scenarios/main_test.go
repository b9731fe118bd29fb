// Package scenarios shows on a real cluster how a deploy ends: for releases that
// cannot work, for healthy ones that look bad, and for runs that are killed.
// `make e2e` prepares the cluster; see test/env. What is measured goes to
// E2E_RESULTS, from where test/scenarios/table makes docs/scenarios.md.
package scenarios

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/stagecrew/stagecrew/test/scenarios/result"
)

func TestMain(m *testing.M) {
	flag.Parse()
	// Tests that run side by side bound themselves, see beside.
	if err := flag.Set("test.parallel", "1000"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// report keeps a result for the document when the test ends, with the test's own
// judgement and without what is of this machine only.
func report(t *testing.T, r *result.Result) {
	dir := os.Getenv("E2E_RESULTS")
	if dir == "" {
		return
	}
	t.Cleanup(func() {
		if t.Failed() && r.Problem == "" {
			r.Problem = "not as it should be; see the log of the test"
		}
		here := strings.NewReplacer(os.Getenv("E2E_ROOT")+"/", "", os.Getenv("E2E_REPOSITORY"), "registry")
		r.Cause, r.End = here.Replace(r.Cause), here.Replace(r.End)
		if err := r.Save(dir); err != nil {
			t.Errorf("keeping the result: %v", err)
		}
	})
}
