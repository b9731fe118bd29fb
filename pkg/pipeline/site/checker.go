package site

import (
	"context"
	"slices"

	"github.com/stagecrew/stagecrew/pkg/migrations"
	"github.com/stagecrew/stagecrew/pkg/migrations/images"
	"github.com/stagecrew/stagecrew/pkg/preflight"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// checker gives the preflight package the form that deploy wants.
type checker struct {
	preflight.Options
	comparison images.Options
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

// Foresee implements [deploy.Checker]. Whatever goes wrong leaves it unknown.
func (c checker) Foresee(ctx context.Context, live, next string, plan record.Plan) *record.Migrations {
	o := c.comparison
	o.Said, o.From = preflight.Said(plan.Manifest)
	var m record.Migrations
	err := record.Guard(func() (err error) {
		m, err = images.Compare(ctx, o, live, next)
		return err
	})
	if err != nil {
		m = migrations.Unknown(err.Error())
		m.From, m.To = live, next
	}
	c.Log.Info(m.String(), "live", live, "bytes", m.Bytes)
	return &m
}
