package smoke

import (
	"context"
	"errors"
	"fmt"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Enough is the cause of a context that ends checks because another has failed: what
// it cuts short is inconclusive and says so.
type Enough struct{ Failed record.Check }

// Error names the check that has failed.
func (e Enough) Error() string {
	return fmt.Sprintf("cut short, because %s on %s has failed", e.Failed.Name, e.Failed.Target)
}

// short says why a check was not asked to its end; why is what it has seen.
func short(ctx context.Context, why string) string {
	var enough Enough
	if errors.As(context.Cause(ctx), &enough) {
		return enough.Error()
	}
	return "the time is up: " + why
}
