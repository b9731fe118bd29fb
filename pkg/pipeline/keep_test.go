package pipeline

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/github/githubtest"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/sign"
)

// kept is what a run logs that has signed two attestations.
func kept(s *githubtest.Server, telling config.Telling, issuer string) string {
	d, log, end := told(s, config.Settings{})
	bundle := json.RawMessage(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"certificate":{}},"dsseEnvelope":{"payloadType":"application/vnd.in-toto+json","payload":"` +
		base64.StdEncoding.EncodeToString([]byte(`{"subject":[{}]}`)) + `"}}`)
	settings := config.Settings{Sign: config.Sign{GitHubAttestations: telling}}
	newSlice(Commands()["sign"], settings, d.host).keep(sign.Signature{Issuer: issuer, Bundles: []json.RawMessage{bundle, bundle}})
	end(record.Record{Verdict: record.VerdictOK})
	return log.String()
}

func TestAttestationsAreInGitHubsStoreWhereTheTokenMay(t *testing.T) {
	const issuer = "https://token.actions.githubusercontent.com"
	// TomHennen/wrangle#597: a release failed for the store that the repository has not.
	none := githubtest.Refusal{Request: "POST /attestations", Status: http.StatusForbidden, Message: githubtest.NoAttestations}
	for name, c := range map[string]struct {
		telling    config.Telling
		issuer     string
		permission string
		refusal    []githubtest.Refusal
		stored     int
		says       string
		warns      bool
	}{
		"a workflow that may":     {telling: config.TellAuto, issuer: issuer, permission: "attestations: write", stored: 2, says: "has attestations of the image"},
		"one that may not":        {telling: config.TellAuto, issuer: issuer, permission: "contents: read", says: "github/no-permission"},
		"no store":                {telling: config.TellAuto, issuer: issuer, permission: "attestations: write", refusal: []githubtest.Refusal{none}, says: "github/no-attestations"},
		"no store, and asked for": {telling: config.TellAlways, issuer: issuer, permission: "attestations: write", refusal: []githubtest.Refusal{none}, says: "github/no-attestations", warns: true},
		"never":                   {telling: config.TellNever, issuer: issuer, permission: "attestations: write"},
		"a key":                   {telling: config.TellAlways, permission: "attestations: write"},
	} {
		t.Run(name, func(t *testing.T) {
			s := githubtest.New(t, []string{c.permission})
			s.Refuse(c.refusal...)
			log := kept(s, c.telling, c.issuer)
			require.Len(t, s.Attestations(), c.stored)
			require.Contains(t, log, c.says)
			require.Equal(t, c.says == "", log == "", log)
			require.Equal(t, c.warns, strings.Contains(log, "level=WARN"), log)
		})
	}
}
