package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/envtest"
)

// tags are those of a repository that people use; the builder's own are left out.
func tags(t *testing.T, repository string) []string {
	t.Helper()
	repo, err := name.NewRepository(repository)
	require.NoError(t, err)
	all, err := remote.List(repo, remote.WithContext(t.Context()))
	if err != nil {
		require.ErrorContains(t, err, "NAME_UNKNOWN")
	}
	return slices.DeleteFunc(all, func(tag string) bool { return strings.HasPrefix(tag, "stagecrew-cache-") })
}

// tagged is the digest that a tag has.
func tagged(t *testing.T, repository, tag string) string {
	t.Helper()
	ref, err := name.NewTag(repository + ":" + tag)
	require.NoError(t, err)
	found, err := remote.Head(ref, remote.WithContext(t.Context()))
	require.NoError(t, err)
	return found.Digest.String()
}

func TestTwoCleanBuildsGiveTheSameDigest(t *testing.T) {
	t.Parallel()
	repository := envtest.Env(t, "E2E_REPOSITORY") + "/e2e-same"
	// Not below the test's own directory, which other users may not enter.
	place, err := os.MkdirTemp("", "stagecrew-same-") //nolint:usetesting // see above
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(place) })
	require.NoError(t, os.Chmod(place, 0o755))
	build := func(dir, repository string, user uint32) record.Image {
		source := filepath.Join(place, dir)
		require.NoError(t, os.MkdirAll(filepath.Dir(source), 0o755))
		out, err := exec.CommandContext(t.Context(), "cp", "-r", envtest.Env(t, "E2E_SOURCE"), source).CombinedOutput()
		require.NoError(t, err, string(out))
		home := source + "-home"
		require.NoError(t, os.Mkdir(home, 0o755))
		binary := filepath.Join(home, "stagecrew")
		out, err = exec.CommandContext(t.Context(), "cp", envtest.Env(t, "E2E_STAGECREW"), binary).CombinedOutput()
		require.NoError(t, err, string(out))
		authorities, err := os.ReadFile(os.Getenv("SSL_CERT_FILE"))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(home, "ca.pem"), authorities, 0o600))
		out, err = exec.CommandContext(t.Context(), "chown", "-R", fmt.Sprint(user), source, home).CombinedOutput()
		require.NoError(t, err, string(out))
		cmd := exec.CommandContext(t.Context(), binary, "build", "--source", source, "--base-image", envtest.Env(t, "E2E_BASE_IMAGE"),
			"--repository", repository, "--no-cache", "--version-label", "1.0.0", "--output", "json")
		cmd.Dir, cmd.Env = home, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home, "SSL_CERT_FILE=" + filepath.Join(home, "ca.pem")}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
		log, err := cmd.StderrPipe()
		require.NoError(t, err)
		go func() {
			for lines := bufio.NewScanner(log); lines.Scan(); {
				t.Log(lines.Text())
			}
		}()
		document, err := cmd.Output()
		require.NoError(t, err)
		var rec record.Record
		require.NoError(t, json.Unmarshal(document, &rec))
		for _, l := range rec.Built.Layers {
			require.NotEqual(t, "reused", l.Origin, "a clean build")
		}
		return rec.Image
	}
	first := build("one", repository+"/one", 0)
	second := build("a/longer/way/to/another", repository+"/two", 65534)
	require.Equal(t, first.Digest, second.Digest)

	require.Empty(t, tags(t, first.Repository), "a build moves no tag")
	valid := stagecrew(t, "validate", "--image", first.String(), "--output", "json")
	require.Equal(t, 0, valid.exit)
	require.NotEmpty(t, valid.record.Checks)
	base := stagecrew(t, "validate", "--image", digestOf(t, envtest.Env(t, "E2E_BASE_IMAGE")), "--output", "json")
	require.Equal(t, 1, base.exit, "the base image alone is not fit for production")
	require.Contains(t, base.record.Error, "[build/not-valid]")
}

func digestOf(t *testing.T, reference string) string {
	t.Helper()
	ref, err := name.ParseReference(reference)
	require.NoError(t, err)
	found, err := remote.Head(ref, remote.WithContext(t.Context()))
	require.NoError(t, err)
	return ref.Context().Name() + "@" + found.Digest.String()
}

// make builds, scans, signs and attests an image without deploying it.
func (h target) make(version string) record.Image {
	built := stagecrew(h.t, "build", "--source", workspace(h.t, map[string]string{"catalog/version.txt": version}), "--base-image", envtest.Env(h.t, "E2E_BASE_IMAGE"),
		"--repository", h.images, "--version-label", version, "--output", "json")
	require.Equal(h.t, 0, built.exit)
	image := built.record.Image
	vuln := filepath.Join(h.t.TempDir(), "vuln.json")
	require.Equal(h.t, 0, stagecrew(h.t, "scan", "--image", image.String(), "--scan-database", envtest.Env(h.t, "E2E_DATABASE"),
		"--scan-cache-dir", h.t.TempDir(), "--scan-cosign-vuln", vuln).exit)
	require.Equal(h.t, 0, stagecrew(h.t, "sign", "--image", image.String(), "--sign-key", envtest.Env(h.t, "E2E_SIGN_KEY"), "--attest", "vuln="+vuln).exit)
	return image
}

