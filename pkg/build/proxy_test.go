package build

import (
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
	"github.com/stagecrew/stagecrew/pkg/retry"
	"github.com/stagecrew/stagecrew/pkg/tags"
)

// failing stands before a registry and fails at random, the same way for the same
// seed as far as the order of requests is the same.
type failing struct {
	next   http.Handler
	mu     sync.Mutex
	random *rand.Rand
	rate   float64
	counts map[string]int
}

func (f *failing) choose() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.random.Float64() >= f.rate {
		return ""
	}
	kinds := []string{"429", "500", "503", "reset", "reset before", "cut answer", "cut upload", "slow", "unknown blob"}
	kind := kinds[f.random.IntN(len(kinds))]
	f.counts[kind]++
	return kind
}

// injected is how often each kind of failure was met; requests that were given up may
// still be under way.
func (f *failing) injected() map[string]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.counts)
}

func (f *failing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind := f.choose()
	switch kind {
	case "429":
		w.Header().Set("Retry-After", "0")
		w.WriteHeader(http.StatusTooManyRequests)
	case "500", "503":
		code, _ := strconv.Atoi(kind)
		w.WriteHeader(code)
		fmt.Fprint(w, `{"errors":[{"code":"UNKNOWN","message":"try again"}]}`)
	case "reset before":
		registrytest.HangUp(w)
	case "reset": // the registry has done it, but nobody hears of it
		f.next.ServeHTTP(httptest.NewRecorder(), r)
		registrytest.HangUp(w)
	case "cut answer":
		f.cut(w, r)
	case "cut upload":
		_, _ = io.CopyN(io.Discard, r.Body, 100)
		registrytest.HangUp(w)
	case "slow":
		r.Body = slowly{r.Body}
		f.next.ServeHTTP(w, r)
	case "unknown blob":
		if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "/manifests/") {
			f.next.ServeHTTP(w, r)
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry"}]}`)
	default:
		f.next.ServeHTTP(w, r)
	}
}

// cut promises a whole answer and sends half of it.
func (f *failing) cut(w http.ResponseWriter, r *http.Request) {
	recorded := httptest.NewRecorder()
	f.next.ServeHTTP(recorded, r)
	for name, values := range recorded.Header() {
		w.Header()[name] = values
	}
	body := recorded.Body.Bytes()
	w.Header().Set("Content-Length", strconv.Itoa(len(body)+1))
	w.WriteHeader(recorded.Code)
	_, _ = w.Write(body[:len(body)/2])
	_ = http.NewResponseController(w).Flush()
	registrytest.HangUp(w)
}

type slowly struct{ io.ReadCloser }

func (s slowly) Read(p []byte) (int, error) {
	time.Sleep(time.Millisecond)
	return s.ReadCloser.Read(p[:min(len(p), 700)])
}

// TestAFailingRegistryEndsInTheRightImageOrAClearError is the requirement "50 of 50
// pushes end right or with a clear error and without a moved tag".
func TestAFailingRegistryEndsInTheRightImageOrAClearError(t *testing.T) {
	var mu sync.Mutex
	right, wrong, injected := 0, 0, map[string]int{}
	t.Run("seeds", func(t *testing.T) {
		for seed := range uint64(50) {
			t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
				t.Parallel()
				registry := registrytest.Handler()
				calm := httptest.NewServer(registry)
				defer calm.Close()
				// Some seeds fail so often that even patience does not help.
				proxy := &failing{next: registry, random: rand.New(rand.NewPCG(seed, 1)), rate: []float64{0.1, 0.25, 0.4, 0.7, 0.9}[seed%5], counts: map[string]int{}}
				stormy := httptest.NewServer(proxy)
				defer stormy.Close()
				ok := pushThrough(t, strings.TrimPrefix(calm.URL, "http://"), strings.TrimPrefix(stormy.URL, "http://"))
				mu.Lock()
				defer mu.Unlock()
				if ok {
					right++
				} else {
					wrong++
				}
				for kind, n := range proxy.injected() {
					injected[kind] += n
				}
			})
		}
	})
	t.Logf("%d right, %d with a clear error; injected: %v", right, wrong, injected)
	require.Equal(t, 50, right+wrong)
	require.Greater(t, right, 25)
	require.Positive(t, wrong, "no seed failed so often that the error is seen")
	require.Len(t, injected, 9)
}

// pushThrough builds and tags through the stormy address and looks at the result
// through the calm one. It reports whether the build succeeded.
func pushThrough(t *testing.T, calm, stormy string) bool {
	t.Helper()
	before := registrytest.EmptyImage(t)
	tag, err := name.NewTag(calm + "/team/backstage:latest")
	require.NoError(t, err)
	require.NoError(t, remote.Write(tag, before))
	old, err := before.Digest()
	require.NoError(t, err)

	files := portal()
	files["node_modules/.package-lock.json"] = `{}`
	files["packages/app/dist/large.js"] = loremOf(60_000)
	o := options(writeTree(t, files), stormy, registrytest.PushBase(t, calm, types.OCIManifestSchema1))
	o.BaseImage = strings.Replace(o.BaseImage, calm, stormy, 1)
	o.Images.Retry = retry.Policy{Attempts: 8, First: time.Millisecond, Longest: 4 * time.Millisecond}
	o.Labels = map[string]string{ocispec.AnnotationBaseImageName: "node"}
	result, err := Build(t.Context(), o)
	now := func() string {
		found, err := remote.Head(tag)
		require.NoError(t, err)
		return found.Digest.String()
	}
	if err != nil {
		clear(t, err)
		require.Equal(t, old.String(), now(), "the tag moved although the push failed")
		return false
	}
	require.Equal(t, old.String(), now(), "building moves no tag")
	result.Image.Repository = calm + "/team/backstage"
	registrytest.Complete(t, result.Image)

	result.Image.Repository = o.Repository
	moved, err := tags.Apply(t.Context(), o.Images, result.Image, []tags.Move{{Tag: "1.0.0", Fixed: true}, {Tag: "latest"}})
	if err != nil {
		clear(t, err)
		require.Less(t, len(moved), 2)
		require.Contains(t, []string{old.String(), result.Image.Digest}, now())
		return false
	}
	require.Equal(t, result.Image.Digest, now())
	return true
}

func clear(t *testing.T, err error) {
	t.Helper()
	require.Equal(t, record.KindUnavailable, record.KindOf(err), "%v", err)
	require.Regexp(t, `\[build/registry-(unavailable|denied)\]$`, err.Error())
	require.Less(t, len(err.Error()), 1500)
	require.NotContains(t, err.Error(), "\n")
}

// loremOf is text of a size that does not compress to nothing.
func loremOf(size int) string {
	var b strings.Builder
	for i := 0; b.Len() < size; i++ {
		fmt.Fprintf(&b, "const w%d = %d;", i*i%977, i*7919)
	}
	return b.String()[:size]
}
