package gha

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// readOutputs reads the file of GITHUB_OUTPUT as the runner does.
func readOutputs(t *testing.T, text string) map[string]string {
	t.Helper()
	values := map[string]string{}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		if lines[i] == "" {
			continue
		}
		name, delimiter, heredoc := strings.Cut(lines[i], "<<")
		require.True(t, heredoc, "%q is no output of ours", lines[i])
		var value []string
		for i++; i < len(lines) && lines[i] != delimiter; i++ {
			value = append(value, lines[i])
		}
		require.Less(t, i, len(lines), "the output %q does not end", name)
		values[name] = strings.Join(value, "\n")
	}
	return values
}

func FuzzOutputsReachTheRunnerAsTheyAre(f *testing.F) {
	f.Add("cause", "first\nghadelimiter_\nsecond=x<<EOF", "verdict")
	f.Add("a\nb", "\r\n::set-output name=x::y\x00", "c=d")
	f.Fuzz(func(t *testing.T, name, value, next string) {
		path := filepath.Join(t.TempDir(), "out")
		a := New(func(key string) string {
			return map[string]string{"GITHUB_OUTPUT": path, "GITHUB_ACTIONS": "true"}[key]
		}, &bytes.Buffer{})
		want := map[string]string{}
		for _, o := range [][2]string{{name, value}, {next, "good"}} {
			if a.SetOutput(o[0], o[1]) == nil {
				want[o[0]] = o[1]
			}
		}
		text, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			text = nil
		}
		require.Equal(t, want, readOutputs(t, string(text)))
	})
}

// command is what the runner takes for a command: v2 at the begin of a line, after
// white space, and v1 anywhere.
var command = regexp.MustCompile(`(?m)^\s*::|##\[`)

func FuzzGuardedTextHoldsNoCommand(f *testing.F) {
	for _, text := range []string{"::error::x", "x\n  ::set-output name=a::b", "##[group]x", ":::", "####[[", "\r::a::", "\u2028::a::", "\ufeff::a::", ":\u200b:", "#\u200b#["} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var out bytes.Buffer
		a := New(func(key string) string { return map[string]string{"GITHUB_ACTIONS": "true"}[key] }, &out)
		n, err := a.Guarded(&out).Write([]byte(text))
		require.NoError(t, err)
		require.Equal(t, len(text), n)
		require.NotRegexp(t, command, out.String())
	})
}
