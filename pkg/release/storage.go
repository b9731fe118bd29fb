package release

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"

	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/record"
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
	set     map[string]string    // variables that the copy's containers get
	image   string               // of the target: those containers run it
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
	m.set, m.image = nil, ""
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
		if err := m.setVariables(stored); err != nil {
			return err
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

// setVariables gives the containers of a copy what the rollback wants. Helm applies the
// record that it has stored, so that what is live is what the record says.
func (m *verdictDriver) setVariables(stored *helmrelease.Release) error {
	if len(m.set) == 0 {
		return nil
	}
	repository, digest, _ := strings.Cut(m.image, "@")
	changed, count, err := manifest.WithVariables(stored.Manifest, repository, digest, m.set)
	if err != nil || count == 0 {
		return record.Refused("release/no-container", "no container of revision %d that runs %q could be given a variable (%v)", m.copyOf, m.image, err)
	}
	stored.Manifest = changed
	return nil
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

// keyedDriver is the cluster's store of records, which are what their names say.
type keyedDriver struct{ driver.Driver }

// Get reads a record.
func (f keyedDriver) Get(key string) (*helmrelease.Release, error) {
	stored, err := f.Driver.Get(key)
	if err == nil {
		err = checkKey(stored, key)
	}
	return stored, err
}

// Query reads the records that have the labels.
func (f keyedDriver) Query(labels map[string]string) ([]*helmrelease.Release, error) {
	records, err := f.Driver.Query(labels)
	for _, stored := range records {
		if stored == nil {
			continue // told elsewhere
		}
		// The Secret's own labels.
		if name, version := stored.Labels["name"], stored.Labels["version"]; name != "" && version != "" {
			err = errors.Join(err, checkKey(stored, keyOf(name, version)))
		}
	}
	return records, err
}

// checkKey refuses a record that is not the one that its key promises: Helm would
// write it back under another name.
func checkKey(stored *helmrelease.Release, key string) error {
	if stored == nil || keyOf(stored.Name, strconv.Itoa(stored.Version)) == key {
		return nil
	}
	return record.Unavailable("release/record", "Helm's record %q is damaged: it holds revision %d of release %q; restore or delete the Secret", key, stored.Version, stored.Name)
}

// keyOf is the name under which Helm keeps a revision.
func keyOf(name, version string) string {
	return storage.HelmStorageType + "." + name + ".v" + version
}
