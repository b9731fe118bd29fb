//go:build goexperiment.jsonv2 && !notrivy

package scan

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aquasecurity/trivy-db/pkg/db"
	"github.com/aquasecurity/trivy-db/pkg/metadata"
	"go.etcd.io/bbolt"

	"github.com/stagecrew/stagecrew/pkg/scan/limits"
)

// database is a vulnerability database on disk that was found usable.
type database struct {
	dir string
	metadata.Metadata
	// systems has the names of its top-level buckets, for example "debian 12".
	systems map[string]bool
}

// errEmpty is returned for a database that is in order but has no advisories.
var errEmpty = errors.New("it has no advisories")

// errNotADatabase is returned for an artifact that is something else.
var errNotADatabase = errors.New("it is not a vulnerability database in Trivy's format")

// openWait is how long another process may hold a lock on a database.
const openWait = 10 * time.Second

// openDatabase looks into the database in dir: right schema, readable, and not empty.
func openDatabase(dir string) (database, error) {
	data, err := metadata.NewClient(dir).Get()
	if err != nil {
		return database{}, fmt.Errorf("reading its metadata: %w", err)
	}
	if data.Version != db.SchemaVersion {
		return database{}, fmt.Errorf("it has schema %d, this build reads schema %d", data.Version, db.SchemaVersion)
	}
	found := database{dir: dir, Metadata: data, systems: map[string]bool{}}
	err = limits.Guarded(func() error {
		file, err := bbolt.Open(db.Path(dir), 0o600, readOnly())
		if err != nil {
			return fmt.Errorf("opening it: %w", err)
		}
		defer func() { _ = file.Close() }()
		return file.View(func(tx *bbolt.Tx) error {
			if info, err := os.Stat(db.Path(dir)); err != nil || info.Size() < tx.Size() {
				return errors.Join(err, errors.New("it was cut off"))
			}
			return found.inspect(tx)
		})
	})
	return found, err
}

func readOnly() *bbolt.Options {
	return &bbolt.Options{ReadOnly: true, Timeout: openWait}
}

// inspect notes the buckets, and wants one vulnerability and one advisory at least.
func (d database) inspect(tx *bbolt.Tx) error {
	details := tx.Bucket([]byte("vulnerability"))
	if details == nil || !holds(details) {
		return errEmpty
	}
	advisories := false
	err := tx.ForEach(func(name []byte, bucket *bbolt.Bucket) error {
		switch string(name) {
		case "vulnerability", "vulnerability-id", "vulnerability-detail", "advisory-detail", "data-source", "Red Hat CPE":
			return nil
		}
		d.systems[string(name)] = true
		advisories = advisories || holds(bucket)
		return nil
	})
	if err == nil && !advisories {
		return errEmpty
	}
	return err
}

// holds reports whether there is a value in the first branch of a bucket.
func holds(bucket *bbolt.Bucket) bool {
	for bucket != nil {
		key, value := bucket.Cursor().First()
		if key == nil || value != nil {
			return value != nil
		}
		bucket = bucket.Bucket(key)
	}
	return false
}
