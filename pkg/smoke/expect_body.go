package smoke

import (
	"context"
	"fmt"
)

// BodyRegex are regular expressions, all of which the first MiB of the body must match.
type BodyRegex []string

// BodyNotRegex are regular expressions, none of which the first MiB of the body may
// match.
type BodyNotRegex []string

func init() {
	declare("bodyRegex", func(n *node, key string) BodyRegex { return n.list(key, aText, as[string]) })
	declare("bodyNotRegex", func(n *node, key string) BodyNotRegex { return n.list(key, aText, as[string]) })
}

func (b BodyRegex) of() part    { return ofBody }
func (b BodyNotRegex) of() part { return ofBody }

func (b BodyRegex) validate(_ Suite, report reporter) {
	for _, pattern := range b {
		validPattern("bodyRegex", pattern, report)
	}
}

func (b BodyNotRegex) validate(_ Suite, report reporter) {
	for _, pattern := range b {
		validPattern("bodyNotRegex", pattern, report)
	}
}

func (b BodyRegex) judge(ctx context.Context, a answer) error {
	for _, pattern := range b {
		if !matches(ctx, pattern, a.body) {
			return fmt.Errorf("the body does not match \"%s\": %s", pattern, excerpt(a.body))
		}
	}
	return nil
}

func (b BodyNotRegex) judge(ctx context.Context, a answer) error {
	for _, pattern := range b {
		if matches(ctx, pattern, a.body) {
			return fmt.Errorf("the body matches \"%s\", which it must not: %s", pattern, excerpt(a.body))
		}
	}
	return nil
}
