package build

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
)

const pemKey = "-----BEGIN EC PRIVATE KEY-----\nMHc=\n-----END EC PRIVATE KEY-----\n"

// secretsOf are paths below catalog, which is part of every image, with why they are
// not to be in one; "" for those that are.
var secretsOf = []struct{ path, content, why string }{
	{"a.yaml", "a: b", ""},
	{".gitignore", "x", ""},
	{".gitkeep", "", ""},
	{"environment.yaml", "x", ""},
	{"certificates/ca.pem", "-----BEGIN CERTIFICATE-----\n", ""},
	{"locales.yaml", "x", ""},
	{".env", "x", "environment"},
	{".envrc", "x", "environment"},
	{".env-production", "x", "environment"},
	{".env_prod", "x", "environment"},
	{".ENV", "x", "environment"},
	{"sub/.Env.local", "x", "environment"},
	{".npmrc", "x", "login"},
	{".NPMRC", "x", "login"},
	{".netrc", "x", "login"},
	{".git-credentials", "x", "credentials"},
	{"sub/.git/config", "x", "credentials"},
	{".aws/credentials", "x", "credentials"},
	{".docker/config.json", "x", "credentials"},
	{".kube/config", "x", "credentials"},
	{".ssh/known_hosts", "x", "credentials"},
	{".gnupg/x", "x", "credentials"},
	{"kubeconfig", "x", "credentials"},
	{"x.local.yaml", "x", "machine"},
	{"x.local.yml", "x", "machine"},
	{"app-config.local.yaml", "x", "machine"},
	{"app-config-local.yaml", "x", "machine"},
	{"id_rsa", "x", "key"},
	{"release.p12", "x", "key"},
	{"tls.key", pemKey, "key"},
	{"tls.PEM", "some words\n" + pemKey, "key"},
}

// TestWhatHoldsCredentialsIsLeftOutAndTold: a checkout in which somebody works has
// them (immich-power-tools/immich-power-tools#304), and .git/config has a token
// (SwissDataScienceCenter/renku-python#2269).
func TestWhatHoldsCredentialsIsLeftOutAndTold(t *testing.T) {
	host := registrytest.Serve(t, nil)
	files := portal()
	for _, s := range secretsOf {
		files["catalog/"+s.path] = s.content
	}
	var log bytes.Buffer
	o := options(writeTree(t, files), host, registrytest.PushBase(t, host, types.OCIManifestSchema1))
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	result, err := Build(t.Context(), o)
	require.NoError(t, err)
	there := filesOf(t, result)
	for _, s := range secretsOf {
		_, is := there["app/catalog/"+s.path]
		require.Equal(t, s.why == "", is, s.path)
	}
	require.Contains(t, log.String(), "path=catalog/.aws reason=\"credentials of a tool\"")
	require.Contains(t, log.String(), "and more that is left out")
}

func TestValidateHasTheSameList(t *testing.T) {
	for _, s := range secretsOf {
		name := "app/catalog/" + s.path
		why, err := secretAt(name, &tar.Header{Name: name, Typeflag: tar.TypeReg}, strings.NewReader(s.content))
		require.NoError(t, err)
		require.Equal(t, s.why == "", why == "", s.path)
		require.Contains(t, why, s.why)
		published := "app/node_modules/x/" + s.path
		why, err = secretAt(published, &tar.Header{Name: published, Typeflag: tar.TypeReg}, strings.NewReader(s.content))
		require.NoError(t, err)
		require.Empty(t, why, "what was published is nobody's secret")
	}
}

func TestLinksAreNotFollowedToWhatIsLeftOut(t *testing.T) {
	host := registrytest.Serve(t, nil)
	base := registrytest.PushBase(t, host, types.OCIManifestSchema1)
	for name, link := range map[string][2]string{
		"the folder itself":        {".git", "catalog"},
		"by another link":          {"detour", "catalog"},
		"a configuration":          {"app-config.local.yaml", "app-config.prod2.yaml"},
		"a folder below by a link": {"detour/hooks", "examples"},
	} {
		t.Run(name, func(t *testing.T) {
			files := portal()
			remove(files, "catalog/")
			remove(files, "examples/")
			files[".git/config"], files[".git/hooks/x"], files["app-config.local.yaml"] = "hush", "hush", "hush"
			dir := writeTree(t, files)
			require.NoError(t, os.Symlink(".git", filepath.Join(dir, "detour")))
			require.NoError(t, os.Symlink(link[0], filepath.Join(dir, link[1])))
			result, err := Build(t.Context(), options(dir, host, base))
			require.NoError(t, err)
			for path, content := range filesOf(t, result) {
				require.NotContains(t, content, "hush", path)
			}
		})
	}
}

func TestWhatIsAskedForByNameIsThereButNeverGit(t *testing.T) {
	for _, c := range []struct {
		path    string
		include []string
		there   bool
	}{
		{".env.defaults", []string{".env.defaults"}, true},
		{"deploy/.env", []string{"deploy"}, false},
		{"deploy/.env", []string{"deploy/.env"}, true},
		{".aws/config", []string{".aws"}, true},
		{".aws/.env", []string{".aws"}, false},
		{"tls.p12", []string{"tls.p12"}, true},
		{".git/config", []string{".git/config"}, false},
		{".git-credentials", []string{".git-credentials"}, false},
		{"sub/.GIT/config", []string{"sub/.GIT"}, false},
	} {
		require.Equal(t, c.there, unwelcomeAt(c.path, c.include) == "", "%s of %q", c.path, c.include)
	}
}

// bombs are archives whose files are larger unpacked than any disk.
func TestFilesWithHolesAreRefused(t *testing.T) {
	for name, header := range map[string]tar.Header{
		"by PAX 1.0": {Name: "big", Typeflag: tar.TypeReg, Format: tar.FormatPAX, PAXRecords: map[string]string{"STAGECREW.x": "1"}},
		"outside":    {Name: "../big", Typeflag: tar.TypeReg},
		"absolute":   {Name: "/big", Typeflag: tar.TypeReg},
	} {
		t.Run(name, func(t *testing.T) {
			var text bytes.Buffer
			pack := gzip.NewWriter(&text)
			w := tar.NewWriter(pack)
			require.NoError(t, w.WriteHeader(&header))
			require.NoError(t, w.Close())
			require.NoError(t, pack.Close())
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "a.tar.gz"), text.Bytes(), 0o600))
			source, err := os.OpenRoot(dir)
			require.NoError(t, err)
			defer source.Close()
			target, err := os.OpenRoot(t.TempDir())
			require.NoError(t, err)
			defer target.Close()
			err = unpack(target, source, "a.tar.gz")
			if header.PAXRecords != nil {
				require.NoError(t, err, "the control: a record that says nothing about holes")
				return
			}
			require.ErrorContains(t, err, "[build/odd-file]")
			require.Equal(t, record.KindInput, record.KindOf(err))
		})
	}
	// Go's writer makes none, so that the reader's header stands for one.
	for _, h := range []*tar.Header{
		{Name: "big", Typeflag: tar.TypeGNUSparse},
		{Name: "big", PAXRecords: map[string]string{"GNU.sparse.realsize": "1099511627776"}},
		{Name: "big", PAXRecords: map[string]string{"GNU.sparse.major": "1"}},
	} {
		require.ErrorContains(t, fit(h), "a file with holes")
	}
}
