//go:build goexperiment.jsonv2 && !notrivy

package scan_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/scan"
	"github.com/stagecrew/stagecrew/pkg/scan/scantest"
)

func TestDatabasesAreTriedInOrder(t *testing.T) {
	s := withDatabase(t)
	require.NoError(t, scantest.PushEmpty(t.Context(), s.host+"/empty/trivy-db:2"))
	require.NoError(t, scantest.Database{UpdatedAt: time.Now().Add(-72 * time.Hour)}.Push(t.Context(), s.host+"/old/trivy-db:2"))
	missing, empty, old, away := s.host+"/missing/trivy-db:2", s.host+"/empty/trivy-db:2", s.host+"/old/trivy-db:2", gone()+"/trivy-db:2"
	cases := map[string]struct {
		first string
		next  []string
		code  string
	}{
		"the second, when the first is missing": {first: missing, next: []string{s.database}},
		"the last of all":                       {first: away, next: []string{empty, old, s.database, missing}},
		"the first, whatever follows":           {first: s.database, next: []string{empty, away}},
		"none":                                  {first: s.host + "/missing/trivy-db:2", next: []string{away, old}, code: "scan/database-stale"},
	}
	image := s.push(t, npm("minimist", "1.2.5"))
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			o := s.options(image)
			o.CacheDir, o.MaxDatabaseAge = t.TempDir(), 48*time.Hour
			o.Database, o.DatabaseFallbacks = c.first, c.next
			r, err := scan.Run(t.Context(), o)
			if c.code != "" {
				requireCode(t, c.code, err)
				return
			}
			require.NoError(t, err)
			require.Len(t, r.Report.Blocking, 1)
		})
	}
}

func TestAPinnedDatabaseStaysAndNeedsNoRegistryOnceItIsThere(t *testing.T) {
	images, databases := newSite(t), newSite(t)
	// So old that its maker promised a newer one meanwhile.
	require.NoError(t, scantest.Database{UpdatedAt: time.Now().Add(-25 * time.Hour)}.Push(t.Context(), databases.database))
	ref, err := name.ParseReference(databases.database)
	require.NoError(t, err)
	descriptor, err := remote.Head(ref)
	require.NoError(t, err)
	o := images.options(images.push(t, npm("minimist", "1.2.5")))
	o.Database = ref.Context().Digest(descriptor.Digest.String()).String()
	first, err := scan.Run(t.Context(), o)
	require.NoError(t, err)

	require.NoError(t, scantest.Push(t.Context(), databases.database))
	databases.close()
	again, err := scan.Run(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, first.Report, again.Report)

	o.MaxDatabaseAge = time.Nanosecond
	_, err = scan.Run(t.Context(), o)
	requireCode(t, "scan/database-stale", err)
}

func TestADatabaseThatIsReplacedDuringAScanIsFetchedAgain(t *testing.T) {
	s := withDatabase(t)
	_, err := scan.Run(t.Context(), s.options(s.push(t, npm("minimist", "1.2.8"))))
	require.NoError(t, err)
	image := s.push(t, npm("minimist", "1.2.5"))
	opened := make(chan struct{})
	var once sync.Once
	s.answer = func(_ http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.Contains(r.URL.Path, "/trivy-db/manifests/"):
			once.Do(func() { time.AfterFunc(300*time.Millisecond, func() { close(opened) }) })
		case strings.Contains(r.URL.Path, "/team/app/blobs/"):
			<-opened
			_ = os.RemoveAll(filepath.Join(s.cache, "databases"))
		}
		return false
	}
	r, err := scan.Run(t.Context(), s.options(image))
	require.NoError(t, err)
	require.Len(t, r.Report.Blocking, 1)
}

func TestTheFirstErrorEndsBothTheDownloadAndTheReading(t *testing.T) {
	s := withDatabase(t)
	image := s.push(t, npm("minimist", "1.2.5"))
	reading := make(chan struct{})
	s.answer = func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.Contains(r.URL.Path, "/team/app/manifests/"):
			close(reading)
			<-r.Context().Done() // as long as anybody waits
			return true
		case strings.Contains(r.URL.Path, "/trivy-db/"):
			<-reading
			w.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute) // Trivy waits for five
	defer cancel()
	_, err := scan.Run(ctx, s.options(image))
	requireCode(t, "scan/database-unreachable", err)
}
