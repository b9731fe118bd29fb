package registrytest

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/registry"
)

// Switch gives a registry a habit that registries of the world have.
type Switch func(t *testing.T, next http.Handler) http.Handler

// Listing is a registry in memory that lists what refers to an image by itself: it has
// the referrers API, which [Handler] has not.
func Listing() http.Handler {
	return registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true))
}

// Start starts a registry with habits and gives its host. The first switch is the one
// that sees a request first.
func Start(t *testing.T, handler http.Handler, switches ...Switch) string {
	t.Helper()
	for i := len(switches) - 1; i >= 0; i-- {
		handler = switches[i](t, handler)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// Answer answers the requests that one fits as a registry that does not do as it is asked.
// It is asked for one request at a time: it may count them.
func Answer(fits func(*http.Request) bool, status int, code, message string) Switch {
	var asking sync.Mutex
	one := func(r *http.Request) bool {
		asking.Lock()
		defer asking.Unlock()
		return fits(r)
	}
	return func(_ *testing.T, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if one(r) {
				refuse(w, status, code, message)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// refuse answers as the distribution specification wants errors to be.
func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`, code, message)
}

// Asks fits requests by their method ("" for all) and a part of their path.
func Asks(method, part string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return (method == "" || r.Method == method) && strings.Contains(r.URL.Path, part)
	}
}

// Mounts fits requests to link a blob from another repository.
func Mounts(r *http.Request) bool { return r.URL.Query().Has("mount") }

// Writes fits requests that change something.
func Writes(r *http.Request) bool {
	return r.Method != http.MethodGet && r.Method != http.MethodHead
}

// FirstTime answers each first request of a kind with a status, and with Retry-After
// unless that is empty.
func FirstTime(status int, retryAfter string) Switch {
	return func(_ *testing.T, next http.Handler) http.Handler {
		var seen sync.Map
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			kind, _, _ := strings.Cut(r.URL.Path, "/uploads/") // each upload has an address of its own
			if _, again := seen.LoadOrStore(r.Method+kind, true); again {
				next.ServeHTTP(w, r)
				return
			}
			if retryAfter != "" {
				w.Header().Set("Retry-After", retryAfter)
			}
			refuse(w, status, "TOOMANYREQUESTS", "not now")
		})
	}
}

// WrittenOnce keeps each tag as it is, with the answer of a registry to the next writing:
// 400 TAG_INVALID of ECR, 412 PRECONDITION of Harbor, 409 of others.
func WrittenOnce(status int, code, message string) Switch {
	return func(_ *testing.T, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if Asks(http.MethodPut, "/manifests/")(r) && !strings.Contains(r.URL.Path, "/manifests/sha256:") && Holds(next, r.URL.Path) {
				refuse(w, status, code, message)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// WithoutSubjects takes no manifest that refers to another one.
func WithoutSubjects(status int, code, message string) Switch {
	return func(_ *testing.T, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !Asks(http.MethodPut, "/manifests/")(r) {
				next.ServeHTTP(w, r)
				return
			}
			manifest, err := io.ReadAll(r.Body)
			if err != nil || bytes.Contains(manifest, []byte(`"subject"`)) {
				refuse(w, status, code, message)
				return
			}
			r.Body = io.NopCloser(bytes.NewReader(manifest))
			next.ServeHTTP(w, r)
		})
	}
}

// Holds reports whether a registry has something.
func Holds(handler http.Handler, path string) bool {
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, httptest.NewRequest(http.MethodHead, path, nil))
	return answer.Code == http.StatusOK
}

// Elsewhere keeps blobs at another host, to which readers are sent. That refuses, as S3
// does, who comes with credentials beside the signed address.
func Elsewhere(t *testing.T, next http.Handler) http.Handler {
	storage := Start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			refuse(w, http.StatusBadRequest, "InvalidArgument", "Only one auth mechanism allowed")
			return
		}
		r.URL.Path, r.RequestURI = r.URL.Query().Get("key"), ""
		next.ServeHTTP(w, r)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if Writes(r) || !strings.Contains(r.URL.Path, "/blobs/sha256:") || !Holds(next, r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		http.Redirect(w, r, "http://"+storage+"/bucket?X-Amz-Signature=abc&key="+url.QueryEscape(r.URL.Path), http.StatusTemporaryRedirect)
	})
}

// AtMost takes no request that is longer, in bytes, as proxies before registries do.
func AtMost(limit int64) Switch {
	return func(_ *testing.T, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.ContentLength > limit {
				http.Error(w, "<html><title>413 Request Entity Too Large</title></html>", http.StatusRequestEntityTooLarge)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// StuckRange says of each piece of an upload that only its first byte came, although all
// is there.
func StuckRange(_ *testing.T, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPatch {
			next.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		next.ServeHTTP(answer, r)
		maps.Copy(w.Header(), answer.Header())
		w.Header().Set("Range", "0-1")
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
}

// WrongAboutBlobs says that each blob is wrong when its upload ends, but keeps it.
func WrongAboutBlobs(_ *testing.T, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !Asks(http.MethodPut, "/blobs/uploads/")(r) {
			next.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(httptest.NewRecorder(), r)
		refuse(w, http.StatusBadRequest, "BLOB_UPLOAD_INVALID", "blob upload invalid")
	})
}

// Passwords wants "me" to have a password, in each request.
func Passwords(wanted string) Switch {
	return func(_ *testing.T, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if user, password, _ := r.BasicAuth(); user != "me" || password != wanted {
				w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
				refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// TagIsDigest takes the tag sha256-X for the digest sha256:X.
func TagIsDigest(_ *testing.T, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		before, reference, found := strings.Cut(r.URL.Path, "/manifests/sha256-")
		switch {
		case !found || strings.Contains(reference, "."):
		case Writes(r):
			refuse(w, http.StatusBadRequest, "DIGEST_INVALID", "provided digest did not match uploaded content")
			return
		default:
			r.URL.Path = before + "/manifests/sha256:" + reference
		}
		next.ServeHTTP(w, r)
	})
}

// HidesMissingTags denies a tag that is not there.
func HidesMissingTags(_ *testing.T, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !Writes(r) && strings.Contains(r.URL.Path, "/manifests/") && !Holds(next, r.URL.Path) {
			refuse(w, http.StatusForbidden, "UNAUTHORIZED", "The client does not have permission for manifest")
			return
		}
		next.ServeHTTP(w, r)
	})
}
