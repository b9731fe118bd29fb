package sigstore

import (
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/envtest"
)

// bench is what the tests share: a Sigstore, a registry and a key.
type bench struct {
	Sigstore
	withLog     bool
	registry    string
	key, public string
}

func newBench(t *testing.T, withLog bool) *bench {
	b := &bench{Sigstore: Start(t, envtest.Env(t, "E2E_SIGSTORE"), withLog), withLog: withLog}
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true)))
	t.Cleanup(server.Close)
	b.registry = strings.TrimPrefix(server.URL, "http://")
	dir := t.TempDir()
	b.cosign(t, dir, "generate-key-pair")
	b.key, b.public = filepath.Join(dir, "cosign.key"), filepath.Join(dir, "cosign.pub")
	return b
}

// push puts a fresh image into the registry.
func (b *bench) push(t *testing.T) string {
	t.Helper()
	image, err := random.Image(64, 1)
	require.NoError(t, err)
	return b.pushed(t, image)
}

// pushed is the reference of an image by its digest, when it is in the registry.
func (b *bench) pushed(t *testing.T, image v1.Image) string {
	t.Helper()
	digest, err := image.Digest()
	require.NoError(t, err)
	ref, err := name.NewDigest(b.registry + "/team/backstage@" + digest.String())
	require.NoError(t, err)
	require.NoError(t, remote.Write(ref, image))
	return ref.String()
}

// outcome is how a command ended.
type outcome struct {
	stdout, stderr string
	record         record.Record
}

func run(t *testing.T, exit int, dir string, environment []string, program string, args ...string) outcome {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr, cmd.Dir = &stdout, &stderr, dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "COSIGN_PASSWORD=secret words"}, environment...)
	err := cmd.Run()
	o := outcome{stdout: stdout.String(), stderr: stderr.String()}
	var ended *exec.ExitError
	if !errors.As(err, &ended) {
		require.NoError(t, err)
	}
	require.Equal(t, exit, cmd.ProcessState.ExitCode(), "%s %s\n%s%s", filepath.Base(program), strings.Join(args, " "), o.stdout, o.stderr)
	return o
}

// stagecrew runs the program as a job of the workflow that has the permission.
func (b *bench) stagecrew(t *testing.T, exit int, w Workflow, args ...string) outcome {
	t.Helper()
	return b.job(t, exit, slices.Concat(w.Environment(), b.Environment(w)), args...)
}

func (b *bench) job(t *testing.T, exit int, environment []string, args ...string) outcome {
	t.Helper()
	dir := t.TempDir()
	environment = append(environment, "STAGECREW_INSECURE_REGISTRY="+b.registry)
	for _, file := range []string{"GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"} {
		environment = append(environment, file+"="+write(t, dir, file, nil))
	}
	o := run(t, exit, dir, environment, envtest.Env(t, "E2E_STAGECREW"), append(args, "--output", "json")...)
	require.NoError(t, json.Unmarshal([]byte(o.stdout), &o.record), o.stdout)
	return o
}

func (b *bench) cosign(t *testing.T, dir string, args ...string) {
	t.Helper()
	// The legacy format takes no trusted root, and so no key of a log of certificates.
	run(t, 0, dir, []string{"SIGSTORE_CT_LOG_PUBLIC_KEY_FILE=" + b.Sigstore["CTLOG_KEY"]}, filepath.Join(envtest.Env(t, "E2E_TOOLS"), "cosign"), args...)
}

// keyless are the flags of a keyless signature.
func (b *bench) keyless() []string {
	return []string{"--signing-config", b.Sigstore["SIGNING_CONFIG"], "--trusted-root", b.Sigstore["TRUSTED_ROOT"]}
}

// trusting are the flags of a verification that trusts the workflow.
func (b *bench) trusting(w Workflow) []string {
	return []string{"--verify-identity", w.Identity(), "--verify-issuer", b.Sigstore["ISSUER_URL"], "--trusted-root", b.Sigstore["TRUSTED_ROOT"]}
}

// cosignTrusting are the same for cosign, whose defaults ask for the public logs.
func (b *bench) cosignTrusting(format string) []string {
	flags := []string{"--certificate-identity", Release.Identity(), "--certificate-oidc-issuer", b.Sigstore["ISSUER_URL"], "--use-signed-timestamps"}
	if format == "bundle" {
		flags = append(flags, "--new-bundle-format", "--trusted-root", b.Sigstore["TRUSTED_ROOT"])
	} else {
		flags = append(flags, "--new-bundle-format=false", "--ca-roots", b.Sigstore["FULCIO_ROOT"], "--ca-intermediates", b.Sigstore["FULCIO_INTERMEDIATE"],
			"--timestamp-certificate-chain", b.Sigstore["TIMESTAMP_CHAIN"])
	}
	if !b.withLog {
		flags = append(flags, "--insecure-ignore-tlog")
	}
	return flags
}

