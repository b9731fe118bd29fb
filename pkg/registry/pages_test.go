package registry

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"
)

// inPagesOfTwo is a registry that lists five referrers; link makes the header of a page
// from the path of the next one.
func inPagesOfTwo(t *testing.T, link func(next string) string, status int) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Path, "/referrers/") {
			return
		}
		from, _ := strconv.Atoi(r.URL.Query().Get("from"))
		if from > 0 && status != http.StatusOK {
			w.WriteHeader(status)
			return
		}
		var page []string
		for i := from; i < min(from+2, 5); i++ {
			page = append(page, fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.manifest.v1+json","size":1,"digest":"sha256:%064d","artifactType":"kept/as-is"}`, i))
		}
		if from+2 < 5 {
			w.Header().Set("Link", link(fmt.Sprintf("%s?from=%d", r.URL.Path, from+2)))
		}
		w.Header().Set("Content-Type", "application/vnd.oci.image.index.v1+json")
		_, _ = fmt.Fprintf(w, `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[%s]}`, strings.Join(page, ","))
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func referrersOf(t *testing.T, host string) (*v1.IndexManifest, error) {
	t.Helper()
	digest, err := name.NewDigest(host + "/team/app@sha256:" + strings.Repeat("0", 64))
	require.NoError(t, err)
	index, err := remote.Referrers(digest, remote.WithTransport(NewTransport(TransportOptions{Insecure: []string{"127.0.0.1"}})))
	if err != nil {
		return nil, err
	}
	return index.IndexManifest()
}

// TestReferrersInPagesAreOneList: github/artifact-attestations-opa-provider#196,
// google/go-containerregistry#2446.
func TestReferrersInPagesAreOneList(t *testing.T) {
	for name, link := range map[string]func(string) string{
		"a path":                      func(next string) string { return "<" + next + `>; rel="next"` },
		"without quotes, among links": func(next string) string { return `</v2/>; rel="first", <` + next + `>; title="x"; rel=next` },
	} {
		t.Run(name, func(t *testing.T) {
			listed, err := referrersOf(t, inPagesOfTwo(t, link, http.StatusOK))
			require.NoError(t, err)
			require.Len(t, listed.Manifests, 5)
			require.Equal(t, fmt.Sprintf("%064d", 4), listed.Manifests[4].Digest.Hex)
			require.Equal(t, "kept/as-is", listed.Manifests[4].ArtifactType)
		})
	}
}

func TestPagesOfReferrersThatCannotBeReadAreNoEnd(t *testing.T) {
	straight := func(next string) string { return "<" + next + `>; rel="next"` }
	for _, c := range []struct {
		name   string
		link   func(string) string
		status int
		want   string
	}{
		{"another host", func(next string) string { return "<http://elsewhere.example" + next + `>; rel="next"` }, http.StatusOK, "at another host, elsewhere.example"},
		{"a circle", func(string) string { return `<?from=0>; rel="next"` }, http.StatusOK, "more than 200 pages"},
		{"a page that is not there", straight, http.StatusNotFound, "404"},
		{"a page that is denied", straight, http.StatusForbidden, "403"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := referrersOf(t, inPagesOfTwo(t, c.link, c.status))
			require.ErrorContains(t, err, c.want)
		})
	}
}
