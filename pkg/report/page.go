package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"slices"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
)

//go:embed page.html.tmpl
var pageSource string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"headline": Headline, "again": Again, "picture": newPicture, "logTitle": logTitle, "megabytes": megabytes,
	"seconds":    func(s float64) string { return duration(time.Duration(s * float64(time.Second))) },
	"took":       func(p record.Phase) string { return duration(p.End.Sub(p.Start)) },
	"when":       func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 MST") },
	"severities": worstFirst, "shot": shots(nil),
}).Parse(pageSource))

func worstFirst() []record.Severity {
	all := slices.Clone(record.Severities())
	slices.Reverse(all)
	return all
}

// Page is the record as one HTML document that needs nothing else: no script, no font,
// no picture from elsewhere. Whatever stands in the record is text in it.
// What a smoke check saw is in it as far as read gives the PNG of a path; read may be nil.
func Page(r record.Record, read func(path string) []byte) ([]byte, error) {
	var document bytes.Buffer
	withShots, err := page.Clone()
	if err != nil {
		return nil, fmt.Errorf("writing the page: %w", err)
	}
	if err := withShots.Funcs(template.FuncMap{"shot": shots(read)}).Execute(&document, r); err != nil {
		return nil, fmt.Errorf("writing the page: %w", err)
	}
	return []byte(unspokenHTML(legible(document.String()))), nil
}

// The picture's measures, in its own units.
const (
	pictureWidth = 1000
	nameWidth    = 190
	rowHeight    = 24
	podsHeight   = 90
)

// picture is the timeline as shapes.
type picture struct {
	Width, Height, PodsTop, PodsBottom int
	Bottom                             int // of the lines, above the ticks' words
	Bars                               []shape
	Ticks                              []shape
	New, Ready, Old                    []shape
	Most                               int // pods at the top of their part
	End                                float64
}

// shape is a rectangle or a line with words to it.
type shape struct {
	X, Y, W, H float64
	Class      string
	Name, Word string
}

// newPicture is nil for a run without phases.
func newPicture(r record.Record) *picture {
	t := draw(r)
	if len(t.phases) == 0 {
		return nil
	}
	scale := float64(pictureWidth-nameWidth-30) / t.length().Seconds()
	x := func(d time.Duration) float64 { return nameWidth + d.Seconds()*scale }
	p := &picture{Width: pictureWidth, End: x(t.length())}
	for i, b := range t.phases {
		p.Bars = append(p.Bars, shape{x(b.from), float64(i*rowHeight + 4), max(x(b.till)-x(b.from), 2), rowHeight - 8, string(b.result), b.name, duration(b.till - b.from)})
	}
	bottom := len(t.phases)*rowHeight + 10
	if len(t.pods) > 0 {
		p.PodsTop, p.PodsBottom = bottom+10, bottom+10+podsHeight
		bottom = p.PodsBottom
		p.stack(t.pods, x)
	}
	for _, at := range ticks(t.length()) {
		p.Ticks = append(p.Ticks, shape{X: x(at), Y: float64(bottom + 16), Word: at.String()})
	}
	p.Bottom, p.Height = bottom+4, bottom+24
	return p
}

// stack draws the pods: old ones above the new ones, of which the ready ones are below.
func (p *picture) stack(pods []stay, x func(time.Duration) float64) {
	for _, s := range pods {
		p.Most = max(p.Most, s.New+s.Old)
	}
	unit := float64(podsHeight) / float64(max(p.Most, 1))
	for _, s := range pods {
		from, width := x(s.from), x(s.till)-x(s.from)
		part := func(below, count int) shape {
			return shape{X: from, Y: float64(p.PodsBottom) - unit*float64(below+count), W: width, H: unit * float64(count), Word: s.label()}
		}
		p.Ready = append(p.Ready, part(0, s.Ready))
		p.New = append(p.New, part(s.Ready, s.New-s.Ready))
		p.Old = append(p.Old, part(s.New, s.Old))
	}
}

// ticks are round times below the picture, about five of them.
func ticks(length time.Duration) []time.Duration {
	step := time.Hour
	for _, candidate := range []time.Duration{100 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute} {
		if length/candidate <= 8 {
			step = candidate
			break
		}
	}
	var all []time.Duration
	for at := time.Duration(0); at <= length && len(all) < 50; at += step {
		all = append(all, at)
	}
	return all
}
