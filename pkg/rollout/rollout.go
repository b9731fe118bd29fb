// Package rollout watches one applied revision until it is complete or certain
// to fail. Everything comes from watches; what they show goes to [judge], which is pure.
//
// Complete means: the controller has seen the generation that was applied, every
// pod of the new revision is Ready for minReadySeconds, the old ReplicaSets have no
// pods, and the EndpointSlices of the Services hold the new pods and no old one. An
// old pod that is Terminating does not count: it has left the endpoints, and how
// long it takes to end is its own affair.
package rollout

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/judge"
)

// Options say how to watch.
type Options struct {
	Client kubernetes.Interface
	// Namespace is that of workloads and Services that name none.
	Namespace string
	// Rules replace the default rules of their codes; see [causes.ParseRules].
	Rules map[string]causes.Rule
	// LogPatterns are regular expressions; a line of a new pod that matches one,
	// while the pod is not ready, means that it never will be.
	LogPatterns []string
	// PassingPatterns are regular expressions for lines that do not count in the
	// first run of a container although they match: a restart heals what they tell.
	// What a later run says again counts.
	PassingPatterns []string
	// SmokeServices are the Services that the smoke checks go through, as NAME or
	// NAME:PORT; none leaves the choice to the watcher, see [routes.Choose].
	SmokeServices []string
	// ImageExists reports whether the registry has an image by now that a node could not
	// find; nil when that is not asked.
	ImageExists func(ctx context.Context, reference string) bool
	// Seen is the same for a Watch and the Hold after it; nil when there is none.
	Seen *judge.Seen
	// Log gets a line for each change, and at least one every ten seconds.
	Log *slog.Logger
	// Show is called as often as Log, with the pods; nil shows nothing.
	Show func(record.Progress)
}

// Watch waits until all workloads are rolled out and the Services lead to their new
// pods, or until one is certain to fail. The deadline of ctx is the budget: when it
// passes, the rollout has failed with the cause rollout/timeout and the most specific
// thing seen. Jobs that run well beside ready workloads are waited for until a minute, or
// half the budget, is left; then they are named as not proven. An error means that the watch itself did not work, or that ctx was
// cancelled.
func Watch(ctx context.Context, o Options, applied record.Applied) (record.Rollout, error) {
	v, stop, err := begin(ctx, o, applied)
	if err != nil {
		return record.Rollout{}, err
	}
	defer stop()
	var result record.Rollout
	err = record.Guard(func() (err error) {
		result, err = v.untilComplete()
		return err
	})
	return result, panicked(err)
}

// begin starts to watch; stop ends it.
func begin(ctx context.Context, o Options, applied record.Applied) (v *wait, stop func(), err error) {
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	l, err := newLogs(o)
	if err != nil {
		return nil, nil, err
	}
	ctx, stop = context.WithCancel(ctx)
	applied = o.qualified(applied)
	w, err := open(ctx, o, applied, l)
	if err != nil {
		stop()
		return nil, nil, err
	}
	unproven := slices.Concat(applied.Unwatched, w.asked.Lost)
	v = &wait{Options: o, ctx: ctx, watch: w, judge: judge.New(causes.For(o.Rules, applied.Alone)), start: time.Now(), applied: applied, unproven: unproven}
	v.judge.Found = v.found
	// Kubernetes knows when a pod was made to the second.
	v.judge.Applied = applied.Revision.Deployed.Truncate(time.Second)
	_, v.judge.Digest, _ = strings.Cut(w.image, "@")
	if deadline, bounded := ctx.Deadline(); bounded {
		v.judge.JobsUntil = deadline.Add(-min(maxReserve, time.Until(deadline)/2))
	}
	return v, stop, nil
}

// maxReserve is what is kept of the budget, at most half, for what comes after a wait
// for Jobs.
const maxReserve = time.Minute

// qualified fills in the namespace where none is named.
func (o Options) qualified(applied record.Applied) record.Applied {
	applied.Workloads, applied.Services = slices.Clone(applied.Workloads), slices.Clone(applied.Services)
	for i := range applied.Workloads {
		applied.Workloads[i].Namespace = cmp.Or(applied.Workloads[i].Namespace, o.Namespace)
	}
	for i := range applied.Services {
		applied.Services[i].Namespace = cmp.Or(applied.Services[i].Namespace, o.Namespace)
	}
	return applied
}
