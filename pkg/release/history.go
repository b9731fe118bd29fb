package release

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/bounded"
	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
	"github.com/stagecrew/stagecrew/pkg/release/internal/verdict"
)

// verdictDriver is Helm's storage, but every new record begins with the verdict
// pending. Helm itself would let a rollback copy the verdict of its target,
// so that a killed run would leave an unproven revision marked good.
type verdictDriver struct {
	driver.Driver
	notary  verdict.Notary
	mu      sync.Mutex
	copyOf  int                  // what the next revision made by a rollback is a copy of
	content string               // the digest that such a copy must have
	created int                  // the last revision of the running change, 0 for none
	record  *helmrelease.Release // the same, as Helm goes on changing it

	// renders and reads are told of records, see [secrets.Learner]; may be nil.
	renders, reads func(*helmrelease.Release)
}

// setCopyOf says what the next revision made by a rollback is a copy of.
func (m *verdictDriver) setCopyOf(target *helmrelease.Release) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.copyOf, m.content = target.Version, digestOf(target)
	if first := m.notary.Read(verdictRecord(target)).Origin; first > 0 {
		m.copyOf = first
	}
}

// last is the revision that the running change created, 0 for none.
func (m *verdictDriver) last() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.created
}

// current is the record of the running change, nil for none.
func (m *verdictDriver) current() *helmrelease.Release {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.record
}

// forget begins a change.
func (m *verdictDriver) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.copyOf, m.content, m.created, m.record = 0, "", 0, nil
}

// Get reads a record.
func (m *verdictDriver) Get(key string) (*helmrelease.Release, error) {
	stored, err := m.Driver.Get(key)
	if err != nil {
		return nil, err
	}
	if err = sound(stored); err == nil {
		m.tell(stored)
	}
	return stored, err
}

// Query reads the records that have the labels.
func (m *verdictDriver) Query(labels map[string]string) ([]*helmrelease.Release, error) {
	records, err := m.Driver.Query(labels)
	for _, stored := range records {
		err = errors.Join(err, sound(stored))
	}
	if err == nil {
		m.tell(records...)
	}
	return records, err
}

// sound refuses a record that lacks what Helm takes for granted: it would panic.
func sound(stored *helmrelease.Release) error {
	if stored == nil || stored.Info == nil {
		version := 0
		if stored != nil {
			version = stored.Version
		}
		return record.Unavailable("release/record", "Helm's record of revision %d is damaged: it has no info; restore or delete the Secret", version)
	}
	stored.Hooks = slices.DeleteFunc(stored.Hooks, func(hook *helmrelease.Hook) bool { return hook == nil })
	return nil
}

