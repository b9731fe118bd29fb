package github

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/github/githubtest"
	"github.com/stagecrew/stagecrew/pkg/record"
)

var bundle = `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"certificate":{"rawBytes":"AA=="}},"dsseEnvelope":{"payloadType":"application/vnd.in-toto+json","payload":"` +
	base64.StdEncoding.EncodeToString([]byte(`{"subject":[{"name":"ghcr.io/org/web","digest":{"sha256":"11"}}]}`)) + `","signatures":[{"sig":"AA=="}]}}`

func TestABundleIsStoredAsItIs(t *testing.T) {
	s := serving(t, "attestations: write")
	require.NoError(t, clientOf(t, s).Attest(t.Context(), json.RawMessage(bundle)))
	require.Len(t, s.Attestations(), 1)
	require.JSONEq(t, bundle, string(s.Attestations()[0]))
}

func TestWhyABundleWasNotTakenIsToldApart(t *testing.T) {
	for name, c := range map[string]struct {
		permission, bundle string
		refusal            githubtest.Refusal
		code               string
		mayNot             bool
	}{
		// github/docs#35835, actions/attest#193, Jebel-Quant/rhiza#428.
		"a private repository of a person": {"attestations: write", bundle, githubtest.Refusal{Status: http.StatusForbidden, Message: githubtest.NoAttestations}, CodeNoAttestations, true},
		// ScottKirvan/BojuBot#244: id-token alone is not enough.
		"a job without the permission": {"id-token: write", bundle, githubtest.Refusal{}, CodeNoPermission, true},
		"what a key has signed":        {"attestations: write", strings.Replace(bundle, "certificate", "publicKey", 1), githubtest.Refusal{}, CodeRefused, false},
		// actions/attest#192.
		"a server that breaks": {"attestations: write", bundle, githubtest.Refusal{Status: http.StatusInternalServerError, Message: "Server Error"}, "github/unavailable", false},
	} {
		t.Run(name, func(t *testing.T) {
			s := serving(t, c.permission)
			if c.refusal.Status != 0 {
				s.Refuse(c.refusal)
			}
			err := clientOf(t, s).Attest(t.Context(), json.RawMessage(c.bundle))
			var e *record.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, c.code, e.Code, err)
			require.Equal(t, c.mayNot, MayNot(err))
			require.Len(t, s.Requests(), 1, "what GitHub may have taken is not sent again")
			require.Empty(t, s.Attestations())
		})
	}
}

// actions/attest#78: "Server Error", and no word of the size.
func TestABundleThatIsTooLargeIsNotSent(t *testing.T) {
	s := serving(t, "attestations: write")
	err := clientOf(t, s).Attest(t.Context(), make(json.RawMessage, maxBundle+1))
	require.ErrorContains(t, err, "GitHub takes 23068672")
	require.Empty(t, s.Requests())
}
