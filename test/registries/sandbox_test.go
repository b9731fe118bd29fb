package registries

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/sign"
	"github.com/stagecrew/stagecrew/test/envtest"
)

// TestCNCFDistributionIsServed: all operations are right with the registry of the sandbox.
func TestCNCFDistributionIsServed(t *testing.T) {
	host, path, _ := strings.Cut(envtest.Env(t, "E2E_REPOSITORY"), "/")
	private, public, err := sign.GenerateKeyPair(nil)
	require.NoError(t, err)
	s := &stage{host: host, plain: host, prefix: strings.TrimPrefix(path+"/", "/") + fmt.Sprintf("registries-%d/", time.Now().UnixNano()), private: private, public: public, access: brisk(host)}
	s.fill(t)
	for _, o := range operations {
		t.Run(o.name, func(t *testing.T) { require.NoError(t, o.do(t.Context(), t, s)) })
	}
}

// TestCNCFDistributionWithHabitsIsServedOrRefusedByName: the same habits before a registry
// that many run. It has no referrers API, so that the cells differ from the document's.
func TestCNCFDistributionWithHabitsIsServedOrRefusedByName(t *testing.T) {
	host, path, _ := strings.Cut(envtest.Env(t, "E2E_REPOSITORY"), "/")
	private, public, err := sign.GenerateKeyPair(nil)
	require.NoError(t, err)
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "https", Host: host})
		r.Out.Host = r.In.Host
		r.Out.Header.Del("Authorization") // it knows nobody
	}}
	for n, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			k.handler = func() http.Handler { return proxy }
			s := k.stage(t, private, public, strings.TrimPrefix(path+"/", "/")+fmt.Sprintf("habits-%d-%d/", time.Now().UnixNano(), n))
			for _, o := range operations {
				t.Log(o.name, ending(t, o.do(t.Context(), t, s), k.words))
			}
		})
	}
}
