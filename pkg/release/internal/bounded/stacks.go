package bounded

import (
	"runtime/metrics"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
)

const (
	// maxStacks is how much memory the stacks of a process may take while templates
	// run; Go ends the process when one of them would grow above 1 GB, and nothing can
	// be done about that then.
	maxStacks = 200 << 20
	// lookAtStacks is how often that is looked at: a stack doubles as it grows.
	lookAtStacks = 20 * time.Millisecond
)

// Stacks does work that runs a chart's templates. Helm bounds how deep they include
// each other, but a value that is a template may name itself
// (https://github.com/helm/helm/issues/5060): such work is left behind, and the
// process must end soon. A panic is an error.
func Stacks(work func() error) error {
	done := make(chan error, 1)
	go func() { done <- record.Guard(work) }()
	tick := time.NewTicker(lookAtStacks)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-tick.C:
			if stacks() > maxStacks {
				return record.BadInput("release/chart", "the chart's templates call each other without end; look for a value that is a template (tpl) and names itself")
			}
		}
	}
}

// stacks is the memory of all stacks, in bytes.
func stacks() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
