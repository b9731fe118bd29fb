package release

import (
	"context"
	"crypto/sha256"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"helm.sh/helm/v3/pkg/chart"
	helmrelease "helm.sh/helm/v3/pkg/release"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/redact"
	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
)

// Secrets gives the decoded values of the Secrets in a revision's manifest and
// hooks, longest first: what must not be seen in logs and messages.
func (r *Release) Secrets(ctx context.Context, revision int) ([]string, error) {
	record, err := r.record(ctx, revision)
	if err != nil {
		return nil, err
	}
	return manifest.SecretValues(record.Manifest, hooksOf(record)), nil
}

// learnTime bounds the reading of the Secrets that a release uses.
const learnTime = 3 * time.Second

// learnedSecrets are what was told about secrets, so that it is told once.
type learnedSecrets struct {
	mu      sync.Mutex
	records map[[sha256.Size]byte]bool
	read    map[secretKey]bool
	absent  map[secretKey]bool
}

type secretKey struct {
	namespace, name string
	pods            bool // whether pods get it; what they say may hold it
}

// learn tells the secret values of a record, and those in the cluster that its pods
// use: what is rendered before anything is sent, what is read before it is shown.
func (r *Release) learn(record *helmrelease.Release) {
	if r.Withhold == nil {
		return
	}
	r.learnRecord(record)
	ctx, cancel := context.WithTimeout(context.Background(), learnTime)
	defer cancel()
	r.learnLive(ctx, used(record))
}

// learnRecord tells what the record itself holds.
func (r *Release) learnRecord(record *helmrelease.Release) {
	if r.Withhold == nil {
		return
	}
	hooks := hooksOf(record)
	sum := sha256.Sum256([]byte(record.Manifest + "\x00" + hooks))
	r.learnedSecrets.mu.Lock()
	known := r.learnedSecrets.records[sum]
	if r.learnedSecrets.records == nil {
		r.learnedSecrets.records = map[[sha256.Size]byte]bool{}
	}
	r.learnedSecrets.records[sum] = true
	r.learnedSecrets.mu.Unlock()
	if known {
		return
	}
	r.publish(record)
	secret, settings := manifest.SecretValues(record.Manifest, hooks), redact.Values(over(defaults(record.Chart), record.Config))
	settings = append(settings, manifest.SecretEnvironments(record.Manifest, hooks)...)
	r.Withhold(secret...)
	named := map[string]bool{}
	for _, key := range used(record) {
		named[key.name] = slices.Contains(settings, key.name) && !slices.Contains(secret, key.name)
	}
	r.suspect(slices.DeleteFunc(settings, func(value string) bool { return named[value] })...)
	maps.DeleteFunc(named, func(_ string, is bool) bool { return !is })
	if r.Named != nil && len(named) > 0 {
		r.Named(slices.Sorted(maps.Keys(named))...)
	}
}

// publish tells the repository of a record's image.
func (r *Release) publish(record *helmrelease.Release) {
	if repository, _ := manifest.ImageValues(record.Config, r.ImageValuesPath); r.Public != nil && repository != "" {
		r.Public(repository)
	}
}

// defaults are the values of a chart and, under their names, of those in it.
func defaults(c *chart.Chart) map[string]any {
	if c == nil {
		return nil
	}
	values := map[string]any{}
	for _, inner := range c.Dependencies() {
		values[inner.Name()] = defaults(inner)
	}
	return over(values, c.Values)
}

// over gives values with others over them.
func over(below, above map[string]any) map[string]any {
	merged := maps.Clone(below)
	if merged == nil {
		merged = map[string]any{}
	}
	for key, value := range above {
		lower, isMap := merged[key].(map[string]any)
		if upper, ok := value.(map[string]any); ok && isMap {
			value = over(lower, upper)
		}
		merged[key] = value
	}
	return merged
}

// suspect tells values that are secret by the name of their setting only: some are
// names of Secrets.
func (r *Release) suspect(values ...string) {
	if r.Suspect != nil {
		r.Suspect(values...)
		return
	}
	r.Withhold(values...)
}

// Learn looks again for the Secrets that pods use and that were not there yet.
func (r *Release) Learn(ctx context.Context) {
	r.learnedSecrets.mu.Lock()
	missing := slices.Collect(maps.Keys(r.learnedSecrets.absent))
	r.learnedSecrets.mu.Unlock()
	if len(missing) == 0 || r.Withhold == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, learnTime)
	defer cancel()
	r.learnLive(ctx, missing)
}

// Relearn reads the Secrets that pods use once more: one may have changed since, and
// what is about to be told may hold its new value.
func (r *Release) Relearn(ctx context.Context) {
	if r.Withhold == nil {
		return
	}
	r.learnedSecrets.mu.Lock()
	used := slices.Collect(maps.Keys(r.learnedSecrets.absent))
	for key := range r.learnedSecrets.read {
		if key.pods {
			used = append(used, key)
		}
	}
	r.learnedSecrets.mu.Unlock()
	// The run may be over its time, which is what is told then.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), learnTime)
	defer cancel()
	r.ask(ctx, used)
}

// learnLive reads Secrets that were not read yet.
func (r *Release) learnLive(ctx context.Context, secrets []secretKey) {
	r.learnedSecrets.mu.Lock()
	unknown := slices.DeleteFunc(slices.Clone(secrets), func(key secretKey) bool { return r.learnedSecrets.read[key] })
	r.learnedSecrets.mu.Unlock()
	r.ask(ctx, unknown)
}

// ask reads Secrets. One that cannot be read is told as such: what the pods say is
// not to be shown then.
func (r *Release) ask(ctx context.Context, secrets []secretKey) {
	for _, key := range secrets {
		secret, err := r.client.CoreV1().Secrets(key.namespace).Get(ctx, key.name, metav1.GetOptions{})
		if err == nil {
			r.Withhold(dataOf(secret)...)
		}
		denied := apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err)
		if denied && key.pods && r.Unread != nil {
			r.Unread(key.name, err)
		}
		r.learnedSecrets.note(key, err == nil || denied)
	}
}

// note keeps whether a Secret need not be asked for again.
func (l *learnedSecrets) note(key secretKey, done bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.read == nil {
		l.read, l.absent = map[secretKey]bool{}, map[secretKey]bool{}
	}
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
func used(record *helmrelease.Release) []secretKey {
	found := map[secretKey]bool{}
	objects, _ := manifest.Objects(record.Manifest + "\n" + hooksOf(record)) // what cannot be read was never applied
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

// recent is how many of the newest records tell their secrets: the live one, the
// last one, and one to go back to.
const recent = 3

// learned tells the secrets of the newest of some records and of the live one.
func (m *verdictDriver) learned(records ...*helmrelease.Release) {
	if m.reads == nil {
		return
	}
	newest := slices.SortedFunc(slices.Values(records), func(a, b *helmrelease.Release) int { return b.Version - a.Version })
	for i, record := range newest {
		if i < recent || record.Info.Status == helmrelease.StatusDeployed {
			m.reads(record)
		}
	}
}
