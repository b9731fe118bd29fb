package images

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/migrations"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
	"github.com/stagecrew/stagecrew/pkg/retry"
)

// quick gives up at once; the registry of the reference is one without encryption.
func quick(reference string) registry.Access {
	host, _, _ := strings.Cut(reference, "/")
	return registry.Access{Retry: retry.Policy{Attempts: 1}, Insecure: []string{host}}
}

const (
	catalog = "app/node_modules/@backstage/plugin-catalog-backend/migrations/"
	one     = catalog + "20200511113813_init.js"
	two     = catalog + "20200702153613_entities.js"
	search  = "app/node_modules/@backstage/plugin-search-backend/migrations/20210101000000_init.js"
)

// release are the files of a Backstage image of a release.
func release(t testing.TB, version string) []string {
	t.Helper()
	content, err := os.ReadFile("../testdata/backstage-" + version + ".txt")
	require.NoError(t, err)
	var files []string
	for _, file := range strings.Fields(string(content)) {
		files = append(files, "app/"+file)
	}
	return files
}

// archive has the files, with the content "x" each. A name that ends in a slash is a
// folder.
func archive(t testing.TB, files ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, file := range files {
		h := &tar.Header{Name: file, Mode: 0o644, Size: 1}
		if strings.HasSuffix(file, "/") {
			h.Typeflag, h.Size = tar.TypeDir, 0
		}
		require.NoError(t, w.WriteHeader(h))
		_, err := w.Write([]byte("x")[:h.Size])
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

// packed is a layer in one of the three forms.
func packed(t testing.TB, form string, files ...string) v1.Layer {
	t.Helper()
	plain := archive(t, files...)
	var out bytes.Buffer
	switch form {
	case "zstd":
		w, err := zstd.NewWriter(&out)
		require.NoError(t, err)
		_, _ = w.Write(plain)
		require.NoError(t, w.Close())
		return static.NewLayer(out.Bytes(), "application/vnd.oci.image.layer.v1.tar+zstd")
	case "gzip":
		w := gzip.NewWriter(&out)
		_, _ = w.Write(plain)
		require.NoError(t, w.Close())
		return static.NewLayer(out.Bytes(), types.OCILayer)
	}
	return static.NewLayer(plain, types.OCIUncompressedLayer)
}

// layerOf is the usual form.
func layerOf(t testing.TB, files ...string) v1.Layer { t.Helper(); return packed(t, "gzip", files...) }

// push gives the reference by digest of an image of these layers.
func push(t testing.TB, host string, labels map[string]string, layers ...v1.Layer) string {
	t.Helper()
	image, err := mutate.AppendLayers(mutate.MediaType(empty.Image, types.OCIManifestSchema1), layers...)
	require.NoError(t, err)
	file, err := image.ConfigFile()
	require.NoError(t, err)
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Config.Labels = "linux", "amd64", labels
	image, err = mutate.ConfigFile(image, file)
	require.NoError(t, err)
	digest, err := image.Digest()
	require.NoError(t, err)
	ref, err := name.NewDigest(host + "/team/portal@" + digest.String())
	require.NoError(t, err)
	require.NoError(t, remote.Write(ref, image))
	return ref.String()
}

// listed are the labels of an image that says its migrations itself.
func listed(t testing.TB, files []string, layers ...v1.Layer) map[string]string {
	t.Helper()
	list := migrations.List{Files: migrations.Of(files)}
	for _, l := range layers {
		id, err := l.DiffID()
		require.NoError(t, err)
		list.Layers = append(list.Layers, id.String())
	}
	label, err := list.Label()
	require.NoError(t, err)
	return map[string]string{migrations.ListLabel: label}
}

func compare(t testing.TB, o Options, live, next string) record.Migrations {
	t.Helper()
	o.Registry, o.Always = quick(next), true
	m, err := Compare(t.Context(), o, live, next)
	require.NoError(t, err)
	return m
}

func TestTheVerdictOnImagesOfFourReleases(t *testing.T) {
	host := registrytest.Serve(t, func(*http.Request) {})
	versions := []string{"1.43", "1.53", "1.54", "1.55"}
	plain, labelled := map[string]string{}, map[string]string{}
	for _, version := range versions {
		layers := []v1.Layer{layerOf(t, "usr/bin/node"), layerOf(t, release(t, version)...), layerOf(t, "app/"+version)}
		plain[version] = push(t, host, nil, layers...)
		labelled[version] = push(t, host, listed(t, release(t, version), layers[1:]...), layers...)
	}
	for i, live := range versions {
		for j, next := range versions {
			if i == j {
				continue
			}
			t.Run(live+" to "+next, func(t *testing.T) {
				same := live != "1.43" && next != "1.43" && live != "1.55" && next != "1.55"
				for _, pair := range [][2]string{{plain[live], plain[next]}, {labelled[live], labelled[next]}, {plain[live], labelled[next]}, {labelled[live], plain[next]}} {
					m := compare(t, Options{}, pair[0], pair[1])
					require.Equal(t, i < j && !same, m.Rollback == record.RollbackNeedsDatabase, m.Why)
					require.Equal(t, i >= j || same, m.Rollback == record.RollbackFree, m.Why)
					require.Equal(t, i > j && !same, m.Downgrades(), m.Why)
					require.Equal(t, pair[0], m.From)
					require.Equal(t, pair[1], m.To)
				}
			})
		}
	}
}

func TestAListInALabelIsEnough(t *testing.T) {
	traffic := &registrytest.Traffic{}
	host := registrytest.Serve(t, traffic.See)
	layers := []v1.Layer{layerOf(t, "usr/bin/node"), layerOf(t, release(t, "1.54")...)}
	live := push(t, host, listed(t, release(t, "1.54"), layers[1]), layers...)
	layers = []v1.Layer{layerOf(t, "usr/bin/node"), layerOf(t, release(t, "1.55")...)}
	next := push(t, host, listed(t, release(t, "1.55"), layers[1]), layers...)
	traffic.Reset()
	require.Equal(t, record.RollbackNeedsDatabase, compare(t, Options{}, live, next).Rollback)
	require.Len(t, traffic.With("GET", "/blobs/"), 2, "the two configurations")
}

func TestAnInheritedListDoesNotCount(t *testing.T) {
	host := registrytest.Serve(t, func(*http.Request) {})
	parent := layerOf(t, one)
	live := push(t, host, listed(t, []string{one}, parent), parent)
	// FROM the live image, with a migration on top.
	next := push(t, host, listed(t, []string{one}, parent), parent, layerOf(t, two))
	m := compare(t, Options{}, live, next)
	require.Equal(t, record.RollbackNeedsDatabase, m.Rollback, m.Why)
}

func TestHowLayersLieOnEachOther(t *testing.T) {
	base, other := "usr/bin/node", "app/packages/backend/dist/index.cjs.js"
	for _, c := range []struct {
		name       string
		live, next [][]string
		rollback   record.RollbackNeeds
		downgrades bool
	}{
		{"only what has no migrations differs", [][]string{{base}, {one, two}, {other}}, [][]string{{base}, {one, two}, {other, "app/more"}}, record.RollbackFree, false},
		{"nothing has migrations", [][]string{{base}, {other}}, [][]string{{base}, {other, "app/more"}}, record.RollbackUnknown, false},
		{"a layer adds to a folder of a layer that both have", [][]string{{base}, {one}}, [][]string{{base}, {one}, {two}}, record.RollbackNeedsDatabase, false},
		{"a plugin is new", [][]string{{base, one}, {other}}, [][]string{{base, one}, {search}}, record.RollbackFree, false},
		{"a layer takes a file away", [][]string{{one, two}}, [][]string{{one, two}, {catalog + ".wh.20200702153613_entities.js"}}, record.RollbackFree, true},
		{"a layer takes a folder away and brings another one", [][]string{{one, two}, {other}}, [][]string{{one, two}, {"app/node_modules/.wh.@backstage", two}}, record.RollbackFree, true},
		{"an opaque folder keeps what its own layer has", [][]string{{one}}, [][]string{{one}, {two, catalog + ".wh..wh..opq", one}}, record.RollbackNeedsDatabase, false},
		{"an opaque folder hides all below", [][]string{{one, two}}, [][]string{{one, two}, {one, "app/.wh..wh..opq"}}, record.RollbackFree, true},
		{"an opaque root", [][]string{{one, two}}, [][]string{{one, two}, {".wh..wh..opq", one}}, record.RollbackFree, true},
		{"aufs' own files hide nothing", [][]string{{one}}, [][]string{{one}, {".wh..wh.aufs", "app/.wh..wh.plnk/x", other}}, record.RollbackFree, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			host := registrytest.Serve(t, func(*http.Request) {})
			made := func(all [][]string) string {
				var layers []v1.Layer
				for _, files := range all {
					layers = append(layers, layerOf(t, files...))
				}
				return push(t, host, nil, layers...)
			}
			m := compare(t, Options{}, made(c.live), made(c.next))
			require.Equal(t, c.rollback, m.Rollback, m.Why)
			require.Equal(t, c.downgrades, m.Downgrades(), m.Why)
		})
	}
}

func TestLayersOfEveryFormAreRead(t *testing.T) {
	host := registrytest.Serve(t, func(*http.Request) {})
	for _, form := range []string{"gzip", "zstd", "plain"} {
		m := compare(t, Options{}, push(t, host, nil, packed(t, form, one)), push(t, host, nil, packed(t, form, one, two)))
		require.Equal(t, record.RollbackNeedsDatabase, m.Rollback, "%s: %s", form, m.Why)
	}
}

func TestALayerThatBothHaveIsNotRead(t *testing.T) {
	traffic := &registrytest.Traffic{}
	host := registrytest.Serve(t, traffic.See)
	base := layerOf(t, "usr/bin/node")
	digest, err := base.Digest()
	require.NoError(t, err)
	live, next := push(t, host, nil, base, layerOf(t, one)), push(t, host, nil, base, layerOf(t, one, two))
	traffic.Reset()
	require.Equal(t, record.RollbackNeedsDatabase, compare(t, Options{}, live, next).Rollback)
	require.Empty(t, traffic.With("GET", digest.String()))
}

func TestALayerIsReadOnce(t *testing.T) {
	traffic := &registrytest.Traffic{}
	host := registrytest.Serve(t, traffic.See)
	live, next := push(t, host, nil, layerOf(t, one)), push(t, host, nil, layerOf(t, one, two))
	o := Options{CacheDir: filepath.Join(t.TempDir(), "a", "cache")}
	first := compare(t, o, live, next)
	traffic.Reset()
	second := compare(t, o, live, next)
	require.Len(t, traffic.With("GET", "/blobs/"), 2, "the two configurations")
	require.Less(t, second.Bytes, first.Bytes)
	second.Bytes, second.Seconds = first.Bytes, first.Seconds
	require.Equal(t, first, second)
	// What somebody broke there is read again.
	kept, err := filepath.Glob(filepath.Join(o.CacheDir, "*.json"))
	require.NoError(t, err)
	require.Len(t, kept, 2)
	require.NoError(t, os.WriteFile(kept[0], []byte("{"), 0o600))
	require.Equal(t, first.Rollback, compare(t, o, live, next).Rollback)
}

func TestWhatCannotBeReadIsUnknown(t *testing.T) {
	host := registrytest.Serve(t, func(*http.Request) {})
	garbage := static.NewLayer([]byte(strings.Repeat("no archive ", 100)), types.OCILayer)
	cut := static.NewLayer([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1}, types.OCILayer)
	for _, broken := range []v1.Layer{garbage, cut} {
		m := compare(t, Options{}, push(t, host, nil, layerOf(t, one)), push(t, host, nil, broken))
		require.Equal(t, record.RollbackUnknown, m.Rollback)
		require.Contains(t, m.Why, "could not be read")
	}
}

func TestARegistryThatHangsIsNotWaitedForLong(t *testing.T) {
	held := make(chan struct{})
	var stuck atomic.Bool
	handler := registrytest.Handler()
	host := registrytest.Start(t, http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		if stuck.Load() && strings.Contains(request.URL.Path, "/blobs/") {
			select {
			case <-held:
			case <-request.Context().Done():
			}
			return
		}
		handler.ServeHTTP(w, request)
	}))
	t.Cleanup(func() { close(held) })
	live, next := push(t, host, nil, layerOf(t, one)), push(t, host, nil, layerOf(t, one, two))
	stuck.Store(true)
	m := compare(t, Options{Timeout: 50 * time.Millisecond}, live, next)
	require.Equal(t, record.RollbackUnknown, m.Rollback)
	require.Contains(t, m.Why, "takes too long")
}

