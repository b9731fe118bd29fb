package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// Output is a step output in GitHub Actions.
type Output struct {
	Name, Meaning string
	// Of is what it tells of: the commands that tell of that are those whose users may
	// count on it.
	Of    record.Subject
	value func(record.Record, Paths) string
}

// Paths are where a run has left something, "" for nowhere.
type Paths struct{ Record, Evidence string }

// Set gives the outputs of a run that have a value, as name and value.
func Set(r record.Record, p Paths) [][2]string {
	var all [][2]string
	for _, o := range Outputs() {
		if value := o.value(r, p); value != "" {
			all = append(all, [2]string{o.Name, value})
		}
	}
	return all
}

// Outputs are all outputs, in the order in which actions declare them.
func Outputs() []Output {
	all := []Output{
		{"image", "the image by digest, REPOSITORY@sha256:…; after a promotion where it is now", record.SubjectImage, func(r record.Record, _ Paths) string { return r.Image.String() }},
		{"digest", "the image's digest, sha256:…", record.SubjectImage, func(r record.Record, _ Paths) string { return r.Image.Digest }},
		{"verdict", strings.Join(record.Values(record.Verdict("").Choices()), ", ") + "; only what judges a release says more than ok, refused, cancelled and error", record.SubjectRun,
			func(r record.Record, _ Paths) string { return string(r.Verdict) }},
		{"revision", "the Helm revision that this run made or judged; empty without one", record.SubjectRelease, of(func(r record.Release) int { return r.Revision })},
		{"previous-good", "the revision that a rollback goes back to: the verified-good one before this run, or the one that was chosen by hand, which need not be good; empty without one", record.SubjectRelease, of(func(r record.Release) int { return r.RollbackTarget })},
		{"live-revision", "the revision that serves at the end; empty when nothing is known to serve", record.SubjectLive, of(func(r record.Release) int { return r.Live })},
		{"cause-code", "stable code of what went wrong, such as rollout/image-not-found; empty when all went well", record.SubjectRun, func(r record.Record, _ Paths) string { return r.Code() }},
		{"cause", "what went wrong, with the cluster's or registry's own words: untrusted text", record.SubjectRun, func(r record.Record, _ Paths) string {
			if r.Cause == nil {
				return text.Cut(plain(r.Error), maxAnnotation)
			}
			return plain(r.Cause.String())
		}},
		{"evidence", "directory with what is known of a failed revision, to be kept as an artifact; empty when nothing failed", record.SubjectRelease, func(r record.Record, p Paths) string {
			if len(r.Evidence) == 0 {
				return ""
			}
			return p.Evidence
		}},
		{"rollback", "what going back from the image to the live one needs: " + strings.Join(record.Values(record.RollbackNeeds("").Choices()), ", ") + "; empty where there is nothing to compare", record.SubjectMigrations, func(r record.Record, _ Paths) string {
			if r.Migrations == nil {
				return ""
			}
			return string(r.Migrations.Rollback)
		}},
		{"tags", "the tags that point to the image, with commas; empty until it is proven", record.SubjectTags, func(r record.Record, _ Paths) string { return strings.Join(r.TagsHere(), ",") }},
		{"blocking", "how many findings the policy does not accept", record.SubjectScan, count(func(s record.ScanReport) int { return len(s.Blocking) })},
	}
	for _, severity := range slices.Backward(record.Severities()) {
		word := strings.ToLower(string(severity))
		all = append(all, Output{word, "how many findings are of the severity " + word, record.SubjectScan, count(func(s record.ScanReport) int { return s.Counts[severity] })})
	}
	return append(all, Output{"record", "path of the record of the run, a JSON document", record.SubjectRun, func(_ record.Record, p Paths) string { return p.Record }})
}

// of gives a revision of the release, "" for none.
func of(revision func(record.Release) int) func(record.Record, Paths) string {
	return func(r record.Record, _ Paths) string {
		if r.Release == nil || revision(*r.Release) == 0 {
			return ""
		}
		return fmt.Sprint(revision(*r.Release))
	}
}

func count(number func(record.ScanReport) int) func(record.Record, Paths) string {
	return func(r record.Record, _ Paths) string {
		if r.Scan == nil {
			return ""
		}
		return fmt.Sprint(number(*r.Scan))
	}
}