// Create stores a new record.
func (m *verdictDriver) Create(key string, stored *helmrelease.Release) error {
	if m.renders != nil {
		m.renders(stored)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	said := verdict.Statement{Mark: record.MarkPending}
	if stored.Info.Status == helmrelease.StatusPendingRollback {
		// Helm reads the target again; it must be the one that was checked.
		if said.Origin = m.copyOf; m.content != digestOf(stored) {
			return record.Refused("release/target-changed", "revision %d was changed in this moment by somebody else; nothing of it is applied", m.copyOf)
		}
	}
	stored.Labels = m.notary.State(verdictRecord(stored), said)
	err := m.Driver.Create(key, stored)
	if err != nil && apierror.IsUnreachable(err) {
		err = m.createAgain(key, stored, err)
	}
	if err == nil {
		m.created, m.record = stored.Version, stored
	}
	return err
}

// createAgain stores a record whose creation got no answer, unless it is there.
func (m *verdictDriver) createAgain(key string, stored *helmrelease.Release, noAnswer error) error {
	found, err := m.Get(key)
	switch {
	case isMissing(err):
		return m.Driver.Create(key, stored)
	case err != nil:
		return noAnswer
	case !found.Info.LastDeployed.Equal(stored.Info.LastDeployed):
		return driver.ErrReleaseExists
	}
	return nil
}

// recent is how many of the newest records tell their secrets: the live one, the
// last one, and one to go back to.
const recent = 3

// tell tells the secrets of the newest of some records and of the live one.
func (m *verdictDriver) tell(records ...*helmrelease.Release) {
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

// History gives all revisions, newest first; none for a release that is not there.
func (r *Release) History(ctx context.Context) ([]record.Revision, error) {
	records, err := bounded.Read(ctx, func() ([]*helmrelease.Release, error) { return r.helm.config.Releases.History(r.Name) })
	if isMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, classify(fmt.Sprintf("reading the history of release %q in namespace %q", r.Name, r.Namespace), err)
	}
	slices.SortFunc(records, func(a, b *helmrelease.Release) int { return b.Version - a.Version })
	said := r.notary().Statements(verdictRecords(records))
	history := make([]record.Revision, len(records))
	for i, stored := range records {
		r.secrets.Publish(r.repositoryOf(stored))
		history[i] = r.described(stored, said[stored.Version])
	}
	return history, nil
}

func (r *Release) revision(stored *helmrelease.Release) record.Revision {
	return r.described(stored, r.notary().Read(verdictRecord(stored)))
}

func (r *Release) described(stored *helmrelease.Release, said verdict.Statement) record.Revision {
	return record.Revision{
		Number:   stored.Version,
		Origin:   said.Origin,
		Status:   record.RevisionStatus(stored.Info.Status),
		Image:    manifest.ImageOf(stored.Config, r.ImageValuesPath, stored.Manifest, hooksOf(stored)),
		Verdict:  said.Mark,
		MarkedAt: said.At,
		Deployed: stored.Info.LastDeployed.Time,
		Chart:    chartName(stored),
		Changed:  said.Changed,
		Foreign:  isForeign(stored, said),
	}
}

// Mark writes the verdict of a revision on Helm's record: when, about which
// number and which content, with a MAC when there is a key; other labels stay. A good one makes older records superfluous, see [Release.Prune].
func (r *Release) Mark(ctx context.Context, revision int, mark record.Mark) error {
	stored, err := r.helm.config.Releases.Get(r.Name, revision)
	if err == nil && mark == record.MarkGood {
		err = r.mayProve(stored)
	}
	var signer verdict.Notary
	if err == nil {
		signer, err = r.signer(stored, mark)
	}
	if err == nil {
		said := verdict.Statement{Mark: mark, At: time.Now(), Origin: r.notary().Read(verdictRecord(stored)).Origin}
		stored.Labels = signer.State(verdictRecord(stored), said)
		err = r.helm.config.Releases.Update(stored)
	}
	if err != nil {
		return classify(fmt.Sprintf("marking revision %d", revision), err)
	}
	if mark != record.MarkGood {
		return nil
	}
	if err := r.Prune(ctx); err != nil {
		r.Log.Warn("deleting the records of old revisions", "error", err)
	}
	return nil
}

// mayProve refuses to prove a record that somebody edited while this run judged
// it, or, with a key, since stagecrew wrote on it. Without a key an edited one is
// judged like one that others made.
func (r *Release) mayProve(stored *helmrelease.Release) error {
	made := r.helm.records.current()
	isOther := made != nil && made.Version == stored.Version && digestOf(made) != digestOf(stored)
	if isOther || len(r.VerdictKey) > 0 {
		return r.notary().Intact(verdictRecord(stored))
	}
	return nil
}

// signer is who writes a verdict. With a key one about a record that others wrote is
// refused or, when it is bad, carries no MAC, which would make the record ours.
func (r *Release) signer(stored *helmrelease.Release, mark record.Mark) (verdict.Notary, error) {
	switch {
	case len(r.VerdictKey) == 0 || r.notary().Made(verdictRecord(stored)):
		return r.notary(), nil
	case mark == record.MarkBad:
		return verdict.Notary{}, nil
	}
	return r.notary(), r.known(stored)
}

// known refuses a record that somebody else wrote, unless what it applies is what a
// revision with a valid verdict applies: that its pods serve says nothing about its
// hooks, or about Jobs that are gone, which a rollback would run.
func (r *Release) known(stored *helmrelease.Release) error {
	records, err := r.helm.config.Releases.History(r.Name)
	if err != nil {
		return err
	}
	for _, other := range records {
		isGood := r.notary().Made(verdictRecord(other)) && r.notary().Read(verdictRecord(other)).Mark == record.MarkGood
		if isGood && digestOf(other) == digestOf(stored) {
			return nil
		}
	}
	return record.Refused("release/not-made-here",
		"revision %d was not made by this pipeline with this STAGECREW_VERDICT_KEY, and no revision with a valid verdict has its manifest and hooks: it gets no verdict and is no rollback target; a deploy makes a revision that is one", stored.Version)
}

func (r *Release) notary() verdict.Notary { return verdict.Notary{Key: r.VerdictKey} }
