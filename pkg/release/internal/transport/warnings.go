package transport

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/net"
)

// Warning is what the API server remarks about an object that it takes.
type Warning struct{ Object, Text string }

// Warnings are what the API server remarked about the writes of a plan, each once.
func (d *Changes) Warnings() []Warning {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := slices.Clone(d.warnings)
	slices.SortFunc(all, func(a, b Warning) int { return cmp.Or(cmp.Compare(a.Object, b.Object), cmp.Compare(a.Text, b.Text)) })
	return slices.Compact(all)
}

// warned remembers the warnings of a response, which tells also what it is about, and
// leaves it readable.
func (p roundTripper) warned(response *http.Response) {
	found, _ := net.ParseWarningHeaders(response.Header.Values("Warning")) // another form says nothing to us
	if len(found) == 0 {
		return
	}
	text, _ := io.ReadAll(io.LimitReader(response.Body, maxStatus)) // an error comes again when the rest is read
	response.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(text), response.Body), response.Body}
	var about metav1.PartialObjectMetadata
	if json.Unmarshal(text, &about) != nil || about.Name == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range found {
		p.warnings = append(p.warnings, Warning{about.Kind + "/" + about.Name, w.Text})
	}
}
