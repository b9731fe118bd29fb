//go:build goexperiment.jsonv2 && !notrivy

package scan

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aquasecurity/trivy/pkg/purl"
	trivyresult "github.com/aquasecurity/trivy/pkg/result"
	"github.com/aquasecurity/trivy/pkg/types"
	"github.com/bmatcuk/doublestar/v4"
	"sigs.k8s.io/yaml"

	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
	"github.com/stagecrew/stagecrew/pkg/yamlfile"
)

// maxIgnores is how large an ignore file may be.
const maxIgnores = 4 << 20

// ignoreFile is the format of Trivy's .trivyignore.yaml.
type ignoreFile struct {
	Vulnerabilities   []ignoreEntry `json:"vulnerabilities"`
	Misconfigurations []ignoreEntry `json:"misconfigurations"`
	Secrets           []ignoreEntry `json:"secrets"`
	// Licenses are Trivy's, too. No license is judged here.
	Licenses []ignoreEntry `json:"licenses"`
}

type ignoreEntry struct {
	ID        string   `json:"id"`
	PURLs     []string `json:"purls"`
	Paths     []string `json:"paths"`
	ExpiredAt string   `json:"expired_at"`
	Statement string   `json:"statement"`
}

// rule is an entry in force.
type rule struct {
	Ignore
	kind    types.FindingType          // "" for any
	matcher trivyresult.IgnoreFindings // one, by which Trivy compares
}

// ignores is an ignore file, read and checked.
type ignores struct {
	source  string
	rules   []rule
	expired []Ignore
	// remarks are what the user should know of entries that are in order.
	remarks []string
}

// readIgnores reads an ignore file and reports all that is wrong with it; "" is none.
func readIgnores(path string, now time.Time) (*ignores, error) {
	all := &ignores{source: path}
	if path == "" {
		return all, nil
	}
	content, err := files.Read(path, maxIgnores)
	if err != nil {
		return nil, record.BadInput("scan/bad-ignores", "reading ignore file: %w", err)
	}
	if err := text.CheckUTF8(content); err != nil {
		return nil, record.BadInput("scan/bad-ignores", "ignore file %q: %w", path, err)
	}
	content = text.Unmarked(content)
	read := all.readYAML
	if plainIgnores(content) {
		read = all.readText
	}
	if err := read(content, now); err != nil {
		return nil, record.BadInput("scan/bad-ignores", "ignore file %q: %w", path, oneLine(err))
	}
	return all, nil
}

func (i *ignores) readYAML(content []byte, now time.Time) error {
	if _, err := yamlfile.Document(content); errors.Is(err, yamlfile.ErrUncounted) {
		return err // Trivy says nothing of it
	}
	if err := knownKeys(content); err != nil {
		return err
	}
	var file ignoreFile
	if err := yaml.UnmarshalStrict(content, &file); err != nil {
		return fmt.Errorf("parsing it: %w", err)
	}
	if n := len(file.Licenses); n > 0 {
		i.remarks = append(i.remarks, fmt.Sprintf("licenses are not judged here, so %d of its entries have no effect", n))
	}
	return errors.Join(
		i.add(types.FindingTypeVulnerability, file.Vulnerabilities, now),
		i.add(types.FindingTypeMisconfiguration, file.Misconfigurations, now),
		i.add(types.FindingTypeSecret, file.Secrets, now),
	)
}

func (i *ignores) add(kind types.FindingType, entries []ignoreEntry, now time.Time) error {
	var problems []error
	for n, entry := range entries {
		parsed, err := entry.parse(kind)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s entry %d (%q): %w", kind, n+1, text.Cut(entry.ID, short), err))
			continue
		}
		i.enter(parsed, now)
	}
	return record.Problems(problems...)
}

// enter takes an entry that is in order.
func (i *ignores) enter(entry rule, now time.Time) {
	if !entry.Expires.IsZero() && !now.Before(entry.Expires) {
		i.expired = append(i.expired, entry.Ignore)
		return
	}
	i.rules = append(i.rules, entry)
}

