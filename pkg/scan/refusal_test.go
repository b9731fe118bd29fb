//go:build goexperiment.jsonv2 && !notrivy

package scan_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	trivydb "github.com/aquasecurity/trivy/pkg/db"
	fanal "github.com/aquasecurity/trivy/pkg/fanal/types"
	trivyos "github.com/aquasecurity/trivy/pkg/x/os"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/scan"
	"github.com/stagecrew/stagecrew/pkg/scan/scantest"
)

// requireCode wants an error that means "could not tell", with a code.
func requireCode(t *testing.T, code string, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, record.KindUnavailable, record.KindOf(err), "%v", err)
	var e *record.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, code, e.Code, "%v", err)
	require.NotContains(t, err.Error(), "\n")
}

// gone gives the address of a registry that does not listen any more.
func gone() string {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	return strings.TrimPrefix(server.URL, "http://")
}

func TestADatabaseThatCannotBeUsedIsNeverAClean(t *testing.T) {
	cases := map[string]struct {
		prepare func(*testing.T, *site)
		change  func(*scan.Options)
		code    string
	}{
		"nobody pushed it": {code: "scan/database-missing"},
		"its registry is gone": {
			change: func(o *scan.Options) { o.Database = gone() + "/aquasecurity/trivy-db:2" },
			code:   "scan/database-unreachable",
		},
		"its registry says no": {
			prepare: func(_ *testing.T, s *site) {
				s.answer = func(w http.ResponseWriter, r *http.Request) bool {
					no := strings.Contains(r.URL.Path, "/trivy-db/")
					if no {
						w.WriteHeader(http.StatusForbidden)
					}
					return no
				}
			},
			code: "scan/database-unreachable",
		},
		"it is empty": {
			prepare: func(t *testing.T, s *site) { require.NoError(t, scantest.PushEmpty(t.Context(), s.database)) },
			code:    "scan/database-empty",
		},
		"it is of another schema": {
			prepare: func(t *testing.T, s *site) {
				require.NoError(t, scantest.Database{Schema: 3}.Push(t.Context(), s.database))
			},
			code: "scan/database-unusable",
		},
		"it is older than allowed": {
			prepare: func(t *testing.T, s *site) {
				require.NoError(t, scantest.Database{UpdatedAt: time.Now().Add(-49 * time.Hour)}.Push(t.Context(), s.database))
			},
			change: func(o *scan.Options) { o.MaxDatabaseAge = 48 * time.Hour },
			code:   "scan/database-stale",
		},
		"it is an image": {
			prepare: func(t *testing.T, s *site) {
				ref, err := name.ParseReference(s.database)
				require.NoError(t, err)
				require.NoError(t, remote.Write(ref, image(t, npm("minimist", "1.2.8"))))
			},
			code: "scan/database-unusable",
		},
		"it is not in the cache of an offline scan": {
			prepare: func(t *testing.T, s *site) { require.NoError(t, scantest.Push(t.Context(), s.database)) },
			change:  func(o *scan.Options) { o.Offline = true },
			code:    "scan/database-missing",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			if c.prepare != nil {
				c.prepare(t, s)
			}
			o := s.options(s.push(t, npm("minimist", "1.2.8")))
			if c.change != nil {
				c.change(&o)
			}
			_, err := scan.Scan(t.Context(), o)
			requireCode(t, c.code, err)
		})
	}
}

func TestAnImageThatCannotBeReadIsNeverClean(t *testing.T) {
	cases := map[string]struct {
		image func(*testing.T, *site) record.Image
		code  string
	}{
		"its registry is gone": {
			image: func(*testing.T, *site) record.Image {
				return record.Image{Repository: gone() + "/team/app", Digest: "sha256:" + strings.Repeat("0", 64)}
			},
			code: "scan/image-unreachable",
		},
		"nothing in it is recognised": {
			image: func(t *testing.T, s *site) record.Image {
				return s.push(t, map[string]string{"bin/app": "#!/bin/sh\n"})
			},
			code: "scan/nothing-to-scan",
		},
		"an operating system without a package list": {
			image: func(t *testing.T, s *site) record.Image {
				return s.push(t, map[string]string{"etc/debian_version": "12.1\n"})
			},
			code: "scan/nothing-to-scan",
		},
		"its configuration hides a layer": {
			image: func(t *testing.T, s *site) record.Image {
				img, err := mutate.AppendLayers(image(t, npm("minimist", "1.2.8")), layer(t, npm("minimist", "1.2.5")))
				require.NoError(t, err)
				config, err := img.ConfigFile()
				require.NoError(t, err)
				config.RootFS.DiffIDs = config.RootFS.DiffIDs[:1]
				img, err = mutate.ConfigFile(img, config)
				require.NoError(t, err)
				return s.pushImage(t, img)
			},
			code: "scan/image-unusable",
		},
		"the registry serves another layer than the digest says": {
			image: func(t *testing.T, s *site) record.Image {
				vulnerable, harmless := image(t, npm("minimist", "1.2.5")), image(t, npm("minimist", "1.2.8"))
				swap(t, s, vulnerable, harmless)
				return s.pushImage(t, vulnerable)
			},
			code: "scan/image-unusable",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := withDatabase(t)
			_, err := scan.Scan(t.Context(), s.options(c.image(t, s)))
			requireCode(t, c.code, err)
		})
	}
}

