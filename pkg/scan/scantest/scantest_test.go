package scantest_test

import (
	"io"
	"log"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aquasecurity/trivy-db/pkg/db"
	"github.com/aquasecurity/trivy-db/pkg/metadata"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/scan/scantest"
)

func TestTheDatabaseIsReadableByItsOwnLibrary(t *testing.T) {
	dir := t.TempDir()
	made := time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC)
	require.NoError(t, scantest.Database{UpdatedAt: made}.Build(dir))
	data, err := metadata.NewClient(dir).Get()
	require.NoError(t, err)
	require.Equal(t, metadata.Metadata{Version: 2, UpdatedAt: made, NextUpdate: made.AddDate(0, 0, 1)}, data)

	require.NoError(t, db.Init(dir))
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	found, err := db.Config{}.GetAdvisories("npm::", "minimist")
	require.NoError(t, err)
	require.Len(t, found, 2)
	details, err := db.Config{}.GetVulnerability("CVE-2021-44906")
	require.NoError(t, err)
	require.Equal(t, "minimist: prototype pollution", details.Title)
}

func TestThePushedArtifactHasTheFormOfThePublicOne(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(server.Close)
	for path, push := range map[string]func(string) error{
		"full":  func(ref string) error { return scantest.Push(t.Context(), ref) },
		"empty": func(ref string) error { return scantest.PushEmpty(t.Context(), ref) },
	} {
		ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/" + path + "/trivy-db:2")
		require.NoError(t, err)
		require.NoError(t, push(ref.Name()))
		image, err := remote.Image(ref)
		require.NoError(t, err)
		manifest, err := image.Manifest()
		require.NoError(t, err)
		require.EqualValues(t, "application/vnd.aquasec.trivy.config.v1+json", manifest.Config.MediaType)
		require.Len(t, manifest.Layers, 1)
		require.EqualValues(t, "application/vnd.aquasec.trivy.db.layer.v1.tar+gzip", manifest.Layers[0].MediaType)
		require.Equal(t, "db.tar.gz", manifest.Layers[0].Annotations["org.opencontainers.image.title"])
	}
}