func TestPatternsOfOtherApplications(t *testing.T) {
	host := registrytest.Serve(t, func(*http.Request) {})
	for _, c := range []struct {
		name, pattern string
		live, next    []string
		rollback      record.RollbackNeeds
		downgrades    bool
	}{
		{"rails", "app/db/migrate/*.rb", []string{"app/db/migrate/20240101000000_a.rb"}, []string{"app/db/migrate/20240101000000_a.rb", "app/db/migrate/20240201000000_b.rb"}, record.RollbackNeedsDatabase, false},
		{"prisma has a folder for each", "app/prisma/migrations/*/migration.sql", []string{"app/prisma/migrations/1_a/migration.sql"}, []string{"app/prisma/migrations/1_a/migration.sql", "app/prisma/migrations/2_b/migration.sql"}, record.RollbackNeedsDatabase, false},
		{"django has one for each of its applications", "srv/**/migrations/0*.py", []string{"srv/shop/migrations/0001_initial.py"}, []string{"srv/shop/migrations/0001_initial.py", "srv/blog/migrations/0001_initial.py"}, record.RollbackNeedsDatabase, false},
		{"flyway that minds the future, kestra-io/kestra#1505", "app/migrations/V*.sql", []string{"app/migrations/V1_13__a.sql"}, []string{"app/migrations/V1_13__a.sql", "app/migrations/V1_14__b.sql"}, record.RollbackNeedsDatabase, false},
		{"flyway, unchanged", "flyway/sql/V*.sql", []string{"flyway/sql/V1__a.sql"}, []string{"flyway/sql/V1__a.sql", "app.jar"}, record.RollbackFree, false},
		{"alembic, airflow-helm/charts#461", "opt/**/versions/*.py", []string{"opt/airflow/versions/0000_a.py"}, []string{"opt/airflow/versions/0000_a.py", "opt/airflow/versions/ccde3e26fe78_b.py"}, record.RollbackNeedsDatabase, false},
		{"the first ones", "flyway/sql/V*.sql", []string{"app.jar"}, []string{"flyway/sql/V1__a.sql"}, record.RollbackNeedsDatabase, false},
		{"fewer", "flyway/sql/V*.sql", []string{"flyway/sql/V1__a.sql", "flyway/sql/V2__b.sql"}, []string{"flyway/sql/V1__a.sql"}, record.RollbackFree, true},
		{"a pattern that fits nothing", "flyway/sql/V*.sql", []string{one}, []string{one, two}, record.RollbackUnknown, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := Options{Files: []string{c.pattern}}
			require.NoError(t, o.Check())
			m := compare(t, o, push(t, host, nil, layerOf(t, c.live...)), push(t, host, nil, layerOf(t, c.next...)))
			require.Equal(t, c.rollback, m.Rollback, m.Why)
			require.Equal(t, c.downgrades, m.Downgrades())
		})
	}
	for _, bad := range []string{"/app/db/*.rb", "app/[", ""} {
		require.Error(t, Options{Files: []string{bad}}.Check(), bad)
	}
}