// swap makes a site serve the layer of one image as that of another.
func swap(t *testing.T, s *site, asked, served v1.Image) {
	t.Helper()
	layers := func(img v1.Image) v1.Layer {
		all, err := img.Layers()
		require.NoError(t, err)
		return all[0]
	}
	digest, err := layers(asked).Digest()
	require.NoError(t, err)
	reader, err := layers(served).Compressed()
	require.NoError(t, err)
	content, err := io.ReadAll(reader)
	require.NoError(t, err)
	s.answer = func(w http.ResponseWriter, r *http.Request) bool {
		hit := r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, digest.String())
		if hit {
			_, _ = w.Write(content)
		}
		return hit
	}
}

func TestTheDatabaseIsFetchedWhenItChanged(t *testing.T) {
	s := newSite(t)
	require.NoError(t, scantest.Database{UpdatedAt: time.Now().Add(-time.Hour)}.Push(t.Context(), s.database))
	o := s.options(s.push(t, npm("minimist", "1.2.5")))
	downloads := s.requests("/trivy-db/blobs/")
	old, err := scan.Scan(t.Context(), o)
	require.NoError(t, err)
	after := downloads.Load()
	_, err = scan.Scan(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, after, downloads.Load(), "the same database was fetched again")

	require.NoError(t, scantest.Push(t.Context(), s.database))
	report, err := scan.Scan(t.Context(), o)
	require.NoError(t, err)
	require.Greater(t, downloads.Load(), after)
	require.True(t, report.DatabaseUpdated.After(old.DatabaseUpdated))
	kept, err := filepath.Glob(filepath.Join(s.cache, "databases", "*"))
	require.NoError(t, err)
	require.Len(t, kept, 1, "replaced databases and partial downloads are removed")
}

func TestACachedDatabaseServesWhileItsRegistryIsAway(t *testing.T) {
	cases := map[string]struct {
		age     time.Duration
		offline bool
		code    string
	}{
		"while no newer one is promised":          {age: time.Hour},
		"not when there must be a newer one":      {age: 25 * time.Hour, code: "scan/database-unreachable"},
		"offline at any age":                      {age: 25 * time.Hour, offline: true},
		"offline, but never older than is wanted": {age: 49 * time.Hour, offline: true, code: "scan/database-stale"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			images, away := newSite(t), newSite(t)
			require.NoError(t, scantest.Database{UpdatedAt: time.Now().Add(-c.age)}.Push(t.Context(), away.database))
			o := images.options(images.push(t, npm("minimist", "1.2.5")))
			o.Database = away.database
			_, err := scan.Scan(t.Context(), o)
			require.NoError(t, err)

			away.close()
			o.Offline, o.MaxDatabaseAge = c.offline, 48*time.Hour
			report, err := scan.Scan(t.Context(), o)
			if c.code != "" {
				requireCode(t, c.code, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, []string{"CVE-2021-44906"}, ids(report.Blocking))
		})
	}
}

func TestABrokenCachedDatabaseIsFetchedAgain(t *testing.T) {
	s := withDatabase(t)
	o := s.options(s.push(t, npm("minimist", "1.2.5")))
	_, err := scan.Scan(t.Context(), o)
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(s.cache, "databases", "*", "trivy.db"))
	require.NoError(t, err)
	require.Len(t, files, 1)
	whole, err := os.Stat(files[0])
	require.NoError(t, err)
	for name, size := range map[string]int64{"cut off in the middle": whole.Size() / 2, "cut off after its first pages": 2 * 4096, "cut off to nothing": 0} {
		t.Run(name, func(t *testing.T) {
			require.NoError(t, os.Truncate(files[0], size))
			o.Offline = true
			_, err := scan.Scan(t.Context(), o)
			requireCode(t, "scan/database-missing", err)
			o.Offline = false
			report, err := scan.Scan(t.Context(), o)
			require.NoError(t, err)
			require.Len(t, report.Blocking, 1)
		})
	}
}

func TestTrivyItselfCanReadTheTestDatabase(t *testing.T) {
	s := withDatabase(t)
	ref, err := name.ParseReference(s.database)
	require.NoError(t, err)
	// Scans before this one have removed Trivy's temporary directory.
	require.NoError(t, os.MkdirAll(trivyos.TempDir(), 0o700))
	t.Cleanup(func() { require.NoError(t, trivyos.Cleanup()) })
	dir := t.TempDir()
	client := trivydb.NewClient(dir, true, trivydb.WithDBRepository([]name.Reference{ref}))
	require.NoError(t, client.Download(t.Context(), dir, fanal.RegistryOptions{}))
	outdated, err := client.NeedsUpdate(t.Context(), "test", false)
	require.NoError(t, err)
	require.False(t, outdated)
}
