package sign

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestWhatARegistryAnswersIsSortedAndBounded(t *testing.T) {
	k := ourKeys(t)
	for _, c := range []struct {
		name, body, want string
		status           int
	}{
		{"no credentials", "", "docker login 127.0.0.1", http.StatusUnauthorized},
		{"not allowed", "", "[sign/registry-denied]", http.StatusForbidden},
		{"broken, with a long answer", strings.Repeat("::error::x\n", 1000), "[sign/registry-unavailable]", http.StatusNotImplemented},
		{"an image's manifest without end", strings.Repeat(" ", maxAnswer+1), "longer than", http.StatusOK},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/v2/" {
					w.WriteHeader(c.status)
					_, _ = w.Write([]byte(c.body))
				}
			}))
			defer server.Close()
			image := record.Image{Repository: strings.TrimPrefix(server.URL, "http://") + "/team/app", Digest: anImage.Digest}
			_, err := Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: k.public})
			require.ErrorContains(t, err, c.want)
			require.Equal(t, record.KindUnavailable, record.KindOf(err))
			require.Less(t, len(err.Error()), 1500)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestTooManySignaturesAreRefused(t *testing.T) {
	host, _ := serve(t)
	image, k := pushImage(t, host), ourKeys(t)
	heap := empty.Image
	var all []mutate.Addendum
	for range maxSignatures + 1 {
		all = append(all, mutate.Addendum{Layer: static.NewLayer([]byte("x"), types.MediaType("text/plain"))})
	}
	heap, err := mutate.Append(heap, all...)
	require.NoError(t, err)
	tag, err := name.NewTag(tagOf(image))
	require.NoError(t, err)
	require.NoError(t, remote.Write(tag, heap))
	_, err = Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: k.public})
	require.ErrorContains(t, err, "[sign/too-many]")
	require.Equal(t, record.KindRefused, record.KindOf(err))
}
