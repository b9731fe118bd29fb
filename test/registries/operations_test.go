package registries

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/build"
	"github.com/stagecrew/stagecrew/pkg/build/tree/treetest"
	"github.com/stagecrew/stagecrew/pkg/promote"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
	"github.com/stagecrew/stagecrew/pkg/retry"
	"github.com/stagecrew/stagecrew/pkg/sign"
	"github.com/stagecrew/stagecrew/pkg/tags"
	"github.com/stagecrew/stagecrew/pkg/validate"
)

// stage is a registry with what the operations find there.
type stage struct {
	host    string // with the habits
	plain   string // the same registry without them
	prefix  string // of repositories, "" or ending in a slash
	access  registry.Access
	private []byte
	public  []byte

	unsigned, signed, bundled, older string // digests in team/app
}

// operation is what a command does with a registry.
type operation struct {
	name string
	// do is right when there is no error and what it did is seen from the plain side.
	do func(ctx context.Context, t *testing.T, s *stage) error
}

var operations = []operation{
	{"build", buildOne}, {"validate", validateOne}, {"sign", signOne}, {"attest again", attestOne},
	{"verify", verifyOne}, {"verify bundles", verifyBundles}, {"promote", promoteOne}, {"move tags", moveTags},
}

func (s *stage) image(host, path, digest string) record.Image {
	return record.Image{Repository: host + "/" + s.prefix + path, Digest: digest}
}

// fill puts images there: one that is signed and attested, one with bundles only, and two
// with nothing.
func (s *stage) fill(t *testing.T) {
	t.Helper()
	put := func(content, tag string) string {
		image := mutate.Annotations(registrytest.EmptyImage(t), map[string]string{"content": content}).(v1.Image)
		image, err := mutate.ConfigFile(image, &v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: registrytest.RootFS(t, image)})
		require.NoError(t, err)
		digest, err := image.Digest()
		require.NoError(t, err)
		for _, one := range strings.Split(tag, " ") {
			ref, err := name.ParseReference(s.plain + "/" + s.prefix + "team/app:" + one)
			require.NoError(t, err)
			require.NoError(t, remote.Write(ref, image))
		}
		return digest.String()
	}
	s.unsigned, s.signed, s.bundled, s.older = put("a", "a"), put("b", "b"), put("c", "c"), put("d", "1 1.0.0 1.3.0 stable")
	for digest, format := range map[string]record.SignatureFormat{s.signed: record.SignatureBoth, s.bundled: record.SignatureBundle} {
		_, err := sign.Sign(t.Context(), sign.SignOptions{Registry: s.access, Image: s.image(s.plain, "team/app", digest), KeyPEM: s.private, Format: format, Attestations: []sign.Attestation{claim("first")}})
		require.NoError(t, err)
	}
}

func claim(n string) sign.Attestation {
	return sign.Attestation{Type: "https://example.com/claim/" + n, Predicate: json.RawMessage(`{}`)}
}

// holds verifies an image with its claims.
func (s *stage) holds(ctx context.Context, image record.Image, claims ...string) error {
	o := sign.VerifyOptions{Registry: s.access, Image: image, KeyPEM: s.public}
	for _, one := range claims {
		o.Policy.Attestations = append(o.Policy.Attestations, claim(one).Type)
	}
	_, err := sign.Verify(ctx, o)
	return err
}

func buildOne(ctx context.Context, t *testing.T, s *stage) error {
	base := registrytest.PushBase(t, s.plain+"/"+strings.TrimSuffix(s.prefix+"base", "/"), types.OCIManifestSchema1)
	source := treetest.Write(t, map[string]string{
		"package.json": `{"workspaces":["packages/*"]}`, "package-lock.json": `{"lockfileVersion":3}`, "backstage.json": `{"version":"1.55.0"}`,
		"app-config.yaml": "app: {title: Test}\n", "app-config.production.yaml": "backend: {listen: ':7007'}\n", "node_modules/pg/package.json": `{"name":"pg"}`,
		"packages/backend/package.json": `{"name":"backend","main":"dist/index.cjs.js"}`, "packages/backend/dist/index.cjs.js": "'use strict';\n",
	})
	built, err := build.Build(ctx, build.Options{
		Builder: record.BuilderLayers, Images: s.access, Source: source, BaseImage: s.host + strings.TrimPrefix(base, s.plain), Platform: "linux/amd64",
		Repository: s.host + "/" + s.prefix + "team/portal", Version: "1.0.0",
	})
	if err == nil {
		registrytest.Complete(t, s.image(s.plain, "team/portal", built.Image.Digest))
	}
	return err
}

