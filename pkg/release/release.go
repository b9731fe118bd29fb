// Package release is the room of Helm: it installs, upgrades and rolls back one
// release, reads its history, and keeps a verdict on each revision. It never waits
// for pods and never rolls back on its own account.
package release

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"helm.sh/helm/v3/pkg/chartutil"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
	"github.com/stagecrew/stagecrew/pkg/release/internal/secrets"
)

// Cluster reaches the API server.
type Cluster interface {
	Getter() genericclioptions.RESTClientGetter
	Clientset() kubernetes.Interface
}

// defaultWindDown is for the few requests that note the end of a change.
const defaultWindDown = 2 * time.Second

// minKey is what a key must have at least to be worth its name.
const minKey = 16

// Options describe a release and the chart to apply.
type Options struct {
	Cluster Cluster
	// Namespace and Name identify the release.
	Namespace, Name string
	// Chart is a directory, a .tgz file or an oci:// reference. Only Apply needs it.
	Chart string
	// Charts keeps the chart and the values between the Releases of one run; nil for one of its own.
	Charts *Charts
	// Values are files and Set are key=value pairs with Helm's meaning.
	Values, Set []string
	// ImageValuesPath is where the chart takes repository and digest from;
	// [DefaultImageValuesPath] when "".
	ImageValuesPath string
	// HistoryMax is how many of Helm's records are kept, 0 for all. Records that
	// a rollback may need are kept beyond it, see [Release.Prune].
	HistoryMax int
	// Driver is where the caller's environment lets Helm keep its records, HELM_DRIVER;
	// anything but Secrets is wrong input.
	Driver string
	// Reason is why a person goes back; Helm's description of the revision that
	// a rollback makes ends with it. "" for none.
	Reason string
	// Watch judges pods, as pkg/rollout does, where Helm must wait: for a hook, and
	// before hooks that need the application. nil waits as Helm does.
	Watch func(context.Context, record.Applied) (record.Rollout, error)
	// VerdictKey makes and checks the MAC of verdicts; at least 16 bytes, or nil for
	// verdicts that everybody can write who may write the release's Secrets.
	VerdictKey []byte
	// Withhold is told secret values as soon as they are known, so that nothing
	// shows them; may be nil.
	Withhold func(values ...string)
	// Suspect is told those of settings that are secret by their name; Named, once the
	// chart is rendered, which of them only name a Secret. nil: they all stay secret.
	Suspect func(values ...string)
	Named   func(names ...string)
	// Public is told what everybody knows of the history: the repositories of its
	// images. A secret that is a part of one cannot be hidden; may be nil.
	Public func(texts ...string)
	// Unread is told of a Secret that pods use and that may not be read, so that
	// its values cannot be found in what the pods say; may be nil.
	Unread func(name string, err error)
	Log    *slog.Logger
}

// DefaultImageValuesPath is that of --image-values-path, too.
const DefaultImageValuesPath = "image"

// Release is one Helm release. It makes one change at a time.
type Release struct {
	Options
	helm   *engine
	client kubernetes.Interface
	// windDown is how long a change that was ended may take to note that.
	windDown time.Duration
	busy     chan struct{} // holds one token while a change runs
	guard    *checkedDriver
	images   map[record.Image][]string // that were planned with an image

	secrets *secrets.Learner
}

// Check is everything that is wrong with the options by themselves.
func (o Options) Check() error {
	var name, key error
	if err := chartutil.ValidateReleaseName(o.Name); err != nil {
		name = record.BadInput("release/name", "release name %q: %w", o.Name, err)
	}
	if len(o.VerdictKey) > 0 && len(o.VerdictKey) < minKey {
		key = record.BadInput("release/verdict-key", "STAGECREW_VERDICT_KEY is shorter than %d bytes; `openssl rand -hex 32` makes a good one", minKey)
	}
	return errors.Join(name, key, checkDriver(o.Driver))
}

// Open makes the connection to Helm's records. It sends no request.
func Open(o Options) (*Release, error) {
	if err := o.Check(); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.ImageValuesPath == "" {
		o.ImageValuesPath = DefaultImageValuesPath
	}
	if o.Charts == nil {
		o.Charts = &Charts{}
	}
	r := &Release{Options: o, client: o.Cluster.Clientset(), windDown: defaultWindDown, busy: make(chan struct{}, 1)}
	r.secrets = r.learner()
	var err error
	r.helm, err = r.connect(nil)
	return r, err
}

// Secrets gives the decoded values of the Secrets in a revision's manifest and
// hooks, longest first: what must not be seen in logs and messages.
func (r *Release) Secrets(ctx context.Context, revision int) ([]string, error) {
	record, err := r.record(ctx, revision)
	if err != nil {
		return nil, err
	}
	return manifest.SecretValues(record.Manifest, hooksOf(record)), nil
}

// Learn looks again for the Secrets that pods use and that were not there yet.
func (r *Release) Learn(ctx context.Context) { r.secrets.Late(ctx) }

// Relearn reads the Secrets that pods use once more: one may have changed since, and
// what is about to be told may hold its new value.
func (r *Release) Relearn(ctx context.Context) { r.secrets.Again(ctx) }

func (r *Release) learner() *secrets.Learner {
	return secrets.New(r.client, secrets.Listener{Withhold: r.Withhold, Suspect: r.Suspect, Named: r.Named, Public: r.Public, Unread: r.Unread})
}

// Describe says what an existing revision consists of.
func (r *Release) Describe(ctx context.Context, revision int) (record.Applied, error) {
	stored, err := r.record(ctx, revision)
	if err != nil {
		return record.Applied{}, err
	}
	return r.applied(stored)
}
