package push

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
	"github.com/stagecrew/stagecrew/pkg/retry"
)

// uploading is a registry that keeps what arrived of a broken upload, unless it is
// forgetful.
type uploading struct {
	mu        sync.Mutex
	got       []byte
	blobs     map[string][]byte
	breaks    []int // after how many bytes the next uploads break off
	forgetful bool
	entire    bool // it takes no second piece
	lines     []string
}

func (u *uploading) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.lines = append(u.lines, strings.TrimSpace(r.Method+" "+r.Header.Get("Content-Range")))
	w.Header().Set("Location", "http://"+r.Host+"/v2/team/app/blobs/uploads/1?state=abc")
	switch r.Method {
	case http.MethodHead:
		if u.blobs[r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]] == nil {
			w.WriteHeader(http.StatusNotFound)
		}
	case http.MethodPost:
		u.got = nil
		w.WriteHeader(http.StatusAccepted)
	case http.MethodPatch:
		u.patch(w, r)
	case http.MethodGet:
		if u.forgetful || r.URL.Path == "/v2/" {
			w.WriteHeader(map[bool]int{true: 404, false: 200}[u.forgetful && r.URL.Path != "/v2/"])
			return
		}
		w.Header().Set("Range", fmt.Sprintf("0-%d", max(0, len(u.got)-1)))
		w.WriteHeader(http.StatusNoContent)
	case http.MethodPut:
		digest, _, _ := v1.SHA256(bytes.NewReader(u.got))
		if digest.String() != r.URL.Query().Get("digest") || r.URL.Query().Get("state") != "abc" {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"errors":[{"code":"DIGEST_INVALID"}]}`)
			return
		}
		u.blobs[digest.String()] = u.got
		w.WriteHeader(http.StatusCreated)
	}
}

func (u *uploading) patch(w http.ResponseWriter, r *http.Request) {
	if from := r.Header.Get("Content-Range"); from != "" && (u.entire || !strings.HasPrefix(from, fmt.Sprintf("%d-", len(u.got)))) {
		w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
		return
	}
	body := io.Reader(r.Body)
	broken := len(u.breaks) > 0
	if broken {
		body = io.LimitReader(r.Body, int64(u.breaks[0]))
		u.breaks = u.breaks[1:]
	}
	text, _ := io.ReadAll(body)
	u.got = append(u.got, text...)
	if broken {
		registrytest.HangUp(w)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

func start(t *testing.T, handler http.Handler, retry retry.Policy, stall time.Duration) (*registry.Client, *Repository) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	s := registry.Access{Retry: retry, Insecure: []string{"127.0.0.1"}, Stall: stall}.Connect()
	repo, err := name.NewRepository(strings.TrimPrefix(server.URL, "http://") + "/team/app")
	require.NoError(t, err)
	p, err := New(s).To(t.Context(), repo)
	require.NoError(t, err)
	return s, p
}

func TestABrokenUploadGoesOnWhereItBrokeOff(t *testing.T) {
	content := noise(300_000)
	digest, size, err := v1.SHA256(bytes.NewReader(content))
	require.NoError(t, err)
	known := bytesBlob(v1.Descriptor{Digest: digest, Size: size}, content)
	growing := Blob{Size: -1, Finish: func() (string, int64, error) { return digest.String(), size, nil }, Open: known.Open}
	for _, c := range []struct {
		name      string
		blob      Blob
		forgetful bool
		breaks    []int
		want      []string
	}{
		{"it does not break", known, false, nil, []string{"HEAD", "POST", "PATCH", "PUT"}},
		{"once", known, false, []int{100_000}, []string{"HEAD", "POST", "PATCH", "GET", "PATCH 100000-299999", "PUT"}},
		{"oftener than there are attempts", known, false, []int{70_000, 70_000, 70_000, 70_000}, []string{"HEAD", "POST", "PATCH", "GET", "PATCH 70000-299999", "GET", "PATCH 140000-299999", "GET", "PATCH 210000-299999", "GET", "PATCH 280000-299999", "PUT"}},
		{"while it is still being packed", growing, false, []int{100_000}, []string{"POST", "PATCH", "GET", "PATCH 100000-299999", "PUT"}},
		{"all is there but nobody heard of it", known, false, []int{300_000}, []string{"HEAD", "POST", "PATCH", "GET", "PUT"}},
		{"a registry that forgets it", known, true, []int{100_000}, []string{"HEAD", "POST", "PATCH", "GET", "HEAD", "POST", "PATCH", "PUT"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake := &uploading{blobs: map[string][]byte{}, breaks: c.breaks, forgetful: c.forgetful}
			s, p := start(t, fake, retry.Policy{Attempts: 2, First: time.Millisecond}, 0)
			fake.lines = nil
			sent, err := p.Blob(t.Context(), c.blob)
			require.NoError(t, err)
			require.True(t, sent.Uploaded)
			require.Equal(t, c.want, fake.lines)
			require.True(t, bytes.Equal(content, fake.blobs[digest.String()]))
			require.Len(t, c.breaks, s.Retry.Count())
		})
	}
}

// TestAnUploadBeginsAnewWhereNoPieceIsTaken: GitHub's registry takes no piece above 4 MiB
// and answers 416 (ocx-sh/ocx#237), but takes a blob of any size at once.
func TestAnUploadBeginsAnewWhereNoPieceIsTaken(t *testing.T) {
	content := noise(300_000)
	digest, size, err := v1.SHA256(bytes.NewReader(content))
	require.NoError(t, err)
	fake := &uploading{blobs: map[string][]byte{}, entire: true, breaks: []int{100_000, 200_000}}
	_, p := start(t, fake, retry.Policy{Attempts: 4, First: time.Millisecond}, 0)
	fake.lines = nil
	_, err = p.Blob(t.Context(), bytesBlob(v1.Descriptor{Digest: digest, Size: size}, content))
	require.NoError(t, err)
	require.Equal(t, []string{"HEAD", "POST", "PATCH", "GET", "PATCH 100000-299999", "HEAD", "POST", "PATCH", "HEAD", "POST", "PATCH", "PUT"}, fake.lines)
}

func TestAnUploadThatDoesNotMoveIsTriedOnAnotherConnection(t *testing.T) {
	content := noise(10_000)
	digest, size, err := v1.SHA256(bytes.NewReader(content))
	require.NoError(t, err)
	fake := &uploading{blobs: map[string][]byte{}}
	var once sync.Once
	released := make(chan struct{})
	s, p := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPatch {
			stuck := false
			once.Do(func() { stuck = true })
			if stuck {
				<-released
				return
			}
		}
		fake.ServeHTTP(w, r)
	}), retry.Policy{Attempts: 2, First: time.Millisecond}, time.Second)
	defer close(released)
	_, err = p.Blob(t.Context(), bytesBlob(v1.Descriptor{Digest: digest, Size: size}, content))
	require.NoError(t, err)
	require.Equal(t, 1, s.Retry.Count())
}

// TestAnUploadOutlivesItsToken: the request that is refused for its token is sent again from
// its beginning, and needs no other attempt (moby/moby#33558, docker/buildx#324).
func TestAnUploadOutlivesItsToken(t *testing.T) {
	content := noise(300_000)
	digest, size, err := v1.SHA256(bytes.NewReader(content))
	require.NoError(t, err)
	host := registrytest.Start(t, registrytest.Handler(), registrytest.Tokens(1, "localhost"))
	s := registry.Access{Retry: retry.Policy{Attempts: 1}, Insecure: []string{"127.0.0.1", "localhost"}, Credentials: []registry.Credentials{{Host: host, Username: "me", Password: "secret"}}}.Connect()
	repo, err := name.NewRepository(host + "/team/app")
	require.NoError(t, err)
	p, err := New(s).To(t.Context(), repo)
	require.NoError(t, err)
	sent, err := p.Blob(t.Context(), bytesBlob(v1.Descriptor{Digest: digest, Size: size}, content))
	require.NoError(t, err)
	require.True(t, sent.Uploaded)
	require.NoError(t, p.Manifest(t.Context(), "1", types.OCIManifestSchema1, []byte(`{"schemaVersion":2}`)))
}

func TestLayersAreMountedFromRepositoriesOfTheSameRegistry(t *testing.T) {
	digest, size, err := v1.SHA256(strings.NewReader("layer"))
	require.NoError(t, err)
	for _, c := range []struct {
		name    string
		status  int // of the answer to a mount
		mounted bool
		posts   []string
	}{
		{"granted", http.StatusCreated, true, []string{"?from=library%2Fnode&mount=" + digest.String()}},
		{"not granted", http.StatusAccepted, false, []string{"?from=library%2Fnode&mount=" + digest.String()}},
		{"refused", http.StatusForbidden, false, []string{"?from=library%2Fnode&mount=" + digest.String(), ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var posts []string
			fake := &uploading{blobs: map[string][]byte{}}
			_, p := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPost {
					fake.ServeHTTP(w, r)
					return
				}
				_, query, _ := strings.Cut(strings.ReplaceAll(r.URL.RequestURI(), "%3A", ":"), "/uploads/")
				posts = append(posts, query)
				if strings.Contains(query, "mount=") && c.status != http.StatusAccepted {
					w.WriteHeader(c.status)
					return
				}
				fake.ServeHTTP(w, r)
			}), brisk, 0)
			b := bytesBlob(v1.Descriptor{Digest: digest, Size: size}, []byte("layer"))
			elsewhere, err := name.NewRepository("registry.example.com/library/node")
			require.NoError(t, err)
			b.From = []name.Repository{elsewhere, p.Repo, p.Repo.Repo("library/node")}
			sent, err := p.Blob(t.Context(), b)
			require.NoError(t, err)
			require.Equal(t, c.mounted, sent.Mounted)
			require.Equal(t, !c.mounted, sent.Uploaded)
			require.Equal(t, c.posts, posts)
		})
	}
}

func TestAnUploadGoesWhereLayersMayGo(t *testing.T) {
	for location, want := range map[string]string{
		"/v2/a/blobs/uploads/1?x=y":        "https://registry.example.com/v2/a/blobs/uploads/1?x=y",
		"http://registry.example.com/u/1":  "https://registry.example.com/u/1",
		"https://storage.example.com/u/1":  "https://storage.example.com/u/1",
		"http://storage.example.com/u/1":   "",
		"https://169.254.169.254/latest":   "",
		"https://127.0.0.1:2379/v2/keys":   "",
		"https://10.0.0.1/u":               "",
		"https://[::1]/u":                  "",
		"":                                 "",
		"https://registry.example.com:bad": "",
	} {
		request, err := http.NewRequest(http.MethodPost, "https://registry.example.com/v2/a/blobs/uploads/", nil)
		require.NoError(t, err)
		next, err := nextLocation(&http.Response{Request: request, Header: http.Header{"Location": {location}}})
		if want == "" {
			require.Error(t, err, location)
			continue
		}
		require.NoError(t, err, location)
		require.Equal(t, want, next.String())
	}
}

func TestRetriesWaitAsLongAsTheRegistryAsks(t *testing.T) {
	asked := 0
	s, p := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/" {
			return
		}
		if asked++; asked == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		w.WriteHeader(http.StatusCreated)
	}), retry.Policy{First: time.Millisecond, Longest: 40 * time.Millisecond}, 0)
	before := time.Now()
	require.NoError(t, p.Manifest(t.Context(), "1", types.OCIManifestSchema1, []byte("{}")))
	require.GreaterOrEqual(t, time.Since(before), 40*time.Millisecond, "a second, but no longer than we are willing to")
	require.Equal(t, 1, s.Retry.Count())
}

func TestWhatIsWrongForGoodIsNotTriedAgain(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusNotImplemented} {
		asked := 0
		_, p := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/v2/" {
				asked++
				w.WriteHeader(status)
			}
		}), brisk, 0)
		require.Error(t, p.Manifest(t.Context(), "1", types.OCIManifestSchema1, []byte("{}")))
		require.Equal(t, 1, asked, "status %d", status)
	}
}

// noise is content of a size, always the same.
func noise(size int) []byte {
	content := make([]byte, size)
	random := rand.NewChaCha8([32]byte{})
	_, _ = random.Read(content)
	return content
}

// brisk does not make a test wait.
var brisk = retry.Policy{Attempts: 3, First: time.Millisecond, Longest: 5 * time.Millisecond}
