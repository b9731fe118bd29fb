//go:build goexperiment.jsonv2 && !notrivy

package scan

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	trivyresult "github.com/aquasecurity/trivy/pkg/result"
	"sigs.k8s.io/yaml"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// The keys of an ignore file, and of its entries.
var (
	sections = []string{"vulnerabilities", "misconfigurations", "secrets", "licenses"}
	entries  = []string{"id", "purls", "paths", "statement", "expired_at"}
)

// idLine is how a line of the text form begins: with an ID, which is no key of YAML,
// perhaps with its date glued to it.
var idLine = regexp.MustCompile(`^[A-Za-z][\w.-]*(:\w[\w.:-]*)?(\s|$)`)

// plainIgnores reports whether a file has the text form of Trivy's .trivyignore: its
// first line that is no comment decides.
func plainIgnores(content []byte) bool {
	for line := range strings.Lines(string(content)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return idLine.MatchString(line)
		}
	}
	return false
}

// readText reads the text form: "ID [exp:2027-01-31]" in a line, for findings of all
// kinds. The comment above an entry, or above several without a blank line between, is its
// statement.
func (i *ignores) readText(content []byte, now time.Time) error {
	var problems []error
	statement, above, endless, number := "", false, 0, 0
	for line := range strings.Lines(string(content)) {
		number++
		line = strings.TrimSpace(line)
		comment, isComment := strings.CutPrefix(line, "#")
		switch {
		case isComment && above:
			statement += " " + strings.TrimSpace(comment)
		case isComment:
			statement = strings.TrimSpace(comment)
		case line == "":
			statement = ""
		default:
			entry, err := textEntry(line, statement)
			switch {
			case err != nil:
				problems = append(problems, fmt.Errorf("line %d: %w", number, err))
			case entry.Expires.IsZero():
				endless++
				fallthrough
			default:
				i.enter(entry, now)
			}
		}
		above = isComment
	}
	if endless > 0 {
		i.remarks = append(i.remarks, fmt.Sprintf("%d of its entries have no end; write exp:2027-01-31 behind the ID", endless))
	}
	return record.Problems(problems...)
}

func textEntry(line, statement string) (rule, error) {
	line, behind, found := strings.Cut(line, " #")
	if found {
		statement = strings.TrimSpace(behind)
	}
	fields := strings.Fields(line)
	if id, behind, glued := strings.Cut(fields[0], ":"); glued {
		return rule{}, fmt.Errorf("%q is no ID; write what follows it behind a space: %s exp:2027-01-31 (it says %q)", text.Line(fields[0], short), text.Line(id, short), text.Line(behind, short))
	}
	entry := rule{Ignore: Ignore{ID: fields[0], Reason: "no reason given"}, matcher: trivyresult.IgnoreFindings{{ID: fields[0]}}}
	if statement != "" {
		entry.Reason = text.Line(statement, long)
	}
	for _, field := range fields[1:] {
		date, ok := strings.CutPrefix(field, "exp:")
		if !ok {
			return rule{}, fmt.Errorf("%q is not known; allowed behind an ID are exp:2027-01-31 and a comment", text.Line(field, short))
		}
		expires, err := parseDate(date)
		if err != nil {
			return rule{}, err
		}
		entry.Expires = expires
	}
	return entry, nil
}

// knownKeys names all keys of an ignore file that nobody knows, with those allowed.
func knownKeys(content []byte) error {
	var file any
	if err := yaml.Unmarshal(content, &file); err != nil {
		return fmt.Errorf("parsing it: %w", err)
	}
	if file == nil {
		return nil
	}
	keys, ok := file.(map[string]any)
	if !ok {
		return fmt.Errorf("it has no sections; allowed are %s, each with a list of entries", strings.Join(sections, ", "))
	}
	problems := []error{unknown("", keys, sections)}
	for _, section := range sections {
		list, _ := keys[section].([]any)
		for n, entry := range list {
			fields, ok := entry.(map[string]any)
			if !ok {
				problems = append(problems, fmt.Errorf("%s entry %d: it is not a list of fields; allowed are %s", section, n+1, strings.Join(entries, ", ")))
				continue
			}
			problems = append(problems, unknown(fmt.Sprintf("%s entry %d: ", section, n+1), fields, entries))
		}
	}
	return record.Problems(problems...)
}

func unknown(where string, fields map[string]any, allowed []string) error {
	var problems []error
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(allowed, key) {
			problems = append(problems, fmt.Errorf("%sunknown field %q; allowed are %s", where, text.Line(key, short), strings.Join(allowed, ", ")))
		}
	}
	return record.Problems(problems...)
}
