package build

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
	"github.com/stagecrew/stagecrew/pkg/tags"
)

func TestCredentialsThatWereGivenAreUsedForTheirHost(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	open, closed := registrytest.Serve(t, nil), registrytest.Locked(t)
	o := options(writeTree(t, portal()), closed, registrytest.PushBase(t, open, types.OCIManifestSchema1))
	_, err := Build(t.Context(), o)
	require.ErrorContains(t, err, "[build/registry-denied]")
	o.Images.Credentials = []registry.Credentials{{Host: "other.example.com", Username: "you", Password: "x"}, {Host: closed, Username: "me", Password: "secret"}}
	result, err := Build(t.Context(), o)
	require.NoError(t, err)
	_, err = tags.Apply(t.Context(), o.Images, result.Image, []tags.Move{{Tag: "1"}})
	require.NoError(t, err)
	require.Equal(t, result.Image, registrytest.Find(t, closed+"/team/backstage:1", remote.WithAuthFromKeychain(o.Images.Keychain())))

	secret := fmt.Appendf(nil, `{"auths":{"http://%s/v2/":{"auth":%q}}}`, closed, base64.StdEncoding.EncodeToString([]byte("me:secret")))
	platforms, err := hasty.Platforms(t.Context(), result.Image.String(), [][]byte{[]byte(`{}`), secret})
	require.NoError(t, err)
	require.Equal(t, []string{"linux/amd64"}, platforms)
}

func TestWhatARegistryLostIsSentAgain(t *testing.T) {
	// It says to have everything, until a manifest names it.
	registry := registrytest.Handler()
	var mu sync.Mutex
	lies := true
	puts := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if strings.Contains(r.URL.Path, "/team/") {
			if r.Method == http.MethodHead && strings.Contains(r.URL.Path, "/blobs/") && lies {
				return
			}
			if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/") {
				if puts++; puts <= 2 {
					w.WriteHeader(http.StatusNotFound)
					fmt.Fprint(w, `{"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown to registry"}]}`)
					return
				}
			}
		}
		registry.ServeHTTP(w, r)
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	result, err := Build(t.Context(), options(writeTree(t, portal()), host, registrytest.PushBase(t, host, types.OCIManifestSchema1)))
	require.NoError(t, err)
	require.Equal(t, 2, result.Retries)
	registrytest.Complete(t, result.Image)
}

func TestARepositorysNameIsWrittenSmallWhereItIsPushedTo(t *testing.T) {
	host := registrytest.Serve(t, nil)
	o := options(writeTree(t, portal()), host, registrytest.PushBase(t, host, types.OCIManifestSchema1))
	o.Repository = host + "/Team/Backstage"
	result, err := Build(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, host+"/team/backstage", result.Image.Repository)
}
