package release

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// The labels on Helm's release records.
const (
	labelVerdict = "stagecrew.dev/verdict"    // pending, good or bad
	labelWhen    = "stagecrew.dev/verdict-at" // whenFormat
	labelOrigin  = "stagecrew.dev/copy-of"    // the revision that a rollback copied
	// whenFormat is RFC 3339's basic form: a label may hold no colons.
	whenFormat = "20060102T150405Z"
)

// marking is Helm's storage, but every new record begins with the verdict
// pending. Helm itself would let a rollback copy the verdict of its target,
// so that a killed run would leave an unproven revision marked good.
type marking struct {
	driver.Driver
	mu      sync.Mutex
	copyOf  int                  // what the next revision made by a rollback is a copy of
	created int                  // the last revision of the running change, 0 for none
	record  *helmrelease.Release // the same, as Helm goes on changing it
}

// copies says what the next revision made by a rollback is a copy of.
func (m *marking) copies(origin int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.copyOf = origin
}

// last is the revision that the running change created, 0 for none.
func (m *marking) last() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.created
}

// forget begins a change.
func (m *marking) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.copyOf, m.created, m.record = 0, 0, nil
}

// Create stores a new record.
func (m *marking) Create(key string, record *helmrelease.Release) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	labels := maps.Clone(record.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	delete(labels, labelWhen)
	delete(labels, labelOrigin)
	if record.Info.Status == helmrelease.StatusPendingRollback {
		labels[labelOrigin] = strconv.Itoa(m.copyOf)
	}
	labels[labelVerdict] = string(pipeline.MarkPending)
	record.Labels = labels
	err := m.Driver.Create(key, record)
	if err != nil && isUnreachable(err) {
		err = m.createAgain(key, record, err)
	}
	if err == nil {
		m.created, m.record = record.Version, record
	}
	return err
}

// createAgain stores a record whose creation got no answer, unless it is there.
func (m *marking) createAgain(key string, record *helmrelease.Release, noAnswer error) error {
	stored, err := m.Get(key)
	switch {
	case isMissing(err):
		return m.Driver.Create(key, record)
	case err != nil:
		return noAnswer
	case !stored.Info.LastDeployed.Equal(record.Info.LastDeployed):
		return driver.ErrReleaseExists
	}
	return nil
}

// History gives all revisions, newest first; none for a release that is not there.
func (r *Release) History(context.Context) ([]pipeline.Revision, error) {
	records, err := r.helm.config.Releases.History(r.Name)
	if isMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, classify(fmt.Sprintf("reading the history of release %q in namespace %q", r.Name, r.Namespace), err)
	}
	slices.SortFunc(records, func(a, b *helmrelease.Release) int { return b.Version - a.Version })
	history := make([]pipeline.Revision, len(records))
	for i, record := range records {
		history[i] = r.revision(record)
	}
	return history, nil
}

func (r *Release) revision(record *helmrelease.Release) pipeline.Revision {
	revision := pipeline.Revision{
		Number:   record.Version,
		Status:   string(record.Info.Status),
		Image:    imageOf(record.Config, r.ImageValuesPath),
		Verdict:  pipeline.Mark(record.Labels[labelVerdict]),
		Deployed: record.Info.LastDeployed.Time,
	}
	// Labels of others may hold anything; what does not parse counts as absent.
	revision.MarkedAt, _ = time.Parse(whenFormat, record.Labels[labelWhen])
	revision.Origin, _ = strconv.Atoi(record.Labels[labelOrigin])
	if record.Chart != nil && record.Chart.Metadata != nil {
		revision.Chart = record.Chart.Metadata.Name + "-" + record.Chart.Metadata.Version
	}
	return revision
}

// imageOf reads the image from a revision's values, "" without a digest.
func imageOf(values map[string]any, path string) string {
	at := values
	for _, key := range strings.Split(path, ".") {
		at, _ = at[key].(map[string]any)
	}
	repository, _ := at["repository"].(string)
	digest, _ := at["digest"].(string)
	if digest == "" {
		return ""
	}
	return repository + "@" + digest
}

// Mark writes the verdict of a revision, and when, on Helm's record; other
// labels stay. A good one makes older records superfluous, see [Release.Prune].
func (r *Release) Mark(ctx context.Context, revision int, mark pipeline.Mark) error {
	record, err := r.helm.config.Releases.Get(r.Name, revision)
	if err == nil {
		labels := maps.Clone(record.Labels)
		if labels == nil {
			labels = map[string]string{}
		}
		labels[labelVerdict], labels[labelWhen] = string(mark), time.Now().UTC().Format(whenFormat)
		record.Labels = labels
		err = r.helm.config.Releases.Update(record)
	}
	if err != nil {
		return classify(fmt.Sprintf("marking revision %d", revision), err)
	}
	if mark != pipeline.MarkGood {
		return nil
	}
	if err := r.Prune(ctx); err != nil {
		r.Log.Warn("deleting the records of old revisions", "error", err)
	}
	return nil
}
