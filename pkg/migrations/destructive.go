package migrations

import (
	"regexp"
	"strings"
)

// destroying are the words in a migration after which code of before may not work any
// more, in knex's own and in SQL.
var destroying = []struct {
	what string
	word *regexp.Regexp
}{
	{"drops a column", regexp.MustCompile(`(?i)\.dropColumns?\s*\(|\bdrop\s+column\b|\.dropTimestamps\s*\(`)},
	{"drops a table", regexp.MustCompile(`(?i)\.dropTable(IfExists)?\s*\(|\bdrop\s+(foreign\s+|temporary\s+)?table\b`)},
	{"drops a view", regexp.MustCompile(`(?i)\.drop(Materialized)?View(IfExists)?\s*\(|\bdrop\s+(materialized\s+)?view\b`)},
	{"drops a schema, type, function or trigger", regexp.MustCompile(`(?i)\.dropSchema(IfExists)?\s*\(|\bdrop\s+(schema|type|function|procedure|trigger|sequence|domain|extension|database)\b`)},
	{"drops a default", regexp.MustCompile(`(?i)\bdrop\s+default\b`)},
	{"renames", regexp.MustCompile(`(?i)\.rename(Column|Table|View)\s*\(|\brename\s+(to|column|constraint)\b|\balter\s+[^;]*\brename\b`)},
	{"wants a value where there was none", regexp.MustCompile(`(?i)\.dropNullable\s*\(|\bset\s+not\s+null\b|\.notNullable\s*\(`)},
	{"changes a type", regexp.MustCompile(`(?i)\.alter\s*\(|\balter\s+column\s+\S+\s+(set\s+data\s+)?type\b|\balterType\b`)},
	{"takes rows away", regexp.MustCompile(`(?i)\.(truncate|del|delete)\s*\(|\btruncate\b|\bdelete\s+from\b`)},
	{"adds a rule that old rows or writes may break", regexp.MustCompile(`(?i)\.(unique|foreign|primary|check\w*)\s*\(|\badd\s+(constraint|unique|primary|foreign|check)\b|\bcreate\s+unique\b`)},
}

var (
	comment = regexp.MustCompile(`(?s)/\*.*?\*/|(?m)(^|\s)//[^\n]*$|(?m)(^|\s)--[^\n]*$`)
	// backwards is where the way back begins: what it drops, this migration has made.
	backwards = regexp.MustCompile(`(?m)(exports\.down\b|export\s+(async\s+)?function\s+down\b|export\s+const\s+down\b|async\s+down\s*\(|^\s*down\s*[:(]|(async\s+)?function\s+down\s*\()`)
	forwards  = regexp.MustCompile(`(?m)(exports\.up\b|export\s+(async\s+)?function\s+up\b|export\s+const\s+up\b|async\s+up\s*\(|^\s*up\s*[:(]|(async\s+)?function\s+up\s*\()`)
	// elsewhere is work that the file does not show.
	elsewhere = regexp.MustCompile(`\brequire\s*\(\s*['"]\.|\bimport\b[^;\n]*['"]\.|\breadFile(Sync)?\s*\(|\beval\s*\(|\bFunction\s*\(`)
)

// Destructive says what a migration does, by its text, after which code of before may not
// work; "" where nothing shows. What cannot be read as a migration counts as destructive.
// New tables may do what they like: only what is done to the others is looked at as far
// as the text tells them apart.
func Destructive(name, text string) string {
	text = comment.ReplaceAllString(text, "$1")
	up, ok := upOf(name, text)
	switch {
	case !ok:
		return "cannot be read"
	case elsewhere.MatchString(text):
		return "does something that stands in another file"
	}
	up = withoutNewTables(up)
	for _, d := range destroying {
		if d.word.MatchString(up) {
			return d.what
		}
	}
	return ""
}

// upOf is a migration without its way back; functions that stand behind that count.
func upOf(name, text string) (string, bool) {
	if strings.HasSuffix(name, ".sql") {
		return text, strings.TrimSpace(text) != ""
	}
	if !forwards.MatchString(text) {
		return "", false
	}
	down := backwards.FindStringIndex(text)
	if down == nil {
		return text, true
	}
	end := statement(text[down[0]:])
	return text[:down[0]] + text[down[0]+end:], true
}

// statement is the length of the one that a text begins with: to the end of the line in
// which its brackets are closed; 0 where they never are.
func statement(text string) int {
	depth := 0
	for i := range len(text) {
		switch text[i] {
		case '(', '{', '[':
			depth++
		case ')', '}', ']':
			depth--
		case '\n':
			if depth <= 0 {
				return i
			}
		}
	}
	if depth > 0 {
		return 0
	}
	return len(text)
}

// creating is the begin of a call that makes a table.
var creating = regexp.MustCompile(`\.createTable(IfNotExists|Like)?\s*\(`)

// withoutNewTables leaves out what is said about tables that are made here: up to the
// bracket that ends the call.
func withoutNewTables(text string) string {
	var b strings.Builder
	for {
		at := creating.FindStringIndex(text)
		if at == nil {
			b.WriteString(text)
			return b.String()
		}
		end := closing(text[at[1]:])
		if end < 0 {
			b.WriteString(text)
			return b.String()
		}
		b.WriteString(text[:at[0]])
		text = text[at[1]+end:]
	}
}

// closing is the place behind the bracket that closes an open one, -1 without it.
func closing(text string) int {
	depth := 1
	for i := range len(text) {
		switch text[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}
