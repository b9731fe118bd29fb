// Package needs is for tests of what needs a program that a machine may lack.
package needs

import (
	"os"
	"testing"
)

// Program ends a test whose program is not there, or does not start: in CI it has failed,
// elsewhere it is skipped, and says so. err says what is wrong; with nil the test goes on.
// `make test` installs what is missing where it can, see test/packages.
func Program(t *testing.T, err error) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv("CI") == "true":
		t.Fatalf("in CI no test may be skipped: %v", err)
	default:
		t.Skipf("SKIPPED: %v", err)
	}
}
