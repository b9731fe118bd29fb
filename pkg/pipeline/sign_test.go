package pipeline

import (
	"encoding/json"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/sign"
)

// workflow is the environment of a step.
var workflow = []string{"GITHUB_ACTIONS=true", "GITHUB_SERVER_URL=https://github.test", "GITHUB_REPOSITORY=team/app", "GITHUB_SHA=" + commit,
	"GITHUB_REF=refs/heads/main", "GITHUB_WORKFLOW_REF=team/app/.github/workflows/w.yml@refs/heads/main", "GITHUB_RUN_ID=1", "GITHUB_RUN_ATTEMPT=1", "GITHUB_EVENT_NAME=push"}

func TestClaims_WhatIsAttested(t *testing.T) {
	scanned := map[string]json.RawMessage{"vuln": json.RawMessage(`{}`), "cyclonedx": json.RawMessage(`{}`)}
	file := filepath.Join(t.TempDir(), "claim.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"a":1}`), 0o600))
	large := filepath.Join(t.TempDir(), "large.json")
	require.NoError(t, os.WriteFile(large, make([]byte, maxPredicate+1), 0o600))
	for name, c := range map[string]struct {
		command string
		attest  []string
		environ []string
		scanned map[string]json.RawMessage
		want    []string
		err     string
	}{
		"a run in a workflow attests all that it knows":  {"run", nil, workflow, scanned, []string{sign.PredicateCycloneDX, sign.PredicateProvenance, sign.PredicateVuln}, ""},
		"on a laptop nobody knows where it was built":    {"run", nil, nil, scanned, []string{sign.PredicateCycloneDX, sign.PredicateVuln}, ""},
		"an image that somebody else built":              {"sign", nil, workflow, nil, nil, ""},
		"what was asked for, and no more":                {"run", []string{"vuln"}, workflow, scanned, []string{sign.PredicateVuln}, ""},
		"none":                                           {"run", []string{"none"}, workflow, scanned, nil, ""},
		"the verdict comes later":                        {"run", []string{"verdict", "vuln"}, workflow, scanned, []string{sign.PredicateVuln}, ""},
		"a verdict in a file":                            {"sign", []string{"verdict=" + file}, nil, nil, []string{sign.PredicateVerdict}, ""},
		"a file with a type of its own":                  {"sign", []string{"https://example.test/claim=" + file}, nil, nil, []string{"https://example.test/claim"}, ""},
		"provenance of the workflow that signs":          {"sign", []string{"provenance"}, workflow, nil, []string{sign.PredicateProvenance}, ""},
		"provenance, on a laptop":                        {"sign", []string{"provenance"}, nil, nil, nil, "--attest provenance: only a workflow of GitHub Actions can say where the image was built"},
		"a document that no scan of this run made":       {"sign", []string{"spdx"}, workflow, nil, nil, "--attest spdx: this run has none: give its file, spdx=FILE"},
		"a file that is not there":                       {"sign", []string{"vuln=nowhere"}, nil, nil, nil, "--attest vuln=nowhere: open nowhere"},
		"a file that could not be verified again":        {"sign", []string{"vuln=" + large}, nil, nil, nil, "it is larger than"},
		"a kind that there is not, which is found first": {"sign", []string{"sbom"}, nil, nil, nil, "sbom"},
	} {
		t.Run(name, func(t *testing.T) {
			s := part(t, c.command, config.Settings{Sign: config.Sign{Attest: c.attest}}, c.environ...)
			all, err := s.claims(t.Context(), c.scanned).attestations()
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				require.Equal(t, record.KindInput, record.KindOf(err))
				return
			}
			require.NoError(t, err)
			var types []string
			for _, a := range all {
				types = append(types, a.Type)
			}
			require.Equal(t, c.want, types)
		})
	}
}

func TestReports_WhichFormsOfAScanAreMade(t *testing.T) {
	files := config.ScanReports{SARIF: "a.sarif", SPDX: "a.spdx"}
	for name, c := range map[string]struct {
		attest   []string
		isSigned bool
		want     []document
	}{
		"the files of a scan alone": {nil, false, []document{{"sarif", "a.sarif", ""}, {"spdx-json", "a.spdx", ""}}},
		"a run that signs, whose files are attested, too": {nil, true,
			[]document{{"sarif", "a.sarif", ""}, {"cyclonedx", "", "cyclonedx"}, {"spdx-json", "a.spdx", "spdx"}, {"cosign-vuln", "", "vuln"}}},
		"a run that attests one": {[]string{"vuln"}, true, []document{{"sarif", "a.sarif", ""}, {"spdx-json", "a.spdx", "spdx"}, {"cosign-vuln", "", "vuln"}}},
	} {
		require.Equal(t, c.want, reports(files, c.attest, c.isSigned), name)
	}
}

