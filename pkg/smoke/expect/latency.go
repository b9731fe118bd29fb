package expect

import (
	"context"
	"fmt"
	"time"

	"github.com/stagecrew/stagecrew/pkg/smoke/form"
)

// MaxLatency is how long the whole answer may take, without the time to connect.
type MaxLatency time.Duration

func init() {
	declare("maxLatency", func(n *form.Node, key string) MaxLatency { return MaxLatency(n.Duration(key)) })
}

func (m MaxLatency) of() part { return ofTime }

func (m MaxLatency) validate(timeout time.Duration, report form.Reporter) {
	switch limit := time.Duration(m); {
	case limit <= 0:
		report("maxLatency", "%s; allowed is more than 0", limit)
	case limit > timeout:
		report("maxLatency", "%s; allowed is up to the timeout, %s", limit, timeout)
	}
}

func (m MaxLatency) judge(_ context.Context, a Answer) error {
	if limit := time.Duration(m); a.Latency > limit {
		return fmt.Errorf("the answer took %s, should take at most %s", a.Latency.Round(time.Millisecond), limit)
	}
	return nil
}