func validateOne(ctx context.Context, t *testing.T, s *stage) error {
	checks, err := validate.Image(ctx, s.access, s.image(s.host, "team/app", s.unsigned))
	if err == nil {
		require.NotEmpty(t, checks)
	}
	return err
}

func signOne(ctx context.Context, t *testing.T, s *stage) error {
	_, err := sign.Sign(ctx, sign.SignOptions{Registry: s.access, Image: s.image(s.host, "team/app", s.unsigned), KeyPEM: s.private, Attestations: []sign.Attestation{claim("first")}})
	if err == nil {
		require.NoError(t, s.holds(ctx, s.image(s.plain, "team/app", s.unsigned), "first"))
	}
	return err
}

func attestOne(ctx context.Context, t *testing.T, s *stage) error {
	_, err := sign.Attest(ctx, sign.SignOptions{Registry: s.access, Image: s.image(s.host, "team/app", s.signed), KeyPEM: s.private, Attestations: []sign.Attestation{claim("second")}})
	if err == nil {
		require.NoError(t, s.holds(ctx, s.image(s.plain, "team/app", s.signed), "first", "second"))
	}
	return err
}

// verifyOne also asks for what is not there: that is refused, unless the registry does not
// tell.
func verifyOne(ctx context.Context, _ *testing.T, s *stage) error {
	if err := s.holds(ctx, s.image(s.host, "team/app", s.signed), "first"); err != nil {
		return err
	}
	return errors.Join(
		otherThan("sign/no-signature", s.holds(ctx, s.image(s.host, "team/app", s.older))),
		otherThan("sign/attestation-missing", s.holds(ctx, s.image(s.host, "team/app", s.signed), "third")),
	)
}

func verifyBundles(ctx context.Context, _ *testing.T, s *stage) error {
	return s.holds(ctx, s.image(s.host, "team/app", s.bundled), "first")
}

// otherThan wants an error with a code.
func otherThan(code string, err error) error {
	var sorted *record.Error
	switch {
	case !errors.As(err, &sorted):
		return fmt.Errorf("want %s, got %w", code, cmp.Or(err, errors.New("no error")))
	case sorted.Code == code:
		return nil
	}
	return err
}

func promoteOne(ctx context.Context, t *testing.T, s *stage) error {
	image := s.image(s.host, "team/app", s.signed)
	beside := func(ctx context.Context, repository string, digests []string) error {
		copied, err := sign.Copy(ctx, sign.VerifyOptions{Registry: s.access, Image: image, KeyPEM: s.public}, digests, repository)
		if err == nil {
			require.Empty(t, copied.Left)
		}
		return err
	}
	promoted, err := promote.Image(ctx, promote.Options{Registry: s.access, Beside: beside}, image, s.host+"/"+s.prefix+"production/app")
	if err == nil {
		there := s.image(s.plain, "production/app", promoted.Digest)
		registrytest.Complete(t, there)
		require.NoError(t, s.holds(ctx, there, "first"))
	}
	return err
}

// moveTags has one that has to stay, for 1.3.0 is there, and one that goes.
func moveTags(ctx context.Context, t *testing.T, s *stage) error {
	image := s.image(s.host, "team/app", s.unsigned)
	moved, err := tags.Apply(ctx, s.access, image, []tags.Move{{Tag: "1", Forward: true, Version: "1.2.0"}, {Tag: "stable"}})
	if err != nil {
		return err
	}
	require.Len(t, moved, 2)
	for tag, want := range map[string]string{"1": s.older, "stable": s.unsigned} {
		require.Equal(t, want, registrytest.Find(t, s.plain+"/"+s.prefix+"team/app:"+tag).Digest, tag)
	}
	return nil
}

// brisk does not make a test wait.
func brisk(hosts ...string) registry.Access {
	return registry.Access{Insecure: hosts, Retry: retry.Policy{Attempts: 4, First: time.Millisecond, Longest: 5 * time.Millisecond}}
}
