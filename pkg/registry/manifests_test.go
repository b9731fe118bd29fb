package registry

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"
)

// Sources: containerd/cri#787 (application/json), moby/moby#30083, #19526 (text/html),
// google/go-containerregistry#617 (text/plain), goharbor/harbor#7853 (application/octet-stream),
// containers/buildah#575 (a manifest that does not say its type).
func TestAManifestHasTheTypeOfWhatItIs(t *testing.T) {
	const oci, docker = `{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json"},"layers":[]}`, `{"schemaVersion":2,"config":{"mediaType":"application/vnd.docker.container.image.v1+json"},"layers":[]}`
	for _, c := range []struct {
		said, content string
		want          types.MediaType
	}{
		{"application/json", oci, types.OCIManifestSchema1},
		{"text/plain; charset=utf-8", docker, types.DockerManifestSchema2},
		{"application/octet-stream", `{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json","manifests":[]}`, types.DockerManifestList},
		{"text/html", `{"schemaVersion":2,"manifests":[]}`, types.OCIImageIndex},
		{"", oci, types.OCIManifestSchema1},
		{"text/plain", `{"schemaVersion":1,"fsLayers":[]}`, types.DockerManifestSchema1},
		{string(types.OCIImageIndex) + "; charset=utf-8", `{}`, types.OCIImageIndex},
		{"application/json", "no json", "application/json"},
		{"application/vnd.example+json", oci, "application/vnd.example+json"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = []string{c.said}
			_, _ = w.Write([]byte(c.content))
		}))
		response, err := client(TransportOptions{Insecure: []string{"127.0.0.1"}}).Get(server.URL + "/v2/a/manifests/x")
		require.NoError(t, err)
		require.Equal(t, string(c.want), response.Header.Get("Content-Type"), c.said)
		content, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.Equal(t, c.content, string(content))
		require.NoError(t, response.Body.Close())
		server.Close()
	}
}

// A registry without the list of referrers says so in many ways: artifacthub/hub#4785 (ghcr.io
// sends to GitHub's web site, which answers 429), sigstore/sigstore-js#1187 (a page).
func TestARegistryWithoutAListOfReferrersIsToldFromOneThatFails(t *testing.T) {
	asked := 0
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		switch {
		case strings.Contains(r.URL.Path, "busy"):
			w.WriteHeader(http.StatusTooManyRequests)
		case strings.Contains(r.URL.Path, "broken"):
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
			_, _ = w.Write([]byte("<!DOCTYPE html><html>"))
		}
	}))
	defer site.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "limited") {
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		http.Redirect(w, r, strings.Replace(site.URL, "127.0.0.1", "localhost", 1)+"/-"+r.URL.Path, http.StatusSeeOther)
	}))
	defer server.Close()
	for repository, want := range map[string]int{"page": 404, "busy": 404, "broken": 503, "limited": 429} {
		response, err := client(TransportOptions{Insecure: []string{"127.0.0.1", "localhost"}}).Get(server.URL + "/v2/" + repository + "/referrers/sha256:0")
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, want, response.StatusCode, repository)
	}
	require.Equal(t, 3, asked, "none is asked again")
}
