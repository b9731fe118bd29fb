package smoke

import (
	"context"
	"fmt"
	"time"
)

// MaxLatency is how long the whole answer may take, without the time to connect.
type MaxLatency time.Duration

func init() {
	declare("maxLatency", func(n *node, key string) MaxLatency { return MaxLatency(n.duration(key)) })
}

func (m MaxLatency) of() part { return ofTime }

func (m MaxLatency) validate(s Suite, report reporter) {
	switch limit := time.Duration(m); {
	case limit <= 0:
		report("maxLatency", "%s; allowed is more than 0", limit)
	case limit > s.Timeout:
		report("maxLatency", "%s; allowed is up to the timeout, %s", limit, s.Timeout)
	}
}

func (m MaxLatency) judge(_ context.Context, a answer) error {
	if limit := time.Duration(m); a.latency > limit {
		return fmt.Errorf("the answer took %s, should take at most %s", a.latency.Round(time.Millisecond), limit)
	}
	return nil
}

// patience is how long an answer may take by its expectations, 0 for any time.
func (e Expect) patience() (longest time.Duration) {
	for _, one := range e {
		if limit, isLimit := one.(MaxLatency); isLimit {
			longest = max(longest, time.Duration(limit))
		}
	}
	return longest
}
