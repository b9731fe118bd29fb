//go:build goexperiment.jsonv2 && !notrivy

package scan_test

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
	"github.com/stagecrew/stagecrew/pkg/retry"
	"github.com/stagecrew/stagecrew/pkg/scan"
)

// hasty asks registries in clear text, and again soon.
var hasty = registry.Access{Insecure: []string{"127.0.0.1"}, Retry: retry.Policy{Attempts: 3, First: time.Millisecond, Longest: 5 * time.Millisecond}}

// Trivy gives a scan up when one layer breaks off (aquasecurity/trivy#5440,
// aquasecurity/trivy-action#202).
func TestALayerThatBreaksOffIsAskedForAgain(t *testing.T) {
	s := withDatabase(t)
	vulnerable := image(t, map[string]string{"app/node_modules/minimist/package.json": `{"name":"minimist","version":"1.2.5"}`})
	large, err := random.Layer(3<<20, "application/vnd.oci.image.layer.v1.tar+gzip")
	require.NoError(t, err)
	whole, err := mutate.AppendLayers(vulnerable, large)
	require.NoError(t, err)
	pushed := s.pushImage(t, whole)
	digest, err := large.Digest()
	require.NoError(t, err)
	var broken atomic.Int32
	s.answer = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, digest.String()) || broken.Add(1) > 1 {
			return false
		}
		content, err := large.Compressed()
		if err == nil {
			size, _ := large.Size()
			w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
			_, _ = io.CopyN(w, content, size/2)
		}
		registrytest.HangUp(w)
		return true
	}
	result, err := scan.Scan(t.Context(), s.options(pushed))
	require.NoError(t, err)
	require.EqualValues(t, 2, broken.Load(), "it was asked for twice")
	require.Len(t, result.Findings, 1)
}
