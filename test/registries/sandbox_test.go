package registries

import (
	"fmt"
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
