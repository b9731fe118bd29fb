// Package secrets learns what must not be shown: the values of the Secrets that a
// release makes and of those that its pods use, and of settings that are secret by
// their name. It tells them as soon as they are known.
package secrets

import (
	"context"
	"crypto/sha256"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/redact"
	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
)

// learnTime bounds the reading of the Secrets that a release uses.
const learnTime = 3 * time.Second

// Listener is told what is learned; each but Withhold may be nil.
type Listener struct {
	// Withhold is told secret values; nil for nothing to be learned at all.
	Withhold func(values ...string)
	// Suspect is told those of settings that are secret by their name; Named, once the
	// chart is rendered, which of them only name a Secret. nil: they all stay secret.
	Suspect func(values ...string)
	Named   func(names ...string)
	// Public is told what everybody knows: the repositories of images.
	Public func(texts ...string)
	// Unread is told of a Secret that pods use and that may not be read.
	Unread func(name string, err error)
}

// Learner remembers what was told, so that it is told once.
type Learner struct {
	Listener
	client kubernetes.Interface

	mu      sync.Mutex
	records map[[sha256.Size]byte]bool
	read    map[secretKey]bool
	absent  map[secretKey]bool
}

// New makes a learner that reads the cluster's Secrets by the client.
func New(client kubernetes.Interface, l Listener) *Learner {
	return &Learner{Listener: l, client: client, records: map[[sha256.Size]byte]bool{}, read: map[secretKey]bool{}, absent: map[secretKey]bool{}}
}

// Record is a revision, as far as it holds secrets.
type Record struct {
	Namespace       string // of objects that name none
	Manifest, Hooks string
	Repository      string                // of its image, "" when that is not known
	Settings        func() map[string]any // the chart's, with those of the revision
}

type secretKey struct {
	namespace, name string
	pods            bool // whether pods get it; what they say may hold it
}

// Learn tells the secret values of a record, and those in the cluster that its pods
// use: what is rendered before anything is sent, what is read before it is shown.
func (l *Learner) Learn(record Record) {
	if l.Withhold == nil {
		return
	}
	l.Tell(record)
	ctx, cancel := context.WithTimeout(context.Background(), learnTime) //nolint:forbidigo // they are learned also when the run is cancelled
	defer cancel()
	l.learnLive(ctx, used(record))
}

// Tell tells what the record itself holds.
func (l *Learner) Tell(record Record) {
	if l.Withhold == nil {
		return
	}
	sum := sha256.Sum256([]byte(record.Manifest + "\x00" + record.Hooks))
	l.mu.Lock()
	known := l.records[sum]
	l.records[sum] = true
	l.mu.Unlock()
	if known {
		return
	}
	l.Publish(record.Repository)
	secret, settings := manifest.SecretValues(record.Manifest, record.Hooks), redact.Values(record.Settings())
	settings = append(settings, manifest.SecretEnvironments(record.Manifest, record.Hooks)...)
	l.Withhold(secret...)
	named := map[string]bool{}
	for _, key := range used(record) {
		named[key.name] = slices.Contains(settings, key.name) && !slices.Contains(secret, key.name)
	}
	l.suspect(slices.DeleteFunc(settings, func(value string) bool { return named[value] })...)
	maps.DeleteFunc(named, func(_ string, is bool) bool { return !is })
	if l.Named != nil && len(named) > 0 {
		l.Named(slices.Sorted(maps.Keys(named))...)
	}
}

// Publish tells the repository of an image.
func (l *Learner) Publish(repository string) {
	if l.Public != nil && repository != "" {
		l.Public(repository)
	}
}

// Settings tells those of a chart's values that are secret by their name.
func (l *Learner) Settings(values map[string]any) {
	if l.Withhold != nil {
		l.suspect(redact.Values(values)...)
	}
}

// suspect tells values that are secret by the name of their setting only: some are
// names of Secrets.
func (l *Learner) suspect(values ...string) {
	if l.Suspect != nil {
		l.Suspect(values...)
		return
	}
	l.Withhold(values...)
}

// Late looks again for the Secrets that pods use and that were not there yet.
func (l *Learner) Late(ctx context.Context) {
	l.mu.Lock()
	missing := slices.Collect(maps.Keys(l.absent))
	l.mu.Unlock()
	if len(missing) == 0 || l.Withhold == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, learnTime)
	defer cancel()
	l.learnLive(ctx, missing)
}

// Again reads the Secrets that pods use once more: one may have changed since, and
// what is about to be told may hold its new value.
func (l *Learner) Again(ctx context.Context) {
	if l.Withhold == nil {
		return
	}
	l.mu.Lock()
	used := slices.Collect(maps.Keys(l.absent))
	for key := range l.read {
		if key.pods {
			used = append(used, key)
		}
	}
	l.mu.Unlock()
	// The run may be over its time, which is what is told then.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), learnTime)
	defer cancel()
	l.ask(ctx, used)
}

// learnLive reads Secrets that were not read yet.
func (l *Learner) learnLive(ctx context.Context, secrets []secretKey) {
	l.mu.Lock()
	unknown := slices.DeleteFunc(slices.Clone(secrets), func(key secretKey) bool { return l.read[key] })
	l.mu.Unlock()
	l.ask(ctx, unknown)
}

// ask reads Secrets. One that cannot be read is told as such: what the pods say is
// not to be shown then.
func (l *Learner) ask(ctx context.Context, secrets []secretKey) {
	for _, key := range secrets {
		secret, err := l.client.CoreV1().Secrets(key.namespace).Get(ctx, key.name, metav1.GetOptions{})
		if err == nil {
			l.Withhold(dataOf(secret)...)
		}
		denied := apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err)
		if denied && key.pods && l.Unread != nil {
			l.Unread(key.name, err)
		}
		l.note(key, err == nil || denied)
	}
}

// note keeps whether a Secret need not be asked for again.
func (l *Learner) note(key secretKey, done bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if done {
		l.read[key] = true
		delete(l.absent, key)
		return
	}
	delete(l.read, key)
	l.absent[key] = true
}

// dataOf are the values of a Secret that are not to be shown.
func dataOf(secret *corev1.Secret) []string {
	var values []string
	for name, value := range secret.Data {
		if !redact.IsOpen(name, string(value)) {
			values = append(values, string(value))
		}
	}
	return values
}

// used are the Secrets that a record makes or that its objects name, in any kind of
// object: pods' environments and volumes, pull secrets, TLS of an Ingress.
func used(record Record) []secretKey {
	found := map[secretKey]bool{}
	objects, _ := manifest.Objects(record.Manifest + "\n" + record.Hooks) // what cannot be read was never applied
	for _, object := range objects {
		namespace := object.GetNamespace()
		if namespace == "" {
			namespace = record.Namespace
		}
		if manifest.IsSecret(object) {
			found[secretKey{namespace: namespace, name: object.GetName()}] = true
		}
		for _, name := range manifest.SecretNames(object) {
			found[secretKey{namespace, name, manifest.HasContainers(object.Object)}] = true
		}
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b secretKey) int {
		return strings.Compare(a.namespace+"/"+a.name, b.namespace+"/"+b.name)
	})
}
