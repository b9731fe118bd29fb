package scenarios

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/stagecrew/stagecrew/test/envtest"
)

// registry is where the stage's images are.
func (s *site) registry() string { return envtest.Env(s.t, "E2E_REPOSITORY") }

// pushedChart pushes the scenarios' chart and gives its reference: with this tag, or
// with its digest after "@".
func pushedChart(suffix string) func(*site) string {
	return func(s *site) string {
		s.t.Helper()
		reference := s.registry() + "/charts/scenario"
		digest := s.push(reference + ":0.1.0")
		if suffix == "@" {
			suffix += digest
		}
		return "oci://" + reference + suffix
	}
}

// artifact is an OCI manifest as it stands.
type artifact []byte

func (a artifact) RawManifest() ([]byte, error)      { return a, nil }
func (artifact) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

func (s *site) push(reference string) (digest string) {
	t := s.t
	t.Helper()
	tag, err := name.NewTag(reference)
	require.NoError(t, err)
	metadata, err := os.ReadFile(filepath.Join(ownChart(s), "Chart.yaml"))
	require.NoError(t, err)
	config, err := yaml.YAMLToJSON(metadata)
	require.NoError(t, err)
	manifest := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1,
		Config: s.blob(tag, "application/vnd.cncf.helm.config.v1+json", config),
		Layers: []v1.Descriptor{s.blob(tag, "application/vnd.cncf.helm.chart.content.v1.tar+gzip", packed(s))}}
	raw, err := json.Marshal(manifest)
	require.NoError(t, err)
	require.NoError(t, remote.Put(tag, artifact(raw), remote.WithContext(s.ctx)))
	sum, _, err := v1.SHA256(bytes.NewReader(raw))
	require.NoError(t, err)
	return sum.String()
}

func (s *site) blob(tag name.Tag, kind types.MediaType, content []byte) v1.Descriptor {
	s.t.Helper()
	layer := static.NewLayer(content, kind)
	require.NoError(s.t, remote.WriteLayer(tag.Context(), layer, remote.WithContext(s.ctx)))
	digest, err := layer.Digest()
	require.NoError(s.t, err)
	return v1.Descriptor{MediaType: kind, Digest: digest, Size: int64(len(content))}
}

// packed is the scenarios' chart as `helm package` makes it.
func packed(s *site) []byte {
	s.t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	for _, file := range []string{"Chart.yaml", "values.yaml", "templates/workload.yaml"} {
		content, err := os.ReadFile(filepath.Join(ownChart(s), file))
		require.NoError(s.t, err)
		require.NoError(s.t, archive.WriteHeader(&tar.Header{Name: "scenario/" + file, Mode: 0o644, Size: int64(len(content))}))
		_, err = archive.Write(content)
		require.NoError(s.t, err)
	}
	require.NoError(s.t, archive.Close())
	require.NoError(s.t, zip.Close())
	return out.Bytes()
}
