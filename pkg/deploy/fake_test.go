package deploy

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// fakeCluster keeps a history as Helm does and answers for pods by image: an
// image whose name holds "crash" never becomes ready, one with "mute" is ready
// but fails its smoke check.
type fakeCluster struct {
	history  []pipeline.Revision // newest first
	applyErr error
	markErr  error
	lockErr  error
	cancel   context.CancelFunc // called while watching an image named "signal"
	calls    []string
	holder   string
	connects int
}

func (f *fakeCluster) connect() (Cluster, error) {
	f.connects++
	return Cluster{Releases: f, Applier: f, Locker: f, Watcher: f, Prober: f}, nil
}

func (f *fakeCluster) History(context.Context) ([]pipeline.Revision, error) {
	return slices.Clone(f.history), nil
}

func (f *fakeCluster) Describe(_ context.Context, revision int) (pipeline.Applied, error) {
	for _, r := range f.history {
		if r.Number == revision {
			return applied(r), nil
		}
	}
	return pipeline.Applied{}, errors.New("no such revision")
}

func (f *fakeCluster) Mark(_ context.Context, revision int, mark pipeline.Mark) error {
	if f.markErr != nil {
		return f.markErr
	}
	for i := range f.history {
		if f.history[i].Number == revision {
			f.history[i].Verdict = mark
			return nil
		}
	}
	return errors.New("no such revision")
}

func (f *fakeCluster) Lock(ctx context.Context, holder string) (context.Context, func(context.Context) error, error) {
	f.holder = holder
	return ctx, func(context.Context) error { f.holder = ""; return nil }, f.lockErr
}

func (f *fakeCluster) Apply(_ context.Context, image pipeline.Verified) (pipeline.Applied, error) {
	f.calls = append(f.calls, "apply")
	if f.applyErr != nil {
		return pipeline.Applied{}, f.applyErr
	}
	return f.push(pipeline.Revision{Image: image.Image().String()}), nil
}

func (f *fakeCluster) Rollback(_ context.Context, to int) (pipeline.Applied, error) {
	f.calls = append(f.calls, "rollback")
	for _, r := range f.history {
		if r.Number == to {
			origin := to
			if r.Origin != 0 {
				origin = r.Origin
			}
			return f.push(pipeline.Revision{Image: r.Image, Origin: origin}), nil
		}
	}
	return pipeline.Applied{}, errors.New("no such revision")
}

func (f *fakeCluster) push(r pipeline.Revision) pipeline.Applied {
	for i := range f.history {
		if f.history[i].Status == "deployed" {
			f.history[i].Status = "superseded"
		}
	}
	r.Number, r.Status, r.Verdict = len(f.history)+1, "deployed", pipeline.MarkPending
	f.history = append([]pipeline.Revision{r}, f.history...)
	return applied(r)
}

// applied names the workload after the image, so that Watch can tell them apart.
func applied(r pipeline.Revision) pipeline.Applied {
	return pipeline.Applied{Revision: r, Workloads: []pipeline.Workload{{Kind: "Deployment", Name: r.Image}}}
}

func (f *fakeCluster) Watch(_ context.Context, workloads []pipeline.Workload) (pipeline.Rollout, error) {
	name := workloads[0].Name
	switch {
	case strings.Contains(name, "crash"):
		return pipeline.Rollout{Cause: &pipeline.Cause{Code: "rollout/crash-loop", Object: "Pod/a", Reason: "Error", Message: "exit code 1"}}, nil
	case strings.Contains(name, "signal"):
		f.cancel()
		return pipeline.Rollout{}, context.Canceled
	}
	return pipeline.Rollout{Pods: []pipeline.Pod{{Name: name}}}, nil
}

func (f *fakeCluster) Probe(_ context.Context, pods []pipeline.Pod, _ []pipeline.Service) ([]pipeline.Check, error) {
	result := "passed"
	switch {
	case strings.Contains(pods[0].Name, "mute"):
		result = "failed"
	case strings.Contains(pods[0].Name, "unheard"):
		result = "inconclusive"
	}
	return []pipeline.Check{{Name: "readiness", Target: "Pod/a", Result: result, Detail: "status 503"}}, nil
}

func image(name string) pipeline.Verified {
	return pipeline.NewVerified(pipeline.Image{Repository: "registry.test/" + name, Digest: "sha256:" + strings.Repeat("0", 64)}, "key")
}

func (f *fakeCluster) options() Options {
	return Options{Release: "backstage", Namespace: "prod", Holder: "test", Connect: f.connect, Timeout: time.Minute}
}

func (f *fakeCluster) deploy(t *testing.T, name string) Result {
	t.Helper()
	result, err := Deploy(t.Context(), image(name), f.options())
	require.NoError(t, err)
	require.Empty(t, f.holder, "the lock is released")
	return result
}
