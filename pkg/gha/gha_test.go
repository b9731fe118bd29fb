package gha

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// step is a workflow step with its files in a directory of the test.
func step(t *testing.T) (a *Actions, out *strings.Builder, read func(string) string) {
	t.Helper()
	dir := t.TempDir()
	env := map[string]string{
		"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": filepath.Join(dir, "output"), "GITHUB_STEP_SUMMARY": filepath.Join(dir, "summary"),
		"GITHUB_RUN_ID": "7", "GITHUB_RUN_ATTEMPT": "2", "GITHUB_ACTOR": "octocat", "GITHUB_SHA": "abc",
	}
	out = &strings.Builder{}
	return New(func(k string) string { return env[k] }, out), out, func(name string) string {
		content, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		return string(content)
	}
}

func TestActions_SetOutput_CannotAddAnother(t *testing.T) {
	a, _, read := step(t)
	require.NoError(t, a.SetOutput("cause", "line\n_GitHubActionsFileCommandDelimeter_\nverdict<<x\ngood"))
	require.NoError(t, a.SetOutput("verdict", "bad"))
	text := read("output")
	delimiters := regexp.MustCompile(`ghadelimiter_[0-9a-f]{32}`).FindAllString(text, -1)
	require.Len(t, delimiters, 4)
	require.Equal(t, delimiters[0], delimiters[1])
	require.NotEqual(t, delimiters[0], delimiters[2], "each output has a delimiter of its own")
	require.Error(t, a.SetOutput("a\nb", "x"))
}

func TestActions_OnALaptopNothingIsWritten(t *testing.T) {
	var out strings.Builder
	a := New(func(string) string { return "" }, &out)
	require.False(t, a.Enabled())
	require.NoError(t, a.SetOutput("a", "b"))
	require.NoError(t, a.Summary("text"))
	a.Mask("secret")
	a.Error("title", "message")
	a.Group("title")()
	require.Empty(t, out.String())
	require.Equal(t, record.Run{}, a.Run())
}

// Without GITHUB_ACTIONS the commands in others' text were obeyed, nothing was masked, and a
// fork's pull request could deploy.
func TestActions_Enabled_AlsoInTheStepsOfContainerHooks(t *testing.T) {
	for name, c := range map[string]struct {
		environment map[string]string
		want        bool
	}{
		"a runner":                            {map[string]string{"GITHUB_ACTIONS": "true"}, true},
		"a pod of actions-runner-controller":  {map[string]string{"GITHUB_RUN_ID": "7", "GITHUB_OUTPUT": "/__w/_temp/out", "GITHUB_EVENT_NAME": "pull_request_target"}, true},
		"a laptop":                            {nil, false},
		"a laptop with a variable of its own": {map[string]string{"GITHUB_TOKEN": "x", "GITHUB_REPOSITORY": "a/b"}, false},
		"a step that wants to be none":        {map[string]string{"GITHUB_ACTIONS": "false", "GITHUB_RUN_ID": "7", "GITHUB_OUTPUT": "out"}, false},
	} {
		var out strings.Builder
		a := New(func(key string) string { return c.environment[key] }, &out)
		require.Equal(t, c.want, a.Enabled(), name)
		a.Mask("secret")
		require.Equal(t, c.want, strings.Contains(out.String(), "::add-mask::secret"), name)
		require.Equal(t, c.environment["GITHUB_EVENT_NAME"] != "", a.CheckTrigger(true) != nil, name)
	}
}

func TestActions_Run(t *testing.T) {
	a, _, _ := step(t)
	require.Equal(t, record.Run{ID: "7", Attempt: "2", Actor: "octocat", Commit: "abc"}, a.Run())
}

func TestActions_Mask_EachLine(t *testing.T) {
	a, out, _ := step(t)
	a.Mask("first\nsecond\n\n")
	require.Equal(t, "::add-mask::first\n::add-mask::second\n::add-mask::Zmlyc3QKc2Vjb25kCgo=\n", out.String())
}

func TestActions_Error_TheEleventhIsAPlainLine(t *testing.T) {
	a, out, _ := step(t)
	for range 12 {
		a.Error("deploy", "100% broken\n::warning::x")
	}
	require.Equal(t, 10, strings.Count(out.String(), "::error title=deploy::100%25 broken%0A::warning::x\n"))
	require.Equal(t, 2, strings.Count(out.String(), "::stop-commands::"))
}

func TestActions_Guarded_ForeignTextIsNotObeyed(t *testing.T) {
	a, out, _ := step(t)
	a.Untrusted("::set-output name=x::y")
	require.Regexp(t, `^::stop-commands::(stop-[0-9a-f]{32})\n::set-output name=x::y\n::stop-[0-9a-f]{32}::\n$`, out.String())

	var log strings.Builder
	n, err := a.Guarded(&log).Write([]byte("pod said: ::error::x ##[error]y\n"))
	require.NoError(t, err)
	require.Equal(t, len("pod said: ::error::x ##[error]y\n"), n)
	require.Equal(t, "pod said: ::error::x ##\u200b[error]y\n", log.String(), "in a line only ##[ is one")
}

func TestActions_Summary_IsCutWhereGitHubWouldDropIt(t *testing.T) {
	a, _, read := step(t)
	require.NoError(t, a.Summary(strings.Repeat("ä", 1<<20)))
	text := read("summary")
	require.Less(t, len(text), 1<<20)
	require.Contains(t, text, "The summary was cut")
	require.True(t, strings.HasPrefix(text, "ää"))
}

// What people copy out of a log stays whole: [::1]:6443 had a character in it that
// nobody sees.
func TestHarmless_BreaksCommandsAndNothingElse(t *testing.T) {
	for text, want := range map[string]string{
		"dial tcp [::1]:6443: refused":       "dial tcp [::1]:6443: refused",
		"Foo::Bar":                           "Foo::Bar",
		"::error::x":                         ":\u200b:error::x",
		"a\n \t::error::x":                   "a\n \t:\u200b:error::x",
		"a\r::error::x":                      "a\r:\u200b:error::x",
		"\ufeff::error::x":                   "\ufeff:\u200b:error::x",
		":::":                                ":\u200b:\u200b:",
		"a ##[set-output name=a;]b":          "a ##\u200b[set-output name=a;]b",
		"####[[":                             "####\u200b[[",
		"#: [\"::\"]":                        "#: [\"::\"]",
		"not UTF-8 \xff::x\n\xff::\n::x\xfe": "not UTF-8 \xff::x\n\xff:\u200b:\n:\u200b:x\xfe",
	} {
		require.Equal(t, want, Harmless(text))
		var whole, parts bytes.Buffer
		a := New(func(string) string { return "true" }, &bytes.Buffer{})
		_, err := a.Guarded(&whole).Write([]byte(text))
		require.NoError(t, err)
		require.Equal(t, want, whole.String())
		w := a.Guarded(&parts)
		for i := range len(text) {
			_, err := w.Write([]byte{text[i]})
			require.NoError(t, err)
		}
		require.NotRegexp(t, command, parts.String(), "in parts")
	}
}
