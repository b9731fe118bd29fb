package expect

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/smoke/form"
	"github.com/stagecrew/stagecrew/pkg/smoke/shown"
)

// JSON is what a body of JSON must hold: dotted path -> value. Numbers in a path are
// places in a list, `\.` is a dot within a key. gjson is no help here: it reads *, ?, #,
// | and @ in a key as its own.
type JSON map[string]any

func init() {
	declare("json", func(n *form.Node, key string) JSON {
		return form.Take(n, key, form.Shape{Want: "an object of dotted paths", Schema: form.Schema{"type": "object"}}, form.As[map[string]any])
	})
}

func (j JSON) of() part { return ofBody }

func (j JSON) validate(_ time.Duration, report form.Reporter) {
	for _, path := range slices.Sorted(maps.Keys(j)) {
		if slices.Contains(keys(path), "") {
			report("json", "%q is not keys with dots between them", path)
		}
	}
}

func (j JSON) judge(_ context.Context, a Answer) error {
	if a.Over {
		return fmt.Errorf("the body is longer than %d bytes, which is what is read of it: %s", MaxBody, excerpt(a.Body))
	}
	document, err := form.Decode(a.Body)
	if err != nil {
		return fmt.Errorf("the body is not JSON: %s", excerpt(a.Body))
	}
	var problems []error
	for _, path := range slices.Sorted(maps.Keys(j)) {
		got, found := lookup(document, path)
		switch {
		case !found:
			problems = append(problems, fmt.Errorf("the body has nothing at \"%s\", it is %s", path, excerpt(a.Body)))
		case !equal(j[path], got) && shown.IsSecret(path):
			problems = append(problems, fmt.Errorf("\"%s\" is not what it should be", path))
		case !equal(j[path], got):
			problems = append(problems, fmt.Errorf("\"%s\" is %s, should be %s", path, form.Show(got), form.Show(j[path])))
		}
	}
	return record.Problems(problems...)
}

// equal compares as JSON does: 1 and 1.0 are the same number. want may be any Go
// value that JSON can write.
func equal(want, got any) bool {
	text, err := json.Marshal(want)
	if err != nil {
		return false
	}
	plain, err := form.Decode(text)
	return err == nil && same(plain, got)
}

func same(a, b any) bool {
	switch a := a.(type) {
	case json.Number:
		b, ok := b.(json.Number)
		return ok && sameNumber(a, b)
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, same)
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && maps.EqualFunc(a, b, same)
	}
	return a == b
}

// sameNumber tells large whole numbers apart, which a float64 cannot, and knows one
// that no float64 can hold when it is written the same.
func sameNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	i, errA := a.Int64()
	j, errB := b.Int64()
	if errA == nil && errB == nil {
		return i == j
	}
	x, errA := a.Float64()
	y, errB := b.Float64()
	return errA == nil && errB == nil && x == y
}

// lookup follows "items.0.kind" through objects and lists.
func lookup(document any, path string) (any, bool) {
	for _, key := range keys(path) {
		switch at := document.(type) {
		case map[string]any:
			next, found := at[key]
			if !found {
				return nil, false
			}
			document = next
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(at) {
				return nil, false
			}
			document = at[i]
		default:
			return nil, false
		}
	}
	return document, true
}

// keys splits a path at its dots, except where a backslash stands before one.
func keys(path string) []string {
	var out []string
	for _, part := range strings.Split(path, ".") {
		if last := len(out) - 1; last >= 0 && strings.HasSuffix(out[last], `\`) {
			out[last] = strings.TrimSuffix(out[last], `\`) + "." + part
			continue
		}
		out = append(out, part)
	}
	return out
}
