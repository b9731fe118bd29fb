package registrytest

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Page answers with a page for people.
func Page(fits func(*http.Request) bool) Switch {
	return func(_ *testing.T, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !fits(r) {
				next.ServeHTTP(w, r)
				return
			}
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, "\n<!DOCTYPE html>\n<html><title>Packages</title></html>")
		})
	}
}

// SentAway sends to another host, which answers with a status.
func SentAway(fits func(*http.Request) bool, status int) Switch {
	return func(t *testing.T, next http.Handler) http.Handler {
		site := Start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>Slow down</html>", status) }))
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if fits(r) {
				http.Redirect(w, r, "http://"+site+"/-"+r.URL.Path, http.StatusSeeOther)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// Typed gives each manifest another type than its own.
func Typed(mediaType string) Switch {
	return func(_ *testing.T, next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if Writes(r) || !strings.Contains(r.URL.Path, "/manifests/") {
				next.ServeHTTP(w, r)
				return
			}
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, r)
			maps.Copy(w.Header(), answer.Header())
			if answer.Code == http.StatusOK {
				w.Header().Set("Content-Type", mediaType)
			}
			w.WriteHeader(answer.Code)
			_, _ = w.Write(answer.Body.Bytes())
		})
	}
}

// Loses answers the first request of each upload that goes on with it as if there were no
// such upload, without a word.
func Loses(_ *testing.T, next http.Handler) http.Handler {
	var seen sync.Map
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if repository, _, _ := strings.Cut(r.URL.Path, "/blobs/"); Asks(http.MethodPatch, "/uploads/")(r) {
			if _, again := seen.LoadOrStore(repository, true); !again {
				w.WriteHeader(http.StatusNotFound)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// Unpackable is an image with a layer that goes on behind the end of what was packed.
func Unpackable(t *testing.T) record.Image {
	t.Helper()
	zipped := PackFiles(t, map[string]string{"app/a": "x"})
	broken, err := mutate.AppendLayers(EmptyImage(t), static.NewLayer([]byte(zipped+strings.Repeat("\x00", 512)), types.OCILayer))
	require.NoError(t, err)
	tag, err := name.NewTag(Serve(t, nil) + "/team/app:broken")
	require.NoError(t, err)
	require.NoError(t, remote.Write(tag, broken))
	return Find(t, tag.String())
}
