package release

import (
	"errors"
	"strconv"

	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"

	"github.com/stagecrew/stagecrew/pkg/record"
)

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
