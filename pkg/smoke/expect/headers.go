package expect

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stagecrew/stagecrew/pkg/redact"
	"github.com/stagecrew/stagecrew/pkg/smoke/form"
	"github.com/stagecrew/stagecrew/pkg/smoke/shown"
)

// Headers are regular expressions, each of which one of the header's values must
// match. A header that is absent matches none.
type Headers map[string]string

func init() {
	declare("headers", func(n *form.Node, key string) Headers { return n.Texts(key) })
}

func (h Headers) of() part { return ofHeader }

func (h Headers) validate(_ time.Duration, report form.Reporter) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		validPattern("headers."+name, h[name], report)
	}
}

func (h Headers) judge(ctx context.Context, a Answer) error {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if err := judgeHeader(ctx, name, h[name], a.Header.Values(name)); err != nil {
			return err
		}
	}
	return nil
}

// judgeHeader wants one of a header's values to match.
func judgeHeader(ctx context.Context, name, pattern string, values []string) error {
	if len(values) == 0 {
		return fmt.Errorf("there is no header %s, should match \"%s\"", name, pattern)
	}
	if slices.ContainsFunc(values, func(value string) bool { return matches(ctx, pattern, []byte(value)) }) {
		return nil
	}
	got := `"` + strings.Join(values, `", "`) + `"`
	if shown.IsSecret(name) {
		got = redact.Hidden
	}
	return fmt.Errorf("header %s is %s, should match \"%s\"", name, got, pattern)
}
