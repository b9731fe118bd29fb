package cli

import (
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/pipeline"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// asProgram makes the test's own program the one that it tests.
const asProgram = "CLI_TEST_AS_PROGRAM"

// TestMain wants nothing left behind where temporary files go.
func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		os.Exit(Main(os.Args[1:], os.Environ(), os.Stdout, os.Stderr))
	}
	code, err := tidy(m)
	if err != nil {
		fmt.Println("FAIL:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func tidy(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "stagecrew-cli-test-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	if err := os.Setenv("TMPDIR", dir); err != nil {
		return 1, err
	}
	code := m.Run()
	left, err := os.ReadDir(dir)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("the tests left %v among the temporary files", left)
	}
	return code, err
}

// breaks is for a test in which something panics: the files that a run leaves about
// that are its own, and no later test's run takes it for its panic.
func breaks(t *testing.T) {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	t.Cleanup(func() { record.TakePanics() })
}

// testSession is that of a command which was called with all settings given.
func testSession(name string, settings config.Settings, environ []string, stdout, stderr io.Writer) *session {
	return newSession(invocation{name, pipeline.Commands()[name], settings, environ, stdout, stderr, func(string) bool { return false }, func() string { return "" }})
}
