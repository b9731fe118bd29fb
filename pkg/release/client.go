package release

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	helmkube "helm.sh/helm/v3/pkg/kube"
	"helm.sh/helm/v3/pkg/storage"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/objectdiff"
)

// client is Helm's client, which starts from what earlier revisions may have left
// in the cluster, leaves to an autoscaler what is its own, and ends with the
// change that it works for.
type client struct {
	*helmkube.Client
	typed           kubernetes.Interface // its requests pass the transport
	logs            kubernetes.Interface // its requests do not end with a change
	changeTransport *changeTransport
	log             *slog.Logger
	name, namespace string // of the release
	records         *storage.Storage
	marks           *verdictDriver
	notary          notary

	gate      gate
	approvals approvals
	*change
}

// change is what is known of one change; each has its own.
type change struct {
	ctx        context.Context //nolint:containedctx // Helm's interface passes none
	isRollback bool
	lastUpdate updateResult

	mu      sync.Mutex
	hookLog string        // the end of the log of the hook that failed
	stopped *record.Cause // why waiting for pods or a hook was pointless
}

// updateResult is what Helm's update of all objects came to.
type updateResult struct {
	wanted  helmkube.ResourceList // the manifest's objects as they were sent, in its order
	updated helmkube.ResourceList // those that were there before, as they are now
	target  helmkube.ResourceList // all, as they are now
	earlier []earlier             // revisions whose objects may be in the cluster
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
	c.approveAll(c.lastUpdate.wanted, result.Created)
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
	if err = c.leaveReplicas(bases, target); err != nil {
		return nil, nil, nil, err
	}
	sent = target
	if c.isRollback {
		stuck, err := c.triedBack(bases, target)
		if err != nil {
			return nil, nil, nil, err
		}
		bases, sent, anew = stuck.without(bases), stuck.without(target), stuck.anew
	}
	c.lastUpdate.wanted = deepCopies(sent)
	return bases, sent, anew, nil
}

// Create makes objects, see [helmkube.Client.Create].
func (c *client) Create(resources helmkube.ResourceList) (*helmkube.Result, error) {
	if err := c.ctx.Err(); err != nil {
		return nil, err
	}
	wanted := deepCopies(resources)
	result, err := c.Client.Create(resources)
	if err == nil {
		c.approveAll(wanted, resources)
	}
	return result, err
}

// approveAll approves objects that were just made of their manifests.
func (c *client) approveAll(wanted, made helmkube.ResourceList) {
	for _, info := range wanted {
		if now := made.Get(info); now != nil {
			if found, err := content(now.Object); err == nil && found.GetUID() != "" {
				c.approve(info, found)
			}
		}
	}
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
		log := c.readHookLog(resources)
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

// helper sends requests about one object.
func helper(info *resource.Info) *resource.Helper {
	return resource.NewHelper(info.Client, info.Mapping).WithFieldManager(objectdiff.FieldManager)
}

// live reads an object as it is in the cluster.
func live(info *resource.Info) (*unstructured.Unstructured, error) {
	object, err := helper(info).Get(info.Namespace, info.Name)
	if err != nil {
		return nil, err
	}
	return content(object)
}

var errNoContent = errors.New("the object has no fields")

func content(object runtime.Object) (*unstructured.Unstructured, error) {
	u, ok := object.(*unstructured.Unstructured)
	if !ok {
		return nil, errNoContent
	}
	return u, nil
}

// ignoreMissing makes of an object that is not there no error.
func ignoreMissing(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// deepCopies are independent of the originals, which Helm changes.
func deepCopies(list helmkube.ResourceList) helmkube.ResourceList {
	result := make(helmkube.ResourceList, len(list))
	for i, info := range list {
		result[i] = with(info, info.Object.DeepCopyObject())
	}
	return result
}

// with is the same place with another object.
func with(info *resource.Info, object runtime.Object) *resource.Info {
	next := *info
	next.Object = object
	return &next
}

// key identifies an object whatever the version of its kind.
func key(info *resource.Info) string {
	return info.Mapping.GroupVersionKind.GroupKind().String() + "/" + info.Namespace + "/" + info.Name
}

// named is how an object is called to people: "Deployment/web".
func named(info *resource.Info) string {
	return info.Mapping.GroupVersionKind.Kind + "/" + info.Name
}
