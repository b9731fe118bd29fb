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

// yamlLine is how a file in YAML begins: with a key, a list, or a mark of a document.
var yamlLine = regexp.MustCompile(`^([\w.-]+\s*:(\s|$)|[-{\["'%!&])`)

// findingID is an ID of a finding: SUSE's have a colon, SUSE-SU-2022:2260-1
// (aquasecurity/trivy-db#117), and licenses a plus.
var findingID = regexp.MustCompile(`^[A-Za-z][\w.+-]*(:\d+(-\d+)?)?$`)

// plainIgnores reports whether a file has the text form of Trivy's .trivyignore: its
// first line that is no comment decides.
func plainIgnores(content []byte) bool {
	for line := range strings.Lines(string(content)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return !yamlLine.MatchString(line)
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
	if err := checkID(fields[0]); err != nil {
		return rule{}, err
	}
	entry := rule{Ignore: Ignore{ID: fields[0], Reason: "no reason given"}, matcher: trivyresult.IgnoreFindings{{ID: fields[0]}}}
	if statement != "" {
		entry.Reason = text.Line(statement, long)
	}
	for _, field := range fields[1:] {
		date, ok := strings.CutPrefix(field, "exp:")
		switch {
		case ok:
		case findingID.MatchString(strings.Trim(field, ",;")) && strings.ContainsAny(field, "0123456789"):
			return rule{}, oneEach(line)
		default:
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

// checkID refuses what is no ID of a finding in the text form. Trivy takes it for one, which
// no finding has, and says nothing.
func checkID(word string) error {
	id, behind, glued := strings.Cut(word, ":")
	switch {
	case findingID.MatchString(word):
		return nil
	case areSeveral(word):
		return oneEach(word)
	case glued:
		return fmt.Errorf("%q is no ID; write what follows it behind a space: %s exp:2027-01-31 (it says %q)", text.Line(word, short), text.Line(id, short), text.Line(behind, short))
	}
	return fmt.Errorf("%q is no ID of a finding, such as CVE-2021-44906 or GHSA-xvch-5gv4-984h", text.Line(word, short))
}

// areSeveral reports whether several IDs stand where one does.
func areSeveral(id string) bool { return strings.ContainsAny(id, ",; \t\n") }

func oneEach(ids string) error {
	return fmt.Errorf("%q would be the ID of one finding: write each in an entry of its own", text.Line(ids, short))
}

// knownKeys names all unknown keys of an ignore file, with those allowed.
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
