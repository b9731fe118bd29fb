package registry

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/retry"
)

func TestARegistrysAnswerDecidesTheKindOfTheError(t *testing.T) {
	for _, c := range []struct {
		name, body string
		status     int
		kind       record.Kind
		code       string
	}{
		{"not there", "", http.StatusNotFound, record.KindInput, "[build/image-not-found]"},
		{"no credentials", "", http.StatusUnauthorized, record.KindUnavailable, "[build/registry-denied]"},
		{"not allowed", "", http.StatusForbidden, record.KindUnavailable, "[build/registry-denied]"},
		{"a manifest without end", strings.Repeat(" ", MaxAnswer+1), http.StatusOK, record.KindUnavailable, "it is too long"},
		{"broken, with a long answer", strings.Repeat("::error::x\n", 1000), http.StatusNotImplemented, record.KindUnavailable, "[build/registry-unavailable]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/v2/" {
					return
				}
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			defer server.Close()
			ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/team/app:1")
			require.NoError(t, err)
			_, err = brisk.Connect().Get(t.Context(), ref)
			err = Wrap(err, "getting %q", ref)
			require.ErrorContains(t, err, c.code)
			require.Equal(t, c.kind, record.KindOf(err))
			require.Less(t, len(err.Error()), 1500)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestAddressesAreShownWithoutTheirSignatures(t *testing.T) {
	err := errors.New(`Patch "https://storage.example.com/u/1?X-Amz-Signature=abc&x=y": broken` + "\n" + `and http://registry/v2/?_state=s3cret too`)
	require.Equal(t, `Patch "https://storage.example.com/u/1?…": broken and http://registry/v2/?… too`, Shown(err).Error())
}

// brisk does not make a test wait.
var brisk = Access{Insecure: []string{"127.0.0.1"}, Retry: retry.Policy{Attempts: 3, First: time.Millisecond, Longest: 5 * time.Millisecond}}

func TestARepositorysNameIsWrittenSmall(t *testing.T) {
	got, err := RepositoryName("ghcr.io/MyOrg/Backstage-Production")
	require.NoError(t, err)
	require.Equal(t, "ghcr.io/myorg/backstage-production", got)
	_, err = RepositoryName("backstage")
	require.ErrorContains(t, err, "[build/options]")

}