func TestReadSignOptions_FindsAllThatIsWrong(t *testing.T) {
	key, claim := keyFiles(t).private, filepath.Join(t.TempDir(), "claim.json")
	require.NoError(t, os.WriteFile(claim, []byte("{}"), 0o600))
	for name, c := range map[string]struct {
		settings config.Settings
		environ  []string
		want     []string
	}{
		"nobody to sign as":                 {config.Settings{}, nil, []string{"there is no key to sign with and no identity", "[gha/no-identity]"}},
		"a key that the environment lacks":  {config.Settings{Sign: config.Sign{SignKey: "env://KEY"}}, []string{"KEY="}, []string{"--sign-key env://KEY: the environment has no KEY"}},
		"kinds that there are not":          {config.Settings{Sign: config.Sign{SignKey: key, Attest: []string{"sbom", "x=" + claim}}}, nil, []string{`"sbom"`, `"x"`}},
		"roots for a key that needs none":   {config.Settings{Sign: config.Sign{SignKey: key}, Roots: config.Roots{TrustedRoot: "r"}}, nil, []string{"nothing that it could vouch for"}},
		"a key, and that is enough for all": {config.Settings{Sign: config.Sign{SignKey: key, Attest: []string{"none", "vuln=" + claim, "https://example.test/x"}}}, nil, nil},
		// A run found that out when its image was built and scanned.
		"a file to attest that is not there": {config.Settings{Sign: config.Sign{SignKey: key, Attest: []string{"vuln=nowhere"}}}, nil, []string{"--attest vuln=nowhere: open nowhere"}},
		"one that the run's scan writes":     {config.Settings{Sign: config.Sign{SignKey: key, Attest: []string{"vuln=nowhere"}}, Scan: config.Scan{ScanReports: config.ScanReports{CosignVuln: "nowhere"}}}, nil, nil},
		"a file that is no document":         {config.Settings{Sign: config.Sign{SignKey: key, Attest: []string{"vuln=" + key}}}, nil, []string{"want a JSON object"}},
		"a key that is not there":            {config.Settings{Sign: config.Sign{SignKey: "nowhere"}}, nil, []string{"reading the private key: open nowhere"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := part(t, "sign", c.settings, c.environ...).signOptions()
			if c.want == nil {
				require.NoError(t, err)
			}
			for _, text := range c.want {
				require.ErrorContains(t, err, text)
				require.Equal(t, record.KindInput, record.KindOf(err))
			}
		})
	}
}

// pair is a key pair without a password: its files, or what is in them.
type pair struct{ private, public string }

// keyPair is made once: to make a key and to open it takes a while, on purpose.
var keyPair = sync.OnceValues(func() (pair, error) {
	private, public, err := sign.GenerateKeyPair(nil)
	return pair{string(private), string(public)}, err
})

func keyFiles(t *testing.T) pair {
	t.Helper()
	keys, err := keyPair()
	require.NoError(t, err)
	dir := t.TempDir()
	files := pair{filepath.Join(dir, "cosign.key"), filepath.Join(dir, "cosign.pub")}
	require.NoError(t, os.WriteFile(files.private, []byte(keys.private), 0o600))
	require.NoError(t, os.WriteFile(files.public, []byte(keys.public), 0o600))
	return files
}

// pushed is an image in a registry of the test.
func pushed(t *testing.T) record.Image {
	t.Helper()
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	content, err := random.Image(64, 1)
	require.NoError(t, err)
	digest, err := content.Digest()
	require.NoError(t, err)
	pushed := record.Image{Repository: strings.TrimPrefix(server.URL, "http://") + "/team/app", Digest: digest.String()}
	ref, err := name.NewDigest(pushed.String())
	require.NoError(t, err)
	require.NoError(t, remote.Write(ref, content))
	return pushed
}

