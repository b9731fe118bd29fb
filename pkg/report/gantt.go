package report

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// maxStays bounds the bars of pods in the summary's picture.
const maxStays = 30

// notInGantt is what Mermaid's language takes for a part of itself.
var notInGantt = regexp.MustCompile(`[^A-Za-z0-9 ,.()/-]+`)

// gantt draws the run in Mermaid's language, which GitHub shows as a picture: phases,
// the pods of the rollout, the moment of the verdict. A run of a single moment is none.
func gantt(b *strings.Builder, r record.Record) {
	t := draw(r)
	if len(t.phases) < 2 {
		return
	}
	b.WriteString("```mermaid\ngantt\n  dateFormat x\n  axisFormat %M:%S\n  section phases\n")
	for _, p := range t.phases {
		state := map[record.PhaseResult]string{record.PhaseOK: "done, ", record.PhaseFailed: "crit, "}[p.result]
		fmt.Fprintf(b, "  %s :%s%d, %d\n", inGantt(p.name), state, p.from.Milliseconds(), max(p.till.Milliseconds(), p.from.Milliseconds()+1))
	}
	if len(t.pods) > 0 {
		b.WriteString("  section pods\n")
	}
	for _, s := range t.pods[max(0, len(t.pods)-maxStays):] {
		state := "active, "
		if s.Ready == s.New && s.New > 0 {
			state = "done, "
		}
		fmt.Fprintf(b, "  %s :%s%d, %d\n", inGantt(s.label()), state, s.from.Milliseconds(), max(s.till.Milliseconds(), s.from.Milliseconds()+1))
	}
	fmt.Fprintf(b, "  section end\n  %s :milestone, %d, %d\n```\n\n", inGantt(string(r.Verdict)), t.length().Milliseconds(), t.length().Milliseconds())
}

// ganttWord is what Mermaid's language takes for one of its own statements at the begin of
// a name (mermaid-js/mermaid#2886, mermaid-js/mermaid#5660).
var ganttWord = regexp.MustCompile(`(?i)^(acc\w*|axisFormat|call|click|dateFormat|excludes|gantt|href|inclusiveEndDates|includes|section|tickInterval|title|todayMarker|topAxis|weekday|weekend)\b`)

// inGantt is a text as a name in the picture. One of nothing breaks all of it
// (ivan-lednev/obsidian-day-planner#162).
func inGantt(name string) string {
	name = strings.TrimSpace(notInGantt.ReplaceAllString(text.Cut(name, maxText), " "))
	if name == "" || ganttWord.MatchString(name) {
		return strings.TrimSpace("- " + name)
	}
	return name
}
