package wording

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func FuzzSignificantLine(f *testing.F) {
	for _, log := range []string{
		"starting\nError: no database\n", `{"level":"error","message":"x\u001b[31m"}`, "\x1b[2J::error::\r\n", strings.Repeat("x", 4*MaxLine), "panic: \xff\xfe\n\n", `{"msg":{"a":1}}`, "unable to retrieve container logs for x",
	} {
		f.Add(log, log)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		text := Shorten(SignificantLine(first, second))
		require.True(t, utf8.ValidString(text), "%q", text)
		require.LessOrEqual(t, len(text), MaxLine+len(" … "))
		require.False(t, strings.ContainsFunc(text, unicode.IsControl), "%q", text)
	})
}
