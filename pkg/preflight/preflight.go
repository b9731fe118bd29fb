// Package preflight looks for what will make a deploy fail, certainly or
// probably, before anything is changed. It reads the cluster and never writes.
package preflight

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Images knows what a registry has.
type Images interface {
	// Platforms lists the platforms of an image, "linux/amd64", with the credentials
	// of the given .dockerconfigjson documents and the environment's. An error of
	// [record.KindUnavailable] means that it cannot be told from here.
	Platforms(ctx context.Context, reference string, dockerconfigjson [][]byte) ([]string, error)
}

// Options say what is checked and how long the deploy may take.
type Options struct {
	Client             kubernetes.Interface
	Namespace, Release string
	Timeout            time.Duration // of the deploy
	RollbackTimeout    time.Duration
	Images             Images // nil leaves the images out
	// ImagesBlock makes an image that the registry does not know, or not for these
	// nodes, block. The nodes may have it from elsewhere: a deploy finds that out in
	// seconds and goes back.
	ImagesBlock bool
	// Forwarding says that smoke checks will be sent to pods and Services.
	Forwarding bool
	// SmokeServices are the Services that they are to go through, as NAME or NAME:PORT.
	SmokeServices []string
	// ImageValuesPath is where the chart takes the image from, for messages.
	ImageValuesPath string
	// RequireDigests makes every image by tag block.
	RequireDigests bool
	// AllowDelete are objects, KIND/NAME, that a deploy may delete although data or
	// running pods go with them; "all" for any.
	AllowDelete []string
	// RequireSafeRollback makes an image block from which a rollback is not known to be
	// free, or that would not start on the live databases.
	RequireSafeRollback bool
	Log                 *slog.Logger
}

// limit bounds all checks together.
const limit = 20 * time.Second

// Check gives what was found, what blocks first. What could not be read is left
// out with a warning; an error means that nothing could be checked.
func Check(ctx context.Context, o Options, plan record.Plan) ([]record.Concern, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	objects, err := parse(plan.Manifest, o.Namespace)
	if err != nil {
		return nil, err
	}
	c := &check{Options: o, plan: plan, objects: objects, found: slices.Clone(plan.Concerns)}
	var all sync.WaitGroup
	for _, look := range []func(context.Context){c.permissions, c.namespace, c.quotas, c.limits, c.room, c.pullable, c.references, c.routes, c.autoscalers, c.asked, c.nodes, c.sharedVolumes, c.certificates, c.storage, c.measured, c.evicted, c.nodePorts, c.gaps, c.policies} {
		all.Go(func() {
			if err := record.Guard(func() error { look(ctx); return nil }); err != nil {
				c.broken(err)
			}
		})
	}
	all.Wait()
	if c.err != nil {
		return nil, c.err
	}
	c.refused()
	c.workloads()
	c.overlaps()
	c.named()
	c.digests()
	c.deletions()
	c.oneWay()
	c.restarts()
	c.migrations()
	slices.SortStableFunc(c.found, func(a, b record.Concern) int {
		if a.Blocks != b.Blocks {
			if a.Blocks {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Code+a.Object+a.Message, b.Code+b.Object+b.Message)
	})
	return slices.Compact(c.found), nil // two workloads with one image are one concern
}

// check is one run of all checks.
type check struct {
	Options
	plan    record.Plan
	objects []object

	once  sync.Once
	kinds map[schema.GroupVersionKind]metav1.APIResource

	ranged sync.Once
	ranges []corev1.LimitRange

	mu    sync.Mutex
	found []record.Concern
	err   error
}

func (c *check) add(concern record.Concern) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.found = append(c.found, concern)
}

// broken keeps an error that leaves everything open.
func (c *check) broken(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
}

// unread notes that something could not be looked at.
func (c *check) unread(what string, err error) {
	c.add(record.Concern{Code: "preflight/not-checked", Object: what, Message: "not known, because reading failed: " + err.Error()})
}