func TestAWordOfTheTeam(t *testing.T) {
	traffic := &registrytest.Traffic{}
	host := registrytest.Serve(t, traffic.See)
	live := push(t, host, nil, layerOf(t, "srv/app"))
	for word, want := range map[string]record.RollbackNeeds{"none": record.RollbackFree, "forward-only": record.RollbackNeedsDatabase, "reversible": record.RollbackNeedsDatabase, "maybe": record.RollbackUnknown} {
		next := push(t, host, map[string]string{migrations.SaidLabel: word}, layerOf(t, "srv/app", "srv/more"))
		traffic.Reset()
		m := compare(t, Options{}, live, next)
		require.Equal(t, want, m.Rollback, m.Why)
		if word != "maybe" {
			require.Equal(t, word, m.Said)
			require.Contains(t, m.Why, "says "+word)
			require.Len(t, traffic.With("GET", "/blobs/"), 2, "no layer is read for a word")
		}
	}
	// An annotation goes before the label of the image.
	next := push(t, host, map[string]string{migrations.SaidLabel: "none"}, layerOf(t, "srv/app", "srv/more"))
	m := compare(t, Options{Said: "forward-only", From: "Deployment/web"}, live, next)
	require.Equal(t, "rollback: needs-database: Deployment/web says forward-only", m.String())
}

