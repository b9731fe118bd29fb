package chromium

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/smoke/expect"
	"github.com/stagecrew/stagecrew/test/needs"
)

// program is a script in place of a browser; $CHROMIUM in it is a real one.
func program(t *testing.T, script string) string {
	t.Helper()
	for _, name := range programs {
		if path, err := exec.LookPath(name); err == nil {
			script = strings.ReplaceAll(script, "$CHROMIUM", path)
			break
		}
	}
	if strings.Contains(script, "$CHROMIUM") {
		needs.Program(t, errors.New("there is no Chromium"))
	}
	path := filepath.Join(t.TempDir(), "chromium")
	require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755))
	return path
}

func found(t *testing.T, program string, log *slog.Logger) *Browser {
	t.Helper()
	b, err := Find(program, log)
	require.NoError(t, err)
	return b
}

func TestABrowserThatCannotBeHadIsSaidAtOnce(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	_, err := Find(filepath.Join(t.TempDir(), "none"), quiet)
	require.ErrorContains(t, err, "[smoke/no-browser]")
	require.Equal(t, record.KindInput, record.KindOf(err))
	for name, c := range map[string]struct{ script, says string }{
		// puppeteer/puppeteer#8746, #5931: an image without the libraries.
		"libraries are missing": {"echo 'error while loading shared libraries: libnss3.so: cannot open shared object file' >&2; exit 127", "libnss3.so"},
		"it is no browser":      {"echo hello", "does not start"},
		// Ubuntu's chromium-browser is a script that wants a snap.
		"it is a snap's": {"echo 'Command requires the chromium snap to be installed.' >&2; exit 10", "requires the chromium snap"},
	} {
		t.Run(name, func(t *testing.T) {
			err := found(t, program(t, c.script), quiet).Prove(t.Context(), nil)
			require.ErrorContains(t, err, c.says)
			require.ErrorContains(t, err, "[smoke/no-browser]")
			require.Equal(t, record.KindInput, record.KindOf(err))
		})
	}
}

// puppeteer/puppeteer#3451, #6493: a container whose kernel gives no sandbox to others than root.
func TestWithoutASandboxOfItsOwnItRunsAndWarns(t *testing.T) {
	if testing.Short() {
		t.Skip("browsers take their time")
	}
	var log strings.Builder
	b := found(t, program(t, `case "$*" in *--no-sandbox*) exec $CHROMIUM "$@" ;; esac
echo '[1:1:FATAL:zygote_host_impl_linux.cc(116)] No usable sandbox! Update your kernel' >&2; exit 1`), slog.New(slog.NewTextHandler(&log, nil)))
	require.NoError(t, b.Prove(t.Context(), []string{"main h1"}))
	if os.Getuid() != 0 { // as root there never is one
		require.Contains(t, log.String(), "the browser runs without its sandbox")
	}
}

func TestASelectorThatIsNoneIsWrongInput(t *testing.T) {
	if testing.Short() {
		t.Skip("browsers take their time")
	}
	err := found(t, program(t, `exec $CHROMIUM "$@"`), slog.New(slog.DiscardHandler)).Prove(t.Context(), []string{"main", "h1["})
	require.ErrorContains(t, err, "expect.browser.selector")
	require.ErrorContains(t, err, "'h1[' is not a valid selector")
	require.Equal(t, record.KindInput, record.KindOf(err))
}

// chromedp/chromedp#752, #894, #1546: browsers that end, and what is left of them.
func TestABrowserThatDiesSaysNothingAboutThePage(t *testing.T) {
	if testing.Short() {
		t.Skip("browsers take their time")
	}
	b := found(t, program(t, `exec $CHROMIUM "$@"`), slog.New(slog.DiscardHandler))
	kill := func(context.Context, Request) (Answer, error) {
		for _, pid := range children(t) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		return Answer{}, errors.New("gone")
	}
	_, picture, err := b.Open(t.Context(), Visit{Address: "https://portal.example.com/", Browser: expect.Browser{Within: time.Minute}, Answer: kill})
	require.ErrorContains(t, err, "[smoke/browser-lost]")
	require.Equal(t, record.KindUnavailable, record.KindOf(err))
	require.Nil(t, picture)
	require.Empty(t, children(t))
}

// children are processes of this one.
func children(t *testing.T) (pids []int) {
	t.Helper()
	files, err := filepath.Glob("/proc/self/task/*/children")
	require.NoError(t, err)
	for _, file := range files {
		content, _ := os.ReadFile(file)
		for _, word := range strings.Fields(string(content)) {
			if pid, err := strconv.Atoi(word); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

func TestTheEnvironmentOfThisProcessStaysHere(t *testing.T) {
	t.Setenv("KUBECONFIG_TOKEN", "hunter2")
	out := filepath.Join(t.TempDir(), "environment")
	require.Error(t, found(t, program(t, "env > "+out+"; exit 1"), slog.New(slog.DiscardHandler)).Prove(t.Context(), nil))
	content, err := os.ReadFile(out)
	require.NoError(t, err)
	require.NotContains(t, string(content), "hunter2")
	require.Contains(t, string(content), "HOME="+os.TempDir())
}

func TestAVisitEndsWithItsContext(t *testing.T) {
	if testing.Short() {
		t.Skip("browsers take their time")
	}
	b := found(t, program(t, `exec $CHROMIUM "$@"`), slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	never := func(context.Context, Request) (Answer, error) {
		cancel()
		return Answer{Status: http.StatusOK, Header: http.Header{"Content-Type": {"text/html"}}, Body: []byte("<script>while (true) {}</script>")}, nil
	}
	_, _, err := b.Open(ctx, Visit{Address: "https://portal.example.com/", Browser: expect.Browser{Within: time.Hour}, Answer: never})
	require.ErrorIs(t, err, context.Canceled)
	require.Empty(t, children(t))
}