func TestKeylessSignaturesAndAttestations(t *testing.T) {
	for _, c := range []struct {
		name, format string
		withLog      bool
		found        string // the format that cosign takes; bundle when there are both
	}{
		{"legacy, dated by a timestamp", "legacy", false, "legacy"},
		{"bundle, dated by a timestamp", "bundle", false, "bundle"},
		{"both, dated by a timestamp", "both", false, "bundle"},
		{"bundle, in a transparency log", "bundle", true, "bundle"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, c.withLog)
			image := b.push(t)
			vuln := write(t, t.TempDir(), "vuln.json", []byte(`{"invocation":{},"scanner":{"uri":"x","version":"1","db":{"uri":"","version":""},"result":{}},"metadata":{"scanStartedOn":"`+
				time.Now().UTC().Format(time.RFC3339)+`","scanFinishedOn":"`+time.Now().UTC().Format(time.RFC3339)+`"}}`))
			signing := slices.Concat([]string{"sign", "--image", image, "--sign-format", c.format, "--attest", "provenance", "--attest", "vuln=" + vuln}, b.keyless())
			signed := b.stagecrew(t, 0, Release, signing...)
			require.Contains(t, signed.stderr, "::add-mask::ey", "the token is masked")
			require.Contains(t, signed.stderr, Release.Identity())

			// The certificate is another one each time, the identity is the same.
			require.Contains(t, b.stagecrew(t, 0, Release, signing...).stderr, "stored=0", "signing again stores nothing")

			policy := []string{"--require-attestation", "vuln", "--max-scan-age", "1h", "--verify-repository", "https://github.com/org/repo"}
			b.stagecrew(t, 0, Release, slices.Concat([]string{"verify", "--image", image}, b.trusting(Release), policy)...)
			b.cosign(t, "", slices.Concat([]string{"verify"}, b.cosignTrusting(c.found), []string{image})...)
			b.cosign(t, "", slices.Concat([]string{"verify-attestation", "--type", "vuln"}, b.cosignTrusting(c.found), []string{image})...)
			b.cosign(t, "", slices.Concat([]string{"verify-attestation", "--type", "slsaprovenance1"}, b.cosignTrusting(c.found), []string{image})...)

			stranger := Release
			stranger.Repository = "else/fork"
			refused := b.stagecrew(t, 1, Release, slices.Concat([]string{"verify", "--image", image}, b.trusting(stranger))...)
			require.Contains(t, refused.record.Error, "[sign/identity-mismatch]")
			require.Contains(t, refused.record.Error, Release.Identity(), "who signed is named")
			other := b.push(t)
			b.stagecrew(t, 0, stranger, slices.Concat([]string{"sign", "--image", other, "--sign-format", c.format}, b.keyless())...)
			refused = b.stagecrew(t, 1, Release, slices.Concat([]string{"verify", "--image", other}, b.trusting(Release))...)
			require.Contains(t, refused.record.Error, stranger.Identity())
			require.Equal(t, record.VerdictRefused, refused.record.Verdict)
			b.stagecrew(t, 0, Release, "verify", "--image", image, "--verify-identity-regexp", `https://github\.com/org/repo/\.github/workflows/release\.yml@refs/tags/v.*`,
				"--verify-issuer", b.Sigstore["ISSUER_URL"], "--trusted-root", b.Sigstore["TRUSTED_ROOT"])
		})
	}
}

func TestWhatCosignSignsIsVerified(t *testing.T) {
	b := newBench(t, false)
	token, stamps := b.Token(t, Release), b.Sigstore["TIMESTAMP_URL"]
	legacyKey, bundleKey := b.push(t), b.push(t)
	b.cosign(t, "", "sign", "--yes", "--key", b.key, "--tlog-upload=false", legacyKey)
	b.cosign(t, "", "sign", "--yes", "--key", b.key, "--tlog-upload=false", "--new-bundle-format", bundleKey)
	for _, image := range []string{legacyKey, bundleKey} {
		b.stagecrew(t, 0, Release, "verify", "--image", image, "--verify-key", b.public)
	}
	predicate := write(t, t.TempDir(), "sbom.json", []byte(`{"bomFormat":"CycloneDX","specVersion":"1.5"}`))
	for _, bundle := range []string{"--new-bundle-format=false", "--new-bundle-format=true"} {
		image := b.push(t)
		b.cosign(t, "", "sign", "--yes", "--fulcio-url", b.Sigstore["FULCIO_URL"], "--identity-token", token, "--timestamp-server-url", stamps, "--tlog-upload=false", bundle, image)
		b.cosign(t, "", "attest", "--yes", "--fulcio-url", b.Sigstore["FULCIO_URL"], "--identity-token", token, "--timestamp-server-url", stamps, "--tlog-upload=false", bundle,
			"--type", "cyclonedx", "--predicate", predicate, image)
		b.stagecrew(t, 0, Release, slices.Concat([]string{"verify", "--image", image, "--require-attestation", "cyclonedx"}, b.trusting(Release))...)
	}
}

