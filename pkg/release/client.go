package release

import (
	"context"
	"log/slog"
	"sync"
	"time"

	helmkube "helm.sh/helm/v3/pkg/kube"
	"helm.sh/helm/v3/pkg/storage"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/drift"
	"github.com/stagecrew/stagecrew/pkg/release/internal/live"
	"github.com/stagecrew/stagecrew/pkg/release/internal/pods"
	"github.com/stagecrew/stagecrew/pkg/release/internal/remains"
	"github.com/stagecrew/stagecrew/pkg/release/internal/transport"
	"github.com/stagecrew/stagecrew/pkg/release/internal/verdict"
)

// client is Helm's client, which starts from what earlier revisions may have left
// in the cluster, leaves to an autoscaler what is its own, and ends with the
// change that it works for.
type client struct {
	*helmkube.Client
	typed    kubernetes.Interface // its requests pass the transport
	logs     kubernetes.Interface // its requests do not end with a change
	requests *transport.Changes
	log      *slog.Logger
	owner    live.Owner // the release
	records  *storage.Storage
	marks    *verdictDriver
	notary   verdict.Notary

	compare *drift.Comparer
	remains *remains.Remains
	judge   judge
	*change
}

// change is what is known of one change; each has its own.
type change struct {
	ctx        context.Context //nolint:containedctx // Helm's interface passes none
	isRollback bool
	// noneForeign means that the plan of a rollback has looked whose its objects are.
	noneForeign bool
	lastUpdate  updateResult

	mu      sync.Mutex
	hookLog string        // the end of the log of the hook that failed
	stopped *record.Cause // why waiting for pods or a hook was pointless
}

// updateResult is what Helm's update of all objects came to.
type updateResult struct {
	wanted  helmkube.ResourceList // the manifest's objects as they were sent, in its order
	updated helmkube.ResourceList // those that were there before, as they are now
	target  helmkube.ResourceList // all, as they are now
	earlier []remains.Revision    // those whose objects may be in the cluster
	// repairs say what was done beyond Helm's own work, finished that it was.
	repairs  []string
	finished bool
}

// note keeps what was done beyond Helm's own work.
func (c *change) note(lines ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lastUpdate.repairs = append(c.lastUpdate.repairs, lines...)
}

// Update brings the objects into the cluster, see [helmkube.Client.Update].
func (c *client) Update(original, target helmkube.ResourceList, force bool) (*helmkube.Result, error) {
	// Helm reads the result of a failure, too.
	none := &helmkube.Result{}
	if err := c.ctx.Err(); err != nil {
		return none, err
	}
	bases, sent, anew, err := c.prepare(original, target)
	if err == nil {
		err = c.deleteForRecreation(anew)
	}
	if err != nil {
		return none, err
	}
	result, err := c.Client.Update(bases, sent, force)
	c.lastUpdate.updated, c.lastUpdate.target = result.Updated, target
	c.compare.ApproveAll(c.lastUpdate.wanted, result.Created.Get)
	return result, err
}

// prepare gives the objects that Helm's patches start from, those to be sent, and
// those that must be deleted before.
func (c *client) prepare(original, target helmkube.ResourceList) (bases, sent, anew helmkube.ResourceList, err error) {
	if c.lastUpdate.earlier, err = c.earlierRevisions(); err != nil {
		return nil, nil, nil, err
	}
	if bases, err = c.bases(original, target); err != nil {
		return nil, nil, nil, err
	}
	if err = c.compare.LeaveReplicas(c.ctx, target, bases.Get); err != nil {
		return nil, nil, nil, err
	}
	if err = c.unite(bases, target); err != nil {
		return nil, nil, nil, err
	}
	sent = target
	if c.isRollback {
		if sent, bases, err = c.sparing(original, target, bases); err != nil {
			return nil, nil, nil, err
		}
		stuck, lines, err := c.remains.TryBack(c.ctx, sent, bases.Get)
		c.note(lines...)
		if err != nil {
			return nil, nil, nil, err
		}
		bases, sent, anew = stuck.Without(bases), stuck.Without(sent), stuck.Anew
	}
	c.lastUpdate.wanted = live.Copies(sent)
	return bases, sent, anew, nil
}

// unite lets patches take away what another client has put in the place of a
// value. Whatever cannot be read Helm reads itself, and says what is wrong.
func (c *client) unite(bases, target helmkube.ResourceList) error {
	return live.Each(c.ctx, target, func(_ int, info *resource.Info) error {
		if !remains.Unites(info.Mapping.GroupVersionKind.GroupKind()) {
			return nil
		}
		found, err := live.Get(info)
		base, baseErr := live.Content(bases.Get(info).Object)
		wanted, wantedErr := live.Content(info.Object)
		if err == nil && baseErr == nil && wantedErr == nil {
			remains.Unite(base, wanted, found)
		}
		return nil
	})
}

// goneTimeout bounds the wait for an object that is made anew to be gone.
const goneTimeout = 45 * time.Second

// deleteForRecreation deletes the objects that Helm is about to make anew, and waits until
// they are gone.
func (c *client) deleteForRecreation(anew helmkube.ResourceList) error {
	if len(anew) == 0 {
		return nil
	}
	if err := remains.DeleteForRecreation(anew); err != nil {
		return err
	}
	return c.WaitForDelete(anew, goneTimeout)
}

// leftovers are what earlier revisions left and the present one does not have.
func (c *client) leftovers() ([]remains.Leftover, error) {
	return c.remains.Leftovers(c.lastUpdate.target, c.lastUpdate.earlier)
}

// removeLeftovers removes them, and says in one line each what it did.
func (c *client) removeLeftovers() ([]string, error) {
	found, err := c.leftovers()
	if err != nil {
		return nil, err
	}
	return remains.Remove(found)
}

// Create makes objects, see [helmkube.Client.Create].
func (c *client) Create(resources helmkube.ResourceList) (*helmkube.Result, error) {
	if err := c.ctx.Err(); err != nil {
		return nil, err
	}
	wanted := live.Copies(resources)
	result, err := c.Client.Create(resources)
	if err == nil {
		c.compare.ApproveAll(wanted, resources.Get)
	}
	return result, err
}

// WatchUntilReady waits for a hook, but no longer than the change may take and
// than it can succeed, and remembers what the hook said at its end.
func (c *client) WatchUntilReady(resources helmkube.ResourceList, timeout time.Duration) error {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	err := c.boundedWait(timeout, c.judged(ctx, resources), func(timeout time.Duration) error {
		return c.Client.WatchUntilReady(resources, timeout)
	})
	if err != nil {
		log := pods.HookLog(c.ctx, c.logs, c.log, resources)
		c.mu.Lock()
		c.hookLog = log
		c.mu.Unlock()
	}
	return err
}

// failedHookLog is what a hook that failed said at its end, "" for none.
func (c *client) failedHookLog() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hookLog
}