func TestTagsOfAReleaseGoForwardOnly(t *testing.T) {
	t.Parallel()
	h := newTarget(t, "e2e-tags")
	older, newer := h.make("1.9.0"), h.make("2.0.0")
	promote := func(image record.Image, version string, more ...string) outcome {
		return stagecrew(t, append([]string{"promote", "--image", image.String(), "--version-label", version, "--verify-key", envtest.Env(t, "E2E_VERIFY_KEY"), "--output", "json"}, more...)...)
	}
	require.Equal(t, 0, promote(newer, "2.0.0").exit)
	late := promote(older, "1.9.0")
	require.Equal(t, 0, late.exit)
	require.Equal(t, newer.Digest, tagged(t, h.images, "latest"), "latest does not move backwards")
	require.Equal(t, older.Digest, tagged(t, h.images, "1"))
	require.Equal(t, []string{"1.9.0", "1.9", "1"}, late.record.TagsHere())
	require.Contains(t, late.stderr, "tag stays")

	again := promote(older, "2.0.0")
	require.Equal(t, 1, again.exit, "a version stays what it was")
	require.Contains(t, again.record.Error, "[build/version-taken]")
	require.Equal(t, newer.Digest, tagged(t, h.images, "2.0.0"))

	away := h.images + "-production"
	moved := promote(newer, "2.0.0", "--to-repository", away)
	require.Equal(t, 0, moved.exit)
	require.Equal(t, newer.Digest, tagged(t, away, "latest"), "the digest stays the same")
	require.Equal(t, 0, stagecrew(t, "verify", "--image", away+"@"+newer.Digest, "--verify-key", envtest.Env(t, "E2E_VERIFY_KEY"), "--require-attestation", "vuln").exit,
		"signature and attestations came along")

	missing := record.Image{Repository: h.images, Digest: strings.Split(digestOf(t, envtest.Env(t, "E2E_BASE_IMAGE")), "@")[1]}
	require.Equal(t, 2, promote(missing, "3.0.0").exit, "it is in another repository")
	unsigned := stagecrew(t, "build", "--source", workspace(t, map[string]string{"catalog/version.txt": "3.0.0"}), "--base-image", envtest.Env(t, "E2E_BASE_IMAGE"),
		"--repository", h.images, "--output", "json").record.Image
	require.Equal(t, 1, promote(unsigned, "3.0.0").exit)
	require.NotContains(t, tags(t, h.images), "3.0.0")
}

func TestWhatTheVerificationRefusesIsNamed(t *testing.T) {
	t.Parallel()
	h := newTarget(t, "e2e-verify")
	image, other := h.make("1.0.0"), h.make("1.0.1")
	key := envtest.Env(t, "E2E_VERIFY_KEY")
	require.Equal(t, 0, stagecrew(t, "verify", "--image", image.String(), "--verify-key", key, "--max-scan-age", "1h").exit)

	// A scan of the one is passed off as one of the other.
	bare := stagecrew(t, "build", "--source", workspace(t, map[string]string{"catalog/version.txt": "1.0.2"}), "--base-image", envtest.Env(t, "E2E_BASE_IMAGE"),
		"--repository", h.images, "--output", "json").record.Image
	require.Equal(t, 0, stagecrew(t, "sign", "--image", bare.String(), "--sign-key", envtest.Env(t, "E2E_SIGN_KEY"), "--attest", "none").exit)
	attestations := func(i record.Image) name.Tag {
		tag, err := name.NewTag(i.Repository + ":" + strings.Replace(i.Digest, ":", "-", 1) + ".att")
		require.NoError(t, err)
		return tag
	}
	copied, err := remote.Image(attestations(other))
	require.NoError(t, err)
	require.NoError(t, remote.Write(attestations(bare), copied))

	// Another key is another identity; the keyless ones are in test/keyless.
	stranger := filepath.Join(t.TempDir(), "stranger.pub")
	require.NoError(t, os.WriteFile(stranger, []byte("-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8nXRh950IZbRj8Ra/N9sbqOPZrfM\n5/KAQN0/KjHcorm/J5yctVd7iEcnessRQjU917hmKO6JWVGHpDguIyakZA==\n-----END PUBLIC KEY-----\n"), 0o600))
	time.Sleep(2 * time.Second) // a scan of one second ago is to be stale
	for _, c := range []struct {
		name, want string
		image      record.Image
		flags      []string
	}{
		{"a signature of somebody else", "[sign/key-mismatch]", image, []string{"--verify-key", stranger}},
		{"an attestation of another digest", "[sign/attestation-other-digest]", bare, []string{"--verify-key", key, "--require-attestation", "vuln"}},
		{"a stale scan", "[sign/scan-stale]", image, []string{"--verify-key", key, "--max-scan-age", "1s"}},
		{"an attestation that is missing", "[sign/attestation-missing]", image, []string{"--verify-key", key, "--require-attestation", "provenance"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := stagecrew(t, append([]string{"verify", "--image", c.image.String(), "--output", "json"}, c.flags...)...)
			require.Equal(t, 1, o.exit)
			require.Equal(t, record.VerdictRefused, o.record.Verdict)
			require.Contains(t, o.record.Error, c.want)
		})
	}
}