// The CLI asks for its token itself, as in a job. What it enters in Rekor v2 (dsse
// 0.0.2), sigstore-go cannot read since v1.2: so the CLI alone verifies it.
func TestCosignEntersWhatAJobSignsInTheLog(t *testing.T) {
	b := newBench(t, true)
	image := b.push(t)
	predicate := write(t, t.TempDir(), "sbom.json", []byte(`{"bomFormat":"CycloneDX","specVersion":"1.5"}`))
	for _, command := range [][]string{{"sign"}, {"attest", "--type", "cyclonedx", "--predicate", predicate}} {
		run(t, 0, "", b.Environment(Release), filepath.Join(envtest.Env(t, "E2E_TOOLS"), "cosign"), slices.Concat(command, []string{"--yes", "--new-bundle-format"}, b.keyless(), []string{image})...)
	}
	b.cosign(t, "", slices.Concat([]string{"verify"}, b.cosignTrusting("bundle"), []string{image})...)
	b.cosign(t, "", slices.Concat([]string{"verify-attestation", "--type", "cyclonedx"}, b.cosignTrusting("bundle"), []string{image})...)
}

func TestCosignAcceptsWhatAKeySigned(t *testing.T) {
	b := newBench(t, false)
	sbom := write(t, t.TempDir(), "sbom.json", []byte(`{"bomFormat":"CycloneDX","specVersion":"1.5"}`))
	image := ""
	for _, c := range []struct {
		format string
		flags  []string
	}{{"legacy", nil}, {"bundle", []string{"--new-bundle-format", "--trusted-root", b.Sigstore["TRUSTED_ROOT"]}}, {"both", []string{"--trusted-root", b.Sigstore["TRUSTED_ROOT"]}}} {
		image = b.push(t)
		b.job(t, 0, nil, "sign", "--image", image, "--sign-key", b.key, "--attest", "cyclonedx="+sbom, "--sign-format", c.format)
		b.cosign(t, "", slices.Concat([]string{"verify", "--key", b.public, "--insecure-ignore-tlog"}, c.flags, []string{image})...)
		b.cosign(t, "", slices.Concat([]string{"verify-attestation", "--key", b.public, "--insecure-ignore-tlog", "--type", "cyclonedx"}, c.flags, []string{image})...)
	}
	text, err := os.ReadFile(b.key)
	require.NoError(t, err)
	require.Contains(t, b.job(t, 0, []string{"RELEASE_KEY=" + string(text)}, "sign", "--image", image, "--sign-key", "env://RELEASE_KEY").stderr, "stored=0")
}

func TestAnOutageIsRiddenOut(t *testing.T) {
	b := newBench(t, true)
	image := b.push(t)
	for _, server := range []string{"issuer", "fulcio", "stamps", "rekor"} {
		b.Fail(t, server, 2)
	}
	signed := b.stagecrew(t, 0, Release, slices.Concat([]string{"sign", "--image", image, "--sign-format", "bundle"}, b.keyless())...)
	told, annotated, texts := 0, 0, map[string]bool{}
	for line := range strings.Lines(signed.stderr) {
		switch {
		case !strings.Contains(line, "no answer yet; trying again"):
		case strings.HasPrefix(line, "::warning"):
			annotated++
		default:
			told++
			_, text, _ := strings.Cut(line, "warn: ")
			texts[text] = true
		}
	}
	require.Equal(t, 8, told)
	require.Len(t, texts, annotated, "a warning is an annotation, too, each text once")
	b.stagecrew(t, 0, Release, slices.Concat([]string{"verify", "--image", image}, b.trusting(Release))...)
}

func TestALogWithoutPromisesHasNoLegacySignatures(t *testing.T) {
	b := newBench(t, true)
	refused := b.stagecrew(t, 2, Release, slices.Concat([]string{"sign", "--image", b.push(t), "--sign-format", "legacy"}, b.keyless())...)
	require.Contains(t, refused.record.Error, "[sign/format]")
	require.Contains(t, refused.record.Error, "--sign-format bundle")
}

func TestAJobWithoutThePermissionIsToldWhatToAdd(t *testing.T) {
	b := newBench(t, false)
	image := b.push(t)
	refused := b.job(t, 2, Release.Environment(), slices.Concat([]string{"sign", "--image", image}, b.keyless())...)
	require.Contains(t, refused.record.Error, "id-token: write")
	require.Contains(t, refused.record.Error, "[gha/no-identity]")
	fork := append(Release.Environment(), "ACTIONS_ID_TOKEN_REQUEST_URL="+b.Sigstore["ACTIONS_ID_TOKEN_REQUEST_URL"], "ACTIONS_ID_TOKEN_REQUEST_TOKEN=another")
	refused = b.job(t, 2, fork, slices.Concat([]string{"sign", "--image", image}, b.keyless())...)
	require.Contains(t, refused.record.Error, "[gha/identity-refused]")
}
