// Package scantest makes small vulnerability databases in Trivy's format, from real
// advisories, with Trivy's own database library, for tests and the demo. No product
// code imports it.
package scantest

import (
	"fmt"
	"os"
	"time"

	"github.com/aquasecurity/trivy-db/pkg/db"
	"github.com/aquasecurity/trivy-db/pkg/metadata"
	"github.com/aquasecurity/trivy-db/pkg/vulnsrc/bucket"
	"go.etcd.io/bbolt"
)

// Database says what kind of database to make. The zero value is one made now, with
// all advisories of advisories.yaml.
type Database struct {
	// UpdatedAt is when it says it was made; zero means now. It promises the next
	// one for a day later.
	UpdatedAt time.Time
	// Schema is its schema version; 0 means the one Trivy reads.
	Schema int
	// Empty leaves the advisories out.
	Empty bool
}

// Build writes trivy.db and metadata.json into dir, which is created if needed.
func (d Database) Build(dir string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	// Opened here and not by the library, which keeps its database in a variable of
	// the process: a test may be scanning with another one at this moment.
	file, err := bbolt.Open(db.Path(dir), 0o600, &bbolt.Options{Timeout: 5 * time.Second, NoSync: true})
	if err != nil {
		return fmt.Errorf("creating database: %w", err)
	}
	if err := file.Update(d.fill); err != nil {
		_ = file.Close()
		return fmt.Errorf("filling database: %w", err)
	}
	if err := file.Close(); err != nil {
		return err
	}
	return metadata.NewClient(dir).Update(d.metadata())
}

func (d Database) metadata() metadata.Metadata {
	updated, schema := d.UpdatedAt, d.Schema
	if updated.IsZero() {
		updated = time.Now()
	}
	if schema == 0 {
		schema = db.SchemaVersion
	}
	return metadata.Metadata{Version: schema, UpdatedAt: updated.UTC(), NextUpdate: updated.UTC().Add(24 * time.Hour)}
}

func (d Database) fill(tx *bbolt.Tx) error {
	if d.Empty {
		_, err := tx.CreateBucketIfNotExists([]byte("vulnerability"))
		return err
	}
	npm, debian, err := advisories()
	if err != nil {
		return fmt.Errorf("reading advisories: %w", err)
	}
	packages, err := bucket.NewNpm(npmSource)
	if err != nil {
		return err
	}
	library := db.Config{}
	if err := library.PutDataSource(tx, packages.Name(), npmSource); err != nil {
		return err
	}
	for _, a := range npm {
		if err := put(tx, packages.Name(), a); err != nil {
			return err
		}
	}
	for _, a := range debian {
		release := bucket.NewDebian(a.Release).Name()
		if err := library.PutDataSource(tx, release, debianSource); err != nil {
			return err
		}
		if err := put(tx, release, a); err != nil {
			return err
		}
	}
	return nil
}

func put(tx *bbolt.Tx, root string, a advisory) error {
	library := db.Config{}
	entry, err := a.entry()
	if err != nil {
		return err
	}
	if err := library.PutAdvisory(tx, []string{root, a.Package}, a.ID, entry); err != nil {
		return err
	}
	detail, err := a.detail()
	if err != nil {
		return err
	}
	if err := library.PutVulnerability(tx, a.ID, detail); err != nil {
		return err
	}
	return library.PutVulnerabilityID(tx, a.ID)
}
