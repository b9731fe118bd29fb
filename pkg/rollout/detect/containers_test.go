package detect

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
)

func TestAPullIsClassifiedByTheRegistrysWordsNotByTheDigest(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0", 20) + "401" + strings.Repeat("0", 20) + "403" + strings.Repeat("0", 18)
	for name, c := range map[string]struct{ message, code string }{
		"a 503 for a digest that holds 401":  {"failed to resolve r.test/web@" + digest + ": 503 Service Unavailable", causes.PullFailed},
		"a status code alone":                {"HEAD https://r.test/v2/web/manifests/" + digest + ": unexpected status code 403", causes.PullDenied},
		"missing, or hidden without a login": {"pull access denied, repository does not exist or may require authorization", causes.PullDenied},
		"missing":                            {"r.test/web@" + digest + ": not found", causes.ImageNotFound},
		"not for this machine":               {"no match for platform in manifest", causes.ImageNotFound},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.code, pullCode(c.message)) })
	}
}
