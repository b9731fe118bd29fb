package expect

import (
	"context"
	"fmt"
	"time"

	"github.com/stagecrew/stagecrew/pkg/smoke/form"
)

// BodyRegex are regular expressions, all of which the first MiB of the body must match.
type BodyRegex []string

// BodyNotRegex are regular expressions, none of which the first MiB of the body may
// match.
type BodyNotRegex []string

func init() {
	declare("bodyRegex", func(n *form.Node, key string) BodyRegex { return n.List(key, form.Text, form.As[string]) })
	declare("bodyNotRegex", func(n *form.Node, key string) BodyNotRegex { return n.List(key, form.Text, form.As[string]) })
}

func (b BodyRegex) of() part    { return ofBody }
func (b BodyNotRegex) of() part { return ofBody }

func (b BodyRegex) validate(_ time.Duration, report form.Reporter) {
	for _, pattern := range b {
		validPattern("bodyRegex", pattern, report)
	}
}

func (b BodyNotRegex) validate(_ time.Duration, report form.Reporter) {
	for _, pattern := range b {
		validPattern("bodyNotRegex", pattern, report)
	}
}

func (b BodyRegex) judge(ctx context.Context, a Answer) error {
	for _, pattern := range b {
		if !matches(ctx, pattern, a.Body) {
			return fmt.Errorf("the body does not match \"%s\": %s", pattern, excerpt(a.Body))
		}
	}
	return nil
}

func (b BodyNotRegex) judge(ctx context.Context, a Answer) error {
	for _, pattern := range b {
		if matches(ctx, pattern, a.Body) {
			return fmt.Errorf("the body matches \"%s\", which it must not: %s", pattern, excerpt(a.Body))
		}
	}
	return nil
}
