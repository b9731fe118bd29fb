// Package envtest is for tests that need what test/withenv prepared.
package envtest

import (
	"os"
	"testing"
)

// Env reads what test/withenv prepared. Without it the test is skipped, and says
// so; where the stage is promised (E2E_REQUIRED, as in CI) it fails.
func Env(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" && os.Getenv("E2E_REQUIRED") != "" {
		t.Fatalf("%s is not set, although a stage is required", name)
	}
	if value == "" {
		t.Skipf("SKIPPED: no stage: %s is not set; `make e2e-main`, `make e2e-actions` and `make e2e` run this test on a sandbox", name)
	}
	return value
}
