package cli

import (
	"fmt"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// outputs are the step outputs of every command, in a fixed order.
func (s *session) outputs(r record.Record) [][2]string {
	all := [][2]string{
		{"verdict", string(r.Verdict)},
		{"image", r.Image.String()},
		{"digest", r.Image.Digest},
		{"record", s.Record},
		{"evidence", s.evidence(r)},
	}
	if r.Release != nil {
		all = append(all,
			[2]string{"revision", number(r.Release.Revision)},
			[2]string{"previous-good", number(r.Release.RollbackTarget)},
			[2]string{"live-revision", number(r.Release.Live)})
	}
	if r.Scan != nil {
		all = append(all, [2]string{"blocking", fmt.Sprint(len(r.Scan.Blocking))})
		for _, severity := range record.Severities() {
			all = append(all, [2]string{strings.ToLower(string(severity)), fmt.Sprint(r.Scan.Counts[severity])})
		}
	}
	if tags := r.TagsHere(); len(tags) > 0 {
		all = append(all, [2]string{"tags", strings.Join(tags, ",")})
	}
	if r.Cause != nil {
		all = append(all, [2]string{"cause-code", r.Cause.Code}, [2]string{"cause", r.Cause.String()})
	}
	return all
}

// evidence is the directory of the evidence, "" without any.
func (s *session) evidence(r record.Record) string {
	if len(r.Evidence) == 0 {
		return ""
	}
	return s.evidenceDir
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}