// sigstore/cosign#3641, #4019: what other tools wrote is a statement as often as a predicate.
func TestWhatIsAttestedIsWhatItsKindSays(t *testing.T) {
	for _, c := range []struct{ name, kind, document, want string }{
		{"a statement", "https://example.com/x/v1", `{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"x"}],"predicateType":"https://example.com/x/v1","predicate":{}}`, "whole in-toto statement"},
		{"an envelope", "provenance", `{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":[]}`, "signed already"},
		{"a bundle", "cyclonedx", `{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","dsseEnvelope":{}}`, "signed already"},
		{"SPDX as CycloneDX", "cyclonedx", `{"spdxVersion":"SPDX-2.3"}`, "write spdx=FILE"},
		{"CycloneDX as SPDX, by cosign's name", "spdxjson", `{"bomFormat":"CycloneDX"}`, "write cyclonedx=FILE"},
		{"SPDX", "spdx", `{"spdxVersion":"SPDX-2.3"}`, ""},
		{"SPDX 3", "spdx", `{"@context":"https://spdx.org/rdf/3.0.1/spdx-context.jsonld","@graph":[]}`, ""},
		{"CycloneDX", "cyclonedx", `{"bomFormat":"CycloneDX","specVersion":"1.6"}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "claim.json")
			require.NoError(t, os.WriteFile(file, []byte(c.document), 0o600))
			_, err := readClaim(c.kind, file)
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestRun_SignsWithAKeyOfTheEnvironmentAndVerifies(t *testing.T) {
	signed := pushed(t)
	private, public, err := sign.GenerateKeyPair([]byte("pw"))
	require.NoError(t, err)
	claim := filepath.Join(t.TempDir(), "claim.json")
	require.NoError(t, os.WriteFile(claim, []byte("\ufeff"+`{"bomFormat":"CycloneDX"}`), 0o600))
	settings := config.Settings{
		ImageRef: config.ImageRef{Image: signed.String()}, Registry: config.Registry{InsecureRegistries: []string{"127.0.0.1"}},
		Sign:  config.Sign{SignKey: "env://KEY", Attest: []string{"cyclonedx=" + claim, "verdict"}},
		Trust: config.Trust{VerifyKey: "env://PUBLIC", RequireAttestations: []string{"cyclonedx"}}, Secrets: config.Secrets{SignPassword: []byte("pw")},
	}
	environ := []string{"KEY=" + string(private), "PUBLIC=" + string(public)}
	var w witness
	err = Run(t.Context(), Commands()["verify"], settings, w.host(environ...))
	require.Equal(t, record.KindRefused, record.KindOf(err), err)

	require.NoError(t, Run(t.Context(), Commands()["sign"], settings, w.host(environ...)))
	require.Contains(t, w.withheld, string(private))
	require.NotContains(t, w.withheld, string(public))
	require.NoError(t, Run(t.Context(), Commands()["verify"], settings, w.host(environ...)))
	require.Equal(t, signed, w.record.Image)
	require.Contains(t, w.log.String(), "signature verified")

	// The verdict is a claim of its own, about how the run ended.
	settings.RequireAttestations = []string{"verdict"}
	err = Run(t.Context(), Commands()["verify"], settings, w.host(environ...))
	require.ErrorContains(t, err, "verdict")
	require.NoError(t, Run(t.Context(), Command{Stages: []string{"attest"}}, settings, w.host(environ...)))
	require.NoError(t, Run(t.Context(), Commands()["verify"], settings, w.host(environ...)))
}

func TestAttestStage_AFailureChangesNothingAboutHowTheRunEnded(t *testing.T) {
	private, _, err := sign.GenerateKeyPair(nil)
	require.NoError(t, err)
	settings := config.Settings{ImageRef: config.ImageRef{Image: "127.0.0.1:1/a@sha256:" + strings.Repeat("0", 64)}, Registry: config.Registry{InsecureRegistries: []string{"127.0.0.1"}},
		Sign: config.Sign{SignKey: "env://KEY", Attest: []string{"verdict"}}}
	var w witness
	require.NoError(t, Run(t.Context(), Command{Stages: []string{"attest"}}, settings, w.host("KEY="+string(private))))
	require.Contains(t, w.log.String(), "the verdict is not attested")
	require.Equal(t, record.PhaseFailed, w.record.Phases[0].Result)

	settings.Attest = nil
	w = witness{}
	require.NoError(t, Run(t.Context(), Command{Stages: []string{"attest"}}, settings, w.host("KEY="+string(private))))
	require.Empty(t, w.record.Phases, "nobody asked for it")
}

func TestVerifyTarget_WithoutSignatureSettingsNothingIsChecked(t *testing.T) {
	key := keyFiles(t).public
	for name, c := range map[string]struct {
		settings config.Settings
		checked  bool
		err      string
	}{
		"nobody is trusted":              {config.Settings{}, false, ""},
		"unsigned images may pass":       {config.Settings{Unsigned: config.Unsigned{AllowUnsignedUnsafe: true}}, false, ""},
		"a key":                          {config.Settings{Trust: config.Trust{VerifyKey: key}}, true, ""},
		"a key that is not there":        {config.Settings{Trust: config.Trust{VerifyKey: "nowhere"}}, false, "reading the public key: open nowhere"},
		"an identity without its issuer": {config.Settings{Trust: config.Trust{VerifyIdentity: "i"}}, true, "belong together"},
		"a kind that there is not":       {config.Settings{Trust: config.Trust{VerifyKey: key, RequireAttestations: []string{"sbom"}}}, false, "--require-attestation"},
	} {
		t.Run(name, func(t *testing.T) {
			check, err := part(t, "rollback", c.settings).verifyTarget()
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.checked, check != nil)
		})
	}
}

// none names an image that is not there.
const none = "@sha256:0000000000000000000000000000000000000000000000000000000000000000"

// One of user and password alone was silently no login at all.
func TestHalfALoginIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		user, password, missing string
	}{
		"both": {"u", "p\n", ""}, "none": {"", "", ""},
		"a user":     {"u", "", "REGISTRY_PASSWORD"},
		"a password": {"", "p", "REGISTRY_USERNAME"},
	} {
		t.Run(name, func(t *testing.T) {
			settings := config.Settings{ImageRef: config.ImageRef{Image: "127.0.0.1:1/team/app" + none}, Secrets: config.Secrets{RegistryUsername: c.user, RegistryPassword: c.password}}
			s, log := logged(t, "validate", settings)
			_, err := s.prepare()
			require.NoError(t, err)
			require.Equal(t, c.missing != "", strings.Contains(log.String(), "missing="+c.missing))
			given := s.images().Credentials
			if name != "both" {
				require.Empty(t, given)
				return
			}
			require.Equal(t, "p", given[0].Password, "its line break comes from how it was stored")
		})
	}
}
