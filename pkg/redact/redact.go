// Package redact keeps secret values out of what a run shows: its log, its record,
// its summary, its outputs and its files. It is the only place that decides which
// values count and how they are found. It needs the standard library only.
//
// A value of 8 characters or more counts wherever it stands; of 4 to 7 characters,
// or of one kind of letters only, it counts as a whole word; shorter ones, words
// that everybody uses ("true", "postgres"), numbers up to 5 digits and what was
// named [Redactor.Public] never do. A value is found as it is, in base64 (also
// within something longer, as "user:value"), in hex, and however URLs, JSON, Go,
// shells and HTML escape it. Of a value of several lines each line counts, of a
// connection URL its password, of a document what stands under a secret's name.
package redact

import (
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Hidden stands for what is not shown.
const Hidden = "***"

// Redactor takes secret values out of texts. Its zero value knows none. Values may
// be added at any time, also while others use it.
type Redactor struct {
	mu     sync.RWMutex
	index  index
	public []string
	names  map[string]bool
	seen   map[string]bool
	mute   []string
}

// Of makes a redactor that knows the values.
func Of(values ...string) *Redactor {
	r := &Redactor{}
	r.Add(values...)
	return r
}

// Add makes values secret, and what is known to be secret in them. It gives what
// became secret by it.
func (r *Redactor) Add(values ...string) (added []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.seen == nil {
		r.seen = map[string]bool{}
	}
	for _, value := range values {
		if len(value) > maxValue {
			value = value[:maxValue]
		}
		if value == "" || r.seen[value] {
			continue
		}
		r.seen[value] = true
		for _, part := range parts(value) {
			// The lines of a key or a certificate.
			bare := !strings.Contains(part, "\n") && strings.Count(value, "\n") > manyLines
			public := r.isPublic(part)
			r.index.add(part, bare, public)
			if !public {
				added = append(added, part)
			}
		}
	}
	return added
}

// manyLines are more than are encoded one by one.
const manyLines = 16

// maxValue bounds a value: no Secret of Kubernetes is larger.
const maxValue = 1 << 20

// Public names texts that everybody knows, such as the name of a release and the
// image: a value that is a part of one is not secret, or no cause could be read.
func (r *Redactor) Public(texts ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := len(r.public)
	for _, text := range texts {
		if text != "" && !slices.Contains(r.public, text) {
			r.public = append(r.public, text)
		}
	}
	if len(r.public) == known {
		return
	}
	for i := range r.index.patterns {
		if p := &r.index.patterns[i]; r.isPublic(p.value) {
			p.off = true
		}
	}
}

// Names tells names of objects, which no log could be read without: a value that is
// one of them is not secret, other than a part of one.
func (r *Redactor) Names(names ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.names == nil {
		r.names = map[string]bool{}
	}
	for _, name := range names {
		r.names[name] = true
	}
	for i := range r.index.patterns {
		if p := &r.index.patterns[i]; r.names[p.value] {
			p.off = true
		}
	}
}

// IsName reports whether a value is one of the names.
func (r *Redactor) IsName(value string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.names[value]
}

func (r *Redactor) isPublic(value string) bool {
	if r.names[value] {
		return true
	}
	for _, text := range r.public {
		if strings.Contains(text, value) {
			return true
		}
	}
	return false
}

// Text gives a text without the secret values, and without what looks like a
// credential whoever made it.
func (r *Redactor) Text(text string) string {
	if text == "" {
		return text
	}
	r.mu.RLock()
	text = silent(text, r.mute)
	found := r.index.find(text)
	r.mu.RUnlock()
	found = append(found, shapes(text)...)
	if len(found) == 0 {
		return text
	}
	return cover(text, found)
}

// Mute leaves out what stands behind one of the marks, such as "it said: ", in each
// text from now on: it may hold secrets that are not known.
func (r *Redactor) Mute(marks ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mute = marks
}

// Muted reports whether something is left out.
func (r *Redactor) Muted() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.mute) > 0
}

// code ends the message of an error.
var code = regexp.MustCompile(` \[[a-z]+/[a-z0-9-]+\]\s*$`)

func silent(text string, marks []string) string {
	for _, mark := range marks {
		if before, _, found := strings.Cut(text, mark); found && !strings.HasPrefix(text[len(before)+len(mark):], leftOut) {
			text = before + mark + leftOut + code.FindString(text)
		}
	}
	return text
}

const leftOut = "(left out)"

// Writer is out without the secret values. Each Write is looked at by itself: it
// should hold whole lines.
func (r *Redactor) Writer(out io.Writer) io.Writer { return writer{r, out} }

type writer struct {
	redactor *Redactor
	out      io.Writer
}

// Write passes on what may be shown.
func (w writer) Write(p []byte) (int, error) {
	if _, err := io.WriteString(w.out, w.redactor.Text(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}
