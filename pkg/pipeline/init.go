package pipeline

import (
	"context"
	"regexp"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/scaffold"
)

// initStage writes the first files of the repository in the current folder.
func initStage(s *slice) (func(context.Context, inputs) (done, error), error) {
	o := scaffold.Options{Ref: actionsRef(s.host.Version), BackstageSmoke: backstage.SmokeYAML()}
	return func(ctx context.Context, _ inputs) (done, error) {
		if s.settings.Check {
			return done{}, scaffold.Check(ctx, ".", o)
		}
		result, err := scaffold.Init(ctx, ".", o)
		for _, file := range result.Written {
			s.host.Log.Info("written", "file", file)
		}
		for _, file := range result.Kept {
			s.host.Log.Info("kept as it was", "file", file)
		}
		s.host.Results.Todo(result.Todo)
		return done{}, err
	}, nil
}

var released = regexp.MustCompile(`^v?([0-9]+\.[0-9]+\.[0-9]+)$`)

// actionsRef is where the actions that fit to this program are.
func actionsRef(version string) scaffold.Ref {
	if m := released.FindStringSubmatch(version); m != nil {
		return scaffold.Ref("v" + m[1])
	}
	return "v1"
}