func (e ignoreEntry) parse(kind types.FindingType) (rule, error) {
	var problems []error
	switch id := strings.TrimSpace(e.ID); {
	case id == "":
		problems = append(problems, errors.New("id is missing"))
	case areSeveral(id):
		problems = append(problems, oneEach(id))
	}
	if strings.TrimSpace(e.Statement) == "" {
		problems = append(problems, errors.New("statement is missing: say why the finding is acceptable"))
	}
	expires, err := parseDate(e.ExpiredAt)
	if err != nil {
		problems = append(problems, err)
	}
	if len(e.PURLs) > 0 && kind != types.FindingTypeVulnerability {
		problems = append(problems, errors.New("purls are for vulnerabilities only"))
	}
	for _, pattern := range e.Paths {
		if !doublestar.ValidatePattern(pattern) {
			problems = append(problems, fmt.Errorf("path %q is no pattern such as app/**/package.json", pattern))
		}
	}
	match := trivyresult.IgnoreFinding{ID: e.ID, Paths: e.Paths}
	for _, text := range e.PURLs {
		parsed, err := purl.FromString(text)
		if err != nil {
			problems = append(problems, fmt.Errorf("purl %q: %w", text, err))
			continue
		}
		match.PURLs = append(match.PURLs, parsed)
	}
	return rule{
		Ignore:  Ignore{ID: e.ID, PURLs: e.PURLs, Paths: e.Paths, Reason: text.Line(e.Statement, long), Expires: expires},
		kind:    kind,
		matcher: trivyresult.IgnoreFindings{match},
	}, record.Problems(problems...)
}

func parseDate(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, errors.New("expired_at is missing: give the date from which it counts again, as 2027-01-31")
	}
	for _, format := range []string{time.DateOnly, time.RFC3339} {
		if date, err := time.Parse(format, text); err == nil {
			return date, nil
		}
	}
	return time.Time{}, fmt.Errorf("expired_at %q is no date such as 2027-01-31", text)
}

// oneLine joins the lines of joined errors.
func oneLine(err error) error {
	return errors.New(strings.ReplaceAll(err.Error(), "\n", "; "))
}

// apply takes out what the rules match, and gives the entries that matched nothing.
func (i *ignores) apply(results types.Results) []Ignore {
	used := make([]bool, len(i.rules))
	for n := range results {
		r := &results[n]
		r.Vulnerabilities = kept(i, used, r, r.Vulnerabilities, func(m rule, v types.DetectedVulnerability) bool {
			if v.PkgIdentifier.PURL == nil && len(m.PURLs) > 0 {
				return false
			}
			names := append([]string{v.VulnerabilityID}, v.VendorIDs...)
			return m.matches(names, r.Target, v) || m.matches(names, v.PkgPath, v)
		})
		r.Misconfigurations = kept(i, used, r, r.Misconfigurations, func(m rule, f types.DetectedMisconfiguration) bool {
			return m.matches(append([]string{f.ID}, f.Aliases...), r.Target, types.DetectedVulnerability{})
		})
		r.Secrets = kept(i, used, r, r.Secrets, func(m rule, f types.DetectedSecret) bool {
			return m.matches([]string{f.RuleID}, r.Target, types.DetectedVulnerability{})
		})
	}
	var unmatched []Ignore
	for n, m := range i.rules {
		if !used[n] {
			unmatched = append(unmatched, m.Ignore)
		}
	}
	return unmatched
}

// matches reports whether the rule is about a finding with any of the names: an
// advisory has one in each database, and capitals tell nothing apart.
func (m rule) matches(names []string, path string, v types.DetectedVulnerability) bool {
	named := slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, m.ID) })
	return named && m.matcher.Match(m.ID, path, v.PkgIdentifier.PURL) != nil
}

// kept gives the findings that no rule of their kind matches; the others are moved to
// the result's modified ones.
func kept[F types.Finding](i *ignores, used []bool, r *types.Result, all []F, matches func(rule, F) bool) []F {
	var rest []F
	for _, f := range all {
		taken := false
		for n, m := range i.rules {
			if m.kind != "" && m.kind != f.FindingType() || !matches(m, f) {
				continue
			}
			if used[n] = true; !taken {
				r.ModifiedFindings = append(r.ModifiedFindings, types.NewModifiedFinding(f, types.FindingStatusIgnored, m.Reason, i.source))
			}
			taken = true
		}
		if !taken {
			rest = append(rest, f)
		}
	}
	return rest
}
