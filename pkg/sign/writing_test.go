package sign

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	memory "github.com/google/go-containerregistry/pkg/registry"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
)

// quirks of a registry.
type quirks struct {
	referrers bool          // it lists what refers to an image
	versions  bool          // it writes a tag only over the version that the writer has read
	immutable bool          // it writes each tag once
	slow      time.Duration // how long the writing of a tag takes
}

// counted is a registry with quirks, and how many manifests were written there.
type counted struct {
	host    string
	mu      sync.Mutex
	written []string
}

func (c *counted) names() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.written...)
}

func serveQuirks(t *testing.T, q quirks) *counted {
	t.Helper()
	handler := registrytest.Handler()
	if q.referrers {
		handler = memory.New(memory.Logger(log.New(io.Discard, "", 0)), memory.WithReferrersSupport(true))
	}
	c := &counted{}
	versions := map[string]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tag := strings.Contains(r.URL.Path, "/manifests/sha256-")
		if tag && r.Method == http.MethodPut {
			time.Sleep(q.slow)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/") {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				panic(err)
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			before := versions[r.URL.Path]
			switch {
			case tag && q.immutable && before != "":
				w.WriteHeader(http.StatusBadRequest)
				_, _ = w.Write([]byte(`{"errors":[{"code":"TAG_INVALID","message":"the tag cannot be overwritten"}]}`))
				return
			case tag && q.versions && before != "" && r.Header.Get("If-Match") != before:
				w.WriteHeader(http.StatusPreconditionFailed)
				return
			}
			sum := sha256.Sum256(body)
			versions[r.URL.Path] = `"` + hex.EncodeToString(sum[:]) + `"`
			c.written = append(c.written, r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:])
		}
		if q.versions && r.Method == http.MethodGet && versions[r.URL.Path] != "" {
			w.Header().Set("ETag", versions[r.URL.Path])
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	c.host = strings.TrimPrefix(server.URL, "http://")
	return c
}

// claim is an attestation of a type of its own.
func claim(n int) Attestation {
	return Attestation{fmt.Sprintf("https://example.com/claim/%d", n), json.RawMessage(`{}`)}
}

// TestTwoSignersAtOnceLoseNothing: sigstore/cosign#2432 (of several `cosign attest` at the
// same time only the last one is stored), opencontainers/distribution-spec#250 (ETag).
func TestTwoSignersAtOnceLoseNothing(t *testing.T) {
	for name, q := range map[string]quirks{
		"a list of referrers by tag": {slow: 50 * time.Millisecond},
		"the referrers API":          {slow: 50 * time.Millisecond, referrers: true},
		"versions of tags":           {slow: 50 * time.Millisecond, versions: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			host, k, other := serveQuirks(t, q).host, ourKeys(t), theirKeys(t)
			for _, format := range []record.SignatureFormat{record.SignatureLegacy, record.SignatureBundle} {
				image := pushImage(t, host)
				var group errgroup.Group
				for i := range 4 {
					by := []pair{k, other}[i%2]
					group.Go(func() error {
						_, err := Sign(t.Context(), SignOptions{Registry: brisk, Image: image, Key: by.private, Password: []byte(password), Format: format, Attestations: []Attestation{claim(i)}})
						return err
					})
				}
				require.NoError(t, group.Wait())
				for i, by := range []pair{k, other, k, other} {
					_, err := Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: by.public, Policy: Policy{Attestations: []string{claim(i).Type}}})
					require.NoError(t, err, format)
				}
			}
		})
	}
}

