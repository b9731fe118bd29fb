package rollout

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func FuzzSignificantLine(f *testing.F) {
	for _, log := range []string{
		"starting\nError: no database\n", `{"level":"error","message":"x\u001b[31m"}`, "\x1b[2J::error::\r\n", strings.Repeat("x", 4*maxLine), "panic: \xff\xfe\n\n", `{"msg":{"a":1}}`, "unable to retrieve container logs for x",
	} {
		f.Add(log, log)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		text := significantLine(first, second)
		require.True(t, utf8.ValidString(text), "%q", text)
		require.LessOrEqual(t, len([]rune(text)), maxLine+3)
		require.False(t, strings.ContainsFunc(text, unicode.IsControl), "%q", text)
		_ = lastBytes(first, 10)
	})
}

func FuzzLogPatterns(f *testing.F) {
	f.Add(`(?i)error: .*`, "Error: x\nexec /a: exec format error")
	f.Add(`(a+)+$`, strings.Repeat("a", 100)+"b")
	f.Fuzz(func(t *testing.T, pattern, log string) {
		l, err := newLogs(Options{LogPatterns: []string{pattern}})
		if err != nil {
			return
		}
		for line := range strings.Lines(log) {
			found, _ := l.match(line)
			require.LessOrEqual(t, len([]rune(found.text)), maxLine+3)
		}
	})
}

func FuzzRules(f *testing.F) {
	f.Add("image-not-found=0s")
	f.Add("crash-loop=ignore")
	f.Add("=1m")
	f.Fuzz(func(_ *testing.T, text string) { _, _ = ParseRules(strings.Split(text, ",")) })
}
