package site

import (
	"context"
	"slices"

	"github.com/stagecrew/stagecrew/pkg/preflight"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// checker gives the preflight package the form that deploy wants.
type checker struct {
	preflight.Options
	// told are concerns that the run has warned of already; they are left out.
	told []record.Concern
}

func (c checker) Check(ctx context.Context, plan record.Plan) ([]record.Concern, error) {
	found, err := preflight.Check(ctx, c.Options, plan)
	if err != nil {
		return nil, err
	}
	found = newConcerns(found, c.told)
	return found, preflight.Weigh(c.Log, found)
}

// newConcerns are those of found that were not told; what blocks is always told.
func newConcerns(found, told []record.Concern) []record.Concern {
	return slices.DeleteFunc(slices.Clone(found), func(c record.Concern) bool { return !c.Blocks && slices.Contains(told, c) })
}