func TestAScanThatRefusesLeavesNoTagAndNoSignature(t *testing.T) {
	t.Parallel()
	h := newTarget(t, "e2e-no-tag").alone()
	o := h.run(workspace(t, map[string]string{
		"node_modules/minimist/package.json": `{"name": "minimist", "version": "1.2.5", "license": "MIT"}`,
	}), "1.0.0")
	require.Equal(t, 1, o.exit)
	require.Contains(t, o.record.Error, "[scan/vulnerable]")
	require.Empty(t, tags(t, h.images), "neither a tag of the release nor one with signatures")
	require.NotContains(t, kubectl(t, "get", "namespaces", "-o", "name"), h.namespace)
}

// uploads is a registry behind which the stage's own stands; it counts what is
// written to it.
type uploads struct {
	mu      sync.Mutex
	written []string
}

func countUploads(t *testing.T, registry string) (*uploads, string) {
	t.Helper()
	u := &uploads{}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "https", Host: registry}) },
		ModifyResponse: func(r *http.Response) error {
			if location := r.Header.Get("Location"); location != "" {
				r.Header.Set("Location", strings.Replace(location, "https://"+registry, "", 1))
			}
			return nil
		},
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPatch || r.Method == http.MethodPut {
			u.mu.Lock()
			u.written = append(u.written, r.Method+" "+r.URL.Path)
			u.mu.Unlock()
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return u, strings.TrimPrefix(server.URL, "http://")
}

func TestARunThatIsKilledBetweenPushAndSignSignsTheSameImageLater(t *testing.T) {
	t.Parallel()
	h := newTarget(t, "e2e-killed").alone()
	registry, path, _ := strings.Cut(h.images, "/")
	counted, host := countUploads(t, registry)
	source := workspace(t, map[string]string{"catalog/version.txt": "1.0.0"})
	cache := t.TempDir()
	// The run never gets as far as a cluster: it is about the chain before it.
	arguments := append([]string{"run", "--source", source, "--base-image", envtest.Env(t, "E2E_BASE_IMAGE"), "--repository", host + "/" + path, "--insecure-registry", host,
		"--version-label", "1.0.0", "--scan-database", envtest.Env(t, "E2E_DATABASE"), "--scan-cache-dir", cache,
		"--sign-key", envtest.Env(t, "E2E_SIGN_KEY"), "--verify-key", envtest.Env(t, "E2E_VERIFY_KEY"), "--require-attestation", "provenance"}, h.chart()...)

	cmd := exec.CommandContext(t.Context(), envtest.Env(t, "E2E_STAGECREW"), arguments...)
	log, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	pushed := ""
	for lines := bufio.NewScanner(log); lines.Scan(); {
		t.Log(lines.Text())
		if _, after, found := strings.Cut(lines.Text(), "image pushed by digest image="); found {
			pushed, _, _ = strings.Cut(after, " ")
			require.NoError(t, cmd.Process.Kill())
		}
	}
	require.Error(t, cmd.Wait())
	require.NotEmpty(t, pushed)
	image, err := record.ParseImage(pushed)
	require.NoError(t, err)
	require.NotContains(t, strings.Join(tags(t, h.images), " "), ".sig", "it was killed before it could sign")
	before := len(counted.written)
	require.NotZero(t, before)

	again := stagecrew(t, arguments...)
	require.Equal(t, 1, again.exit, "the provenance, which only a workflow can give, is missing")
	require.Contains(t, again.record.Error, "[sign/attestation-missing]")
	require.Equal(t, image.Digest, again.record.Image.Digest, "the same image")
	for _, l := range again.record.Built.Layers {
		require.NotEqual(t, "sent", l.Origin, l)
	}
	require.Zero(t, again.record.Built.Sent)
	for _, written := range counted.written[before:] {
		require.NotContains(t, written, "/manifests/"+image.Digest, "the image is not written twice")
	}
	require.Equal(t, 0, stagecrew(t, "verify", "--image", h.images+"@"+image.Digest, "--verify-key", envtest.Env(t, "E2E_VERIFY_KEY"), "--require-attestation", "vuln").exit)
}