func TestAFileThatWasAddedIsAFactAndAWordCanBeOld(t *testing.T) {
	host := registrytest.Serve(t, func(*http.Request) {})
	live, added := layerOf(t, one), layerOf(t, one, two)
	labels := listed(t, []string{one, two}, added)
	labels[migrations.SaidLabel] = "none"
	m := compare(t, Options{}, push(t, host, listed(t, []string{one}, live), live), push(t, host, labels, added))
	require.Equal(t, record.RollbackNeedsDatabase, m.Rollback)
	require.Contains(t, m.Why, "although the label stagecrew.dev/migrations of the image says none")
}

func TestAnImageThatIsNoBackstageIsNotReadUnlessSomebodyWantsIt(t *testing.T) {
	traffic := &registrytest.Traffic{}
	host := registrytest.Serve(t, traffic.See)
	live, next := push(t, host, nil, layerOf(t, "srv/app")), push(t, host, nil, layerOf(t, "srv/app", "srv/more"))
	traffic.Reset()
	m, err := Compare(t.Context(), Options{Registry: quick(next)}, live, next)
	require.NoError(t, err)
	require.Equal(t, "rollback: unknown: nothing says what becomes of its databases", m.String())
	require.Len(t, traffic.With("GET", "/blobs/"), 2, "the two configurations")
}

