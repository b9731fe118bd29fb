package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"regexp"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/types"
)

// typeless are what registries, and proxies before them, write in place of the media type of
// a manifest (containerd/cri#787, moby/moby#30083, google/go-containerregistry#617).
var typeless = regexp.MustCompile(`^(application/json|(application|binary)/octet-stream|text/\w+)?$`)

// mendType gives an answer with a manifest the media type of what it is, where the registry
// writes another one, or something behind it: an index would be taken for an image, and a copy
// would be written with a type that no client takes.
func mendType(request *http.Request, response *http.Response) error {
	first, _ := origin(request)
	if response.StatusCode != http.StatusOK || !strings.Contains(first.URL.Path, "/manifests/") && !forReferrers(first) {
		return nil
	}
	said, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	switch {
	case err == nil && isManifest(types.MediaType(said)):
		response.Header.Set("Content-Type", said)
		return nil
	case request.Method != http.MethodGet || forReferrers(first) || err == nil && !typeless.MatchString(said):
		return nil
	}
	content, err := io.ReadAll(response.Body)
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return err
	}
	response.Body = io.NopCloser(bytes.NewReader(content))
	if kind := kindOf(content); kind != "" {
		response.Header.Set("Content-Type", string(kind))
	}
	return nil
}

func isManifest(kind types.MediaType) bool {
	return kind.IsImage() || kind.IsIndex() || kind.IsSchema1()
}

// kindOf is the media type of a manifest by what it says, or else by what it has; "" for what
// is none.
func kindOf(content []byte) types.MediaType {
	var manifest struct {
		MediaType                   types.MediaType `json:"mediaType"`
		Manifests, Layers, FSLayers []json.RawMessage
		Config                      struct {
			MediaType types.MediaType `json:"mediaType"`
		}
	}
	if json.Unmarshal(content, &manifest) != nil {
		return ""
	}
	switch {
	case isManifest(manifest.MediaType):
		return manifest.MediaType
	case manifest.Manifests != nil:
		return types.OCIImageIndex
	case manifest.FSLayers != nil:
		return types.DockerManifestSchema1
	case manifest.Config.MediaType == types.DockerConfigJSON:
		return types.DockerManifestSchema2
	case manifest.Layers != nil:
		return types.OCIManifestSchema1
	}
	return ""
}
