package images

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/migrations"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
)

func TestTextsAreThoseOfTheHighestLayer(t *testing.T) {
	host := registrytest.Serve(t, func(*http.Request) {})
	image := push(t, host, nil, layerOf(t, "usr/bin/node"), packed(t, "zstd", one, search), layerOf(t, two))
	folder := "@backstage/plugin-catalog-backend/migrations"
	wanted := migrations.Set{folder: {"20200511113813_init.js", "20200702153613_entities.js", "20990101000000_absent.js"}}
	texts, err := Texts(t.Context(), Options{Registry: quick(image), CacheDir: t.TempDir()}, image, wanted)
	require.NoError(t, err)
	require.Equal(t, map[string]string{folder + "/20200511113813_init.js": "x", folder + "/20200702153613_entities.js": "x"}, texts)
	_, err = Texts(t.Context(), Options{Registry: quick(image)}, host+"/team/other:none", wanted)
	require.Error(t, err)
}
