package pipeline

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
	"github.com/stagecrew/stagecrew/pkg/sign"
)

// ofImages are the commands whose causes are compared.
var ofImages = []string{"validate", "sign", "verify", "promote"}

// exits are the exit codes of the kinds of errors.
var exits = map[record.Kind]int{record.KindRefused: 1, record.KindInput: 2, record.KindUnavailable: 3, record.KindUnknown: 3}

// TestACauseEndsEachCommandInTheSameWay: a digest that is not there ended five commands
// in four ways. The table in docs/errors.md is the one that is compared.
func TestACauseEndsEachCommandInTheSameWay(t *testing.T) {
	document, err := os.ReadFile("../../docs/errors.md")
	require.NoError(t, err)
	private, public, err := sign.GenerateKeyPair(nil)
	require.NoError(t, err)
	secure := httptest.NewTLSServer(registrytest.Handler())
	t.Cleanup(secure.Close)
	const none = "@sha256:0000000000000000000000000000000000000000000000000000000000000000"
	unsigned, locked := pushed(t), registrytest.Locked(t)
	forbidden := registrytest.Start(t, registrytest.Handler(), registrytest.Answer(registrytest.Asks("", "/team/app/"), http.StatusForbidden, "DENIED", "requested access to the resource is denied"))
	wrong := fmt.Sprintf(`{"auths":{%q:{"username":"me","password":"wrong"}}}`, locked)
	for _, c := range []struct {
		cause, image, logins string
		commands             []string // that can meet it; all when nil
		never                string   // advice that does not fit
	}{
		{"the image is not there", unsigned.Repository + none, "", nil, "reachable"},
		{"the credentials cannot be looked up", unsigned.String(), `{"credsStore":"stagecrew-none"}`, nil, "reachable"},
		{"the registry denies it", locked + "/team/app" + none, "", nil, "reachable"},
		{"the credentials are wrong", locked + "/team/app" + none, wrong, nil, "without credentials"},
		{"the repository is denied to the account", forbidden + "/team/app" + none, "", nil, "reachable"},
		{"the registry cannot be reached", "127.0.0.1:1/team/app" + none, "", nil, "docker login"},
		{"its certificate is not trusted", strings.TrimPrefix(secure.URL, "https://") + "/team/app" + none, "", nil, "reachable"},
		{"the reference is malformed", "127.0.0.1/team/app:latest", "", nil, "reachable"},
		{"the image is not signed", unsigned.String(), "", []string{"verify", "promote"}, "reachable"},
	} {
		row := "| " + c.cause + " |"
		for _, command := range ofImages {
			if c.commands != nil && !strings.Contains(strings.Join(c.commands, " "), command) {
				row += " – |"
				continue
			}
			settings := config.Settings{
				ImageRef: config.ImageRef{Image: c.image}, Registry: config.Registry{InsecureRegistries: []string{"127.0.0.1"}}, Requests: config.Requests{PushAttempts: 1},
				Sign: config.Sign{SignKey: "env://KEY", Attest: []string{"none"}}, Trust: config.Trust{VerifyKey: "env://PUBLIC"}, Tagging: config.Tagging{Tags: []string{"x"}},
			}
			if strings.Contains(c.image, strings.TrimPrefix(secure.URL, "https://")) {
				settings.InsecureRegistries = nil
			}
			var w witness
			err := Run(t.Context(), Commands()[command], settings, w.host("KEY="+string(private), "PUBLIC="+string(public), "DOCKER_AUTH_CONFIG="+c.logins))
			require.Error(t, err, "%s: %s", command, c.cause)
			require.NotContains(t, err.Error(), c.never, "%s: %s", command, c.cause)
			row += fmt.Sprintf(" %d |", exits[record.KindOf(err)])
		}
		require.Contains(t, string(document), "\n"+row+"\n", "docs/errors.md")
	}
}