// TestTwoProcessesAtOnceLoseNothing: as above, and as two jobs of a workflow are.
func TestTwoProcessesAtOnceLoseNothing(t *testing.T) {
	t.Parallel()
	program, err := os.Executable()
	require.NoError(t, err)
	host, k := serveQuirks(t, quirks{slow: 100 * time.Millisecond}).host, ourKeys(t)
	image := pushImage(t, host)
	var group errgroup.Group
	for i := range 2 {
		group.Go(func() error {
			job := exec.CommandContext(t.Context(), program, "-test.run=^TestAnotherProcessSigns$")
			job.Env = append(os.Environ(), "SIGN_IMAGE="+image.String(), "SIGN_KEY="+k.private, fmt.Sprintf("SIGN_CLAIM=%d", i))
			text, err := job.CombinedOutput()
			if err != nil {
				return fmt.Errorf("%w: %s", err, text)
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	_, err = Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: k.public, Policy: Policy{Attestations: []string{claim(0).Type, claim(1).Type}}})
	require.NoError(t, err)
}

// TestAnotherProcessSigns is the other process of the test above.
func TestAnotherProcessSigns(t *testing.T) {
	if os.Getenv("SIGN_IMAGE") == "" {
		t.Skip("it is started by TestTwoProcessesAtOnceLoseNothing")
	}
	image, err := record.ParseImage(os.Getenv("SIGN_IMAGE"))
	require.NoError(t, err)
	var n int
	_, err = fmt.Sscan(os.Getenv("SIGN_CLAIM"), &n)
	require.NoError(t, err)
	_, err = Attest(t.Context(), SignOptions{Registry: brisk, Image: image, Key: os.Getenv("SIGN_KEY"), Password: []byte(password), Attestations: []Attestation{claim(n)}})
	require.NoError(t, err)
	_, err = Sign(t.Context(), SignOptions{Registry: brisk, Image: image, Key: os.Getenv("SIGN_KEY"), Password: []byte(password)})
	require.NoError(t, err)
}

// TestImmutableTagsAreFoundBeforeAnythingIsStored, also without the referrers API:
// actions/attest-build-provenance#80 (Google's Artifact Registry), JiRaska/open-bank-oss#8981.
func TestImmutableTagsAreFoundBeforeAnythingIsStored(t *testing.T) {
	t.Parallel()
	k := ourKeys(t)
	for name, c := range map[string]struct {
		referrers     bool
		first, second record.SignatureFormat
		want          []string
		way           record.SignatureFormat // that the advice names, "" when there is none left
	}{
		"a second bundle, without the referrers API":      {false, record.SignatureBundle, record.SignatureBundle, []string{"except the tags sha256-*", "--sign-format legacy"}, record.SignatureLegacy},
		"both formats again, without the referrers API":   {false, record.SignatureBoth, record.SignatureBoth, []string{"except the tags sha256-*"}, ""},
		"a second attestation, with the referrers API":    {true, record.SignatureBoth, record.SignatureBoth, []string{"--sign-format bundle"}, record.SignatureBundle},
		"a second attestation, without the referrers API": {false, record.SignatureLegacy, record.SignatureBoth, []string{"--sign-format bundle", "written once"}, record.SignatureBundle},
	} {
		t.Run(name, func(t *testing.T) {
			seen := serveQuirks(t, quirks{immutable: true, referrers: c.referrers})
			image := pushImage(t, seen.host)
			o := SignOptions{Registry: brisk, Image: image, Key: k.private, Password: []byte(password), Format: c.first, Attestations: []Attestation{claim(0), claim(1)}}
			_, err := Sign(t.Context(), o)
			require.NoError(t, err, "each tag is written once")
			before := seen.names()
			o.Format, o.Attestations = c.second, []Attestation{claim(2)}
			_, err = Attest(t.Context(), o)
			for _, part := range append(c.want, "[sign/tag-immutable]") {
				require.ErrorContains(t, err, part)
			}
			for _, reference := range seen.names()[len(before):] {
				require.Contains(t, reference, "sha256:", "nothing got a tag")
			}
			require.Equal(t, record.KindInput, record.KindOf(err))
			_, err = Verify(t.Context(), VerifyOptions{Registry: brisk, Image: image, Key: k.public, Policy: Policy{Attestations: []string{claim(2).Type}}})
			require.ErrorContains(t, err, "[sign/attestation-missing]")
			if c.way != "" {
				o.Format = c.way
				_, err = Attest(t.Context(), o)
				require.NoError(t, err, "the advice is good")
			}
		})
	}
}
