package text_test

import (
	"io/fs"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/text"
)

func TestLine(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want string
	}{
		"short":                       {"fine", "fine"},
		"empty":                       {"", ""},
		"as long as it may be":        {"0123456789", "0123456789"},
		"one longer":                  {"0123456789a", "0123456789…"},
		"several lines":               {"a\r\nb\n", "a  b"},
		"a command for the runner":    {"\n::set-x", "::set-x"},
		"what steers a terminal":      {"a\x1b[2Jb", "a [2Jb"},
		"the direction of writing":    {"a\u202eb", `a\u202eb`},
		"a character of no width":     {"a\u200bb", `a\u200bb`},
		"a line break of another age": {"a\u2028b\u0085c", "a b c"},
		"bytes that are no text":      {"a\xff\xfeb", "a?b"},
		"characters stay whole":       {"ääääää", "äääää…"},
		"a border within a character": {"xääääää", "xääää…"},
		"very long, mostly spaces":    {strings.Repeat("\n", 100) + "end", "…"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, text.Line(c.text, 10))
		})
	}
}

func TestMiddle(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"short":                 {"fine\n", "fine"},
		"long":                  {"begin-and-then-the-end", "beg … he-end"},
		"characters stay whole": {strings.Repeat("ä", 20), "ä … äää"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, text.Middle(c.text, 9))
		})
	}
}

func TestVisible(t *testing.T) {
	require.Equal(t, `a\nb\x1b\u202e?`, text.Visible("a\nb\x1b\u202e\xff"))
	require.Equal(t, "Grüße, 日本", text.Visible("Grüße, 日本"))
}

func TestUnmarked(t *testing.T) {
	require.Equal(t, "{}", string(text.Unmarked([]byte("\xef\xbb\xbf{}"))))
	require.Equal(t, "{}", string(text.Unmarked([]byte("{}"))))
	require.Equal(t, "{\ufeff}", string(text.Unmarked([]byte("{\ufeff}"))), "elsewhere it is a character")
}

func TestError(t *testing.T) {
	err := text.Error(&fs.PathError{Op: "open", Path: strings.Repeat("x\n", 100), Err: fs.ErrNotExist}, 20)
	require.Equal(t, "open x x x x x x x x…", err.Error())
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func FuzzLine(f *testing.F) {
	f.Add("a\nb\u202e\xff", 5)
	f.Add(strings.Repeat("\u2029", 50), 7)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		if limit < 1 || limit > 1<<20 {
			return
		}
		for _, got := range []string{text.Line(s, limit), text.Middle(s, limit), text.Cut(text.Visible(s), limit)} {
			require.True(t, utf8.ValidString(got))
			require.LessOrEqual(t, len(got), limit+len(" … "))
			require.NotContains(t, got, "\n")
			for _, r := range got {
				require.True(t, strconv.IsPrint(r), "%q", r)
			}
		}
	})
}

func TestDuration_AsKubectlSaysIt(t *testing.T) {
	for said, want := range map[string]string{"10m0s": "10m", "1h0m0s": "1h", "1h0m5s": "1h0m5s", "1h30m0s": "1h30m", "15m6s": "15m6s", "90s": "1m30s", "0s": "0s", "20ms": "20ms", "10s": "10s"} {
		d, err := time.ParseDuration(said)
		require.NoError(t, err)
		require.Equal(t, want, text.Duration(d))
	}
}

func TestAnywhere(t *testing.T) {
	isDigest := func(s string) bool { return strings.Contains(s, "sha256:00") }
	for name, value := range map[string]any{
		"in an image":             map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"image": "r.test/web@sha256:00"}}}},
		"in a digest of its own":  map[string]any{"image": map[string]any{"digest": "sha256:00"}},
		"alone":                   "sha256:00",
		"in an argument":          map[string]any{"args": []any{"--image", "web@sha256:00"}},
		"beside what has no text": map[string]any{"a": int64(1), "b": nil, "c": []any{true, "sha256:00"}},
	} {
		require.True(t, text.Anywhere(value, isDigest), name)
	}
	require.False(t, text.Anywhere(map[string]any{"sha256:00": "x", "n": int64(0)}, isDigest), "a key is no text")
}
