package text

import (
	"regexp"
	"strings"
)

// plainWord is what a shell takes as one word, and as nothing else.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./][A-Za-z0-9_@%+=:,./-]*$`)

// ShellWord is a text as one word of a POSIX shell, in which it is only read: people paste
// what they are advised.
func ShellWord(s string) string {
	if plainWord.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// shellQuoted takes their meaning from characters between double quotes.
var shellQuoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`")

// ShellQuoted is a text that is only read between double quotes of a POSIX shell.
func ShellQuoted(s string) string { return shellQuoted.Replace(s) }