func TestTheSameImageNeedsNothing(t *testing.T) {
	host := registrytest.Serve(t, func(*http.Request) {})
	image := push(t, host, nil, layerOf(t, "srv/app"))
	m := compare(t, Options{}, image, image)
	require.Equal(t, "rollback: free: both are the same image", m.String())
}

func TestAnImageThatIsNotThereIsAnError(t *testing.T) {
	host := registrytest.Serve(t, func(*http.Request) {})
	there := push(t, host, nil, layerOf(t, one))
	m, err := Compare(t.Context(), Options{Registry: quick(there)}, host+"/team/portal:none", there)
	require.ErrorContains(t, err, "looking for image")
	require.Equal(t, record.RollbackUnknown, m.Rollback)
	_, err = Compare(t.Context(), Options{Registry: quick(there)}, "Not An Image", there)
	require.Equal(t, "config/image", record.CodeOf(err))
}

func FuzzList(f *testing.F) {
	f.Add(archive(f, one, "app/.wh.x", "app/.wh..wh..opq"))
	f.Add([]byte{0x1f, 0x8b})
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd})
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := list(t.Context(), bytes.NewReader(text), func(string) bool { return true }, func(*layer) bool { return false })
		if err == nil {
			merge([]*layer{l, l})
		}
	})
}

// BenchmarkCompare is of images of 300 MB: a base and dependencies that differ, which no
// one can compress. Bytes are what is read of the registry.
func BenchmarkCompare(b *testing.B) {
	noise := make([]byte, 100<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	var base, live, next bytes.Buffer
	for i, out := range []*bytes.Buffer{&base, &live, &next} {
		zipped, err := gzip.NewWriterLevel(out, gzip.NoCompression)
		require.NoError(b, err)
		w := tar.NewWriter(zipped)
		for _, file := range [][]string{{"usr/bin/node"}, release(b, "1.54"), release(b, "1.55")}[i] {
			require.NoError(b, w.WriteHeader(&tar.Header{Name: file, Mode: 0o644}))
		}
		for n := range [3]int{2, 1, 1}[i] {
			require.NoError(b, w.WriteHeader(&tar.Header{Name: fmt.Sprint("large-", i, n), Mode: 0o644, Size: int64(len(noise))}))
			_, _ = w.Write(noise)
		}
		require.NoError(b, w.Close())
		require.NoError(b, zipped.Close())
	}
	server := httptest.NewServer(registrytest.Handler())
	b.Cleanup(server.Close)
	host := strings.TrimPrefix(server.URL, "http://")
	layers := func(own *bytes.Buffer) []v1.Layer {
		return []v1.Layer{static.NewLayer(base.Bytes(), types.OCILayer), static.NewLayer(own.Bytes(), types.OCILayer)}
	}
	for _, c := range []struct {
		name       string
		live, next map[string]string
		cache      string
	}{
		{"with a list", listed(b, release(b, "1.54"), layers(&live)[1]), listed(b, release(b, "1.55"), layers(&next)[1]), ""},
		{"by layers", nil, nil, ""},
		{"by layers that are known", nil, nil, b.TempDir()},
	} {
		from, to := push(b, host, c.live, layers(&live)...), push(b, host, c.next, layers(&next)...)
		b.Run(c.name, func(b *testing.B) {
			if c.cache != "" {
				compare(b, Options{CacheDir: c.cache}, from, to)
			}
			for b.Loop() {
				m := compare(b, Options{CacheDir: c.cache}, from, to)
				require.Equal(b, record.RollbackNeedsDatabase, m.Rollback, m.Why)
				b.ReportMetric(float64(m.Bytes), "bytes")
			}
		})
	}
}
