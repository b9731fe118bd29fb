package sign

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	protocommon "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// A log whose first answer was lost says that it has the entry (409) when it is sent again:
// sigstore/sigstore-go#647, actions/attest-build-provenance#110,
// afreidah/s3-orchestrator#1032, ChainSafe/lodestar#9703.
func TestAnEntryThatTheLogHasAlreadyIsTaken(t *testing.T) {
	id := strings.Repeat("0f", 40)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	owner, err := cryptoutils.MarshalPublicKeyToPEM(key.Public())
	require.NoError(t, err)
	digest := sha256.Sum256([]byte("what was signed"))
	signed, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	require.NoError(t, err)

	for name, c := range map[string]struct {
		conflict  string
		entryGone bool
		want      string // of the error
	}{
		"by its words":          {"an equivalent entry already exists in the transparency log with UUID " + id, false, ""},
		"the entry is not told": {"there is one", false, "createLogEntryConflict"},
		"it is not there":       {"an equivalent entry already exists in the transparency log with UUID " + id, true, "it has the entry already"},
	} {
		t.Run(name, func(t *testing.T) {
			var proposed json.RawMessage
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				switch {
				case r.Method == http.MethodPost:
					_ = json.NewDecoder(r.Body).Decode(&proposed)
					w.WriteHeader(http.StatusConflict)
					_ = json.NewEncoder(w).Encode(map[string]any{"code": 409, "message": c.conflict})
				case c.entryGone || !strings.HasSuffix(r.URL.Path, "/"+id):
					w.WriteHeader(http.StatusNotFound)
				default:
					_ = json.NewEncoder(w).Encode(map[string]any{id: map[string]any{
						"body": []byte(proposed), "integratedTime": 1700000000, "logID": strings.Repeat("ab", 32), "logIndex": 7,
						"verification": map[string]any{"signedEntryTimestamp": []byte("promise"), "inclusionProof": map[string]any{
							"checkpoint": "log\n1\nAA==\n", "hashes": []string{}, "logIndex": 0, "rootHash": strings.Repeat("cd", 32), "treeSize": 1,
						}},
					}})
				}
			}))
			defer server.Close()
			made := &protobundle.Bundle{
				VerificationMaterial: &protobundle.VerificationMaterial{},
				Content: &protobundle.Bundle_MessageSignature{MessageSignature: &protocommon.MessageSignature{
					MessageDigest: &protocommon.HashOutput{Algorithm: protocommon.HashAlgorithm_SHA2_256, Digest: digest[:]}, Signature: signed,
				}},
			}
			s := services{logs: []root.Service{{URL: server.URL, MajorAPIVersion: 1}}}
			err := s.witness(t.Context(), made, signed, owner, slog.New(slog.DiscardHandler))
			if c.want != "" {
				require.ErrorContains(t, err, c.want)
				require.ErrorContains(t, err, "[sign/authority]")
				require.Empty(t, made.VerificationMaterial.TlogEntries)
				return
			}
			require.NoError(t, err)
			require.Len(t, made.VerificationMaterial.TlogEntries, 1)
			entry := made.VerificationMaterial.TlogEntries[0]
			require.EqualValues(t, 7, entry.LogIndex)
			require.Equal(t, "promise", string(entry.InclusionPromise.SignedEntryTimestamp))
			require.Equal(t, "hashedrekord", entry.KindVersion.Kind)
		})
	}
}

// A home folder in which nothing can be written: sigstore/cosign#1210, kyverno/kyverno#3266,
// kubernetes-sigs/security-profiles-operator#3162.
func TestTheRootsAreKeptWhereSomethingCanBeWritten(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	require.False(t, publicRoots().DisableLocalCache)
	require.DirExists(t, filepath.Join(home, ".sigstore", "root"))

	file := filepath.Join(home, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	t.Setenv("HOME", file)
	require.True(t, publicRoots().DisableLocalCache)
}

// What people give as a key: sigstore/cosign#3836, #3885.
func TestAKeyOfAnotherProgramIsCalledWhatItIs(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n":                            "a certificate: give the key in it",
		"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmDME\n=abcd\n-----END PGP PUBLIC KEY BLOCK-----\n": "a key of GPG",
		"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI robot@example.com\n":                                 "a key of SSH",
		"\ufeffuntrusted comment: minisign public key\nRWQ\n":                                       "a key of minisign",
	} {
		_, err := loadPublicKeys(t.Context(), "", []byte(content))
		require.ErrorContains(t, err, want)
		require.Equal(t, record.KindInput, record.KindOf(err))
		_, err = loadPrivateKey(t.Context(), "", []byte(content), nil)
		require.ErrorContains(t, err, want)
	}
}
