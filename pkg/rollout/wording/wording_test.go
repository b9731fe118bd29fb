package wording

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheTellingLineOfALog(t *testing.T) {
	const gone = `failed to try resolving symlinks in path "/var/log/pods/x/web/1.log": no such file or directory`
	for name, c := range map[string]struct {
		logs []string
		want string
	}{
		"an error before its stack":              {[]string{"starting\nError: Cannot find module 'x'\n    at main.js:1\n"}, "Error: Cannot find module 'x'"},
		"the message of a JSON line":             {[]string{`{"level":"error","message":"Plugin 'app' failed: TypeError"}`}, "Plugin 'app' failed: TypeError"},
		"else the last line":                     {[]string{"one\ntwo\n\n"}, "two"},
		"nothing":                                {[]string{""}, ""},
		"the previous log is gone":               {[]string{"starting\n", gone}, "starting"},
		"the container runs again and is silent": {[]string{"", "TypeError: x is undefined\n"}, "TypeError: x is undefined"},
		"an error before a mere last line":       {[]string{"starting again\n", "one\nError: no\n"}, "Error: no"},
		"both are gone":                          {[]string{gone, gone}, ""},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, SignificantLine(c.logs...)) })
	}
}

func TestAMessageIsOneLineWithoutControlCharacters(t *testing.T) {
	require.Equal(t, "probe failed: a b  [31mred", Shorten("probe failed: a\nb\t\x1b[31mred\n"))
}
