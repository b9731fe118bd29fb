//go:build goexperiment.jsonv2 && !notrivy

package scan

import (
	"os"
	"testing"

	"github.com/aquasecurity/trivy-db/pkg/db"
	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/stagecrew/stagecrew/pkg/scan/scantest"
)

func TestADatabaseNeedsAdvisoriesAndDetails(t *testing.T) {
	cases := map[string]struct {
		drop  []string
		empty bool
	}{
		"with both":             {},
		"without details":       {drop: []string{"vulnerability"}, empty: true},
		"without advisories":    {drop: []string{"npm::GitHub Security Advisory npm", "debian 12"}, empty: true},
		"of one ecosystem only": {drop: []string{"debian 12"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, scantest.Database{}.Build(dir))
			file, err := bbolt.Open(db.Path(dir), 0o600, nil)
			require.NoError(t, err)
			require.NoError(t, file.Update(func(tx *bbolt.Tx) error {
				for _, bucket := range c.drop {
					if err := tx.DeleteBucket([]byte(bucket)); err != nil {
						return err
					}
				}
				return nil
			}))
			require.NoError(t, file.Close())
			_, err = openDatabase(dir)
			if c.empty {
				require.ErrorIs(t, err, errEmpty)
				return
			}
			require.NoError(t, err)
		})
	}
}

func TestADatabaseThatIsCutOffAnywhereIsNoticed(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, scantest.Database{}.Build(dir))
	whole, err := os.ReadFile(db.Path(dir))
	require.NoError(t, err)
	used := int64(0)
	file, err := bbolt.Open(db.Path(dir), 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, file.View(func(tx *bbolt.Tx) error {
		used = tx.Size()
		return nil
	}))
	require.NoError(t, file.Close())
	for size := int64(0); size < used; size += int64(os.Getpagesize()) {
		require.NoError(t, os.WriteFile(db.Path(dir), whole[:size], 0o600))
		_, err := openDatabase(dir)
		require.Error(t, err, "%d of %d bytes", size, used)
	}
}
