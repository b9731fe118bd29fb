package registrytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Gone is the digest of what [Forgetful] lists.
const Gone = "sha256:00000000000000000000000000000000000000000000000000000000000000ff"

// InPages lists referrers and tags one by one, each page with a Link to the next one.
func InPages(_ *testing.T, next http.Handler) http.Handler {
	return lists(next, func(w http.ResponseWriter, r *http.Request, list *[]json.RawMessage) {
		// The registry in memory has them in another order each time.
		slices.SortFunc(*list, func(a, b json.RawMessage) int { return bytes.Compare(a, b) })
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		if page+1 < len(*list) {
			w.Header().Set("Link", fmt.Sprintf(`<%s?page=%d>; rel="next"`, r.URL.Path, page+1))
		}
		*list = (*list)[min(page, len(*list)):min(page+1, len(*list))]
	})
}

// Forgetful lists beside each image a bundle that a clean-up removed.
func Forgetful(_ *testing.T, next http.Handler) http.Handler {
	return lists(next, func(_ http.ResponseWriter, r *http.Request, list *[]json.RawMessage) {
		if !strings.Contains(r.URL.Path, "/referrers/") {
			return
		}
		digest, err := v1.NewHash(Gone)
		gone, failed := json.Marshal(v1.Descriptor{MediaType: types.OCIManifestSchema1, Digest: digest, Size: 700, ArtifactType: "application/vnd.dev.sigstore.bundle.v0.3+json"})
		if err == nil && failed == nil {
			*list = slices.Insert(*list, 0, json.RawMessage(gone))
		}
	})
}

// Empty lists no referrers, whatever there is.
func Empty(_ *testing.T, next http.Handler) http.Handler {
	return lists(next, func(_ http.ResponseWriter, r *http.Request, list *[]json.RawMessage) {
		if strings.Contains(r.URL.Path, "/referrers/") {
			*list = []json.RawMessage{}
		}
	})
}

// lists lets a function change the lists that a registry answers with.
func lists(next http.Handler, change func(http.ResponseWriter, *http.Request, *[]json.RawMessage)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		field := ""
		switch {
		case Asks(http.MethodGet, "/referrers/")(r):
			field = "manifests"
		case Asks(http.MethodGet, "/tags/list")(r):
			field = "tags"
		}
		answer := httptest.NewRecorder()
		var fields map[string]json.RawMessage
		var list []json.RawMessage
		if field != "" {
			next.ServeHTTP(answer, r)
		}
		if answer.Code != http.StatusOK || json.Unmarshal(answer.Body.Bytes(), &fields) != nil || json.Unmarshal(fields[field], &list) != nil {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
		change(w, r, &list)
		if text, err := json.Marshal(list); err == nil {
			fields[field] = text
		}
		_ = json.NewEncoder(w).Encode(fields)
	})
}
