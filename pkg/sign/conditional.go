package sign

import (
	"net/http"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/v1/types"
)

// conditional is the transport of a store. It has a tag written only over what was read
// of it, where a registry tells versions apart (ETag and If-Match, which
// opencontainers/distribution-spec#250 asks for), and notes whether the registry lists
// what refers to an image by itself.
type conditional struct {
	next     http.RoundTripper
	mu       sync.Mutex
	versions map[string]string // of tags, by the path of their manifests
	lists    bool              // it has the referrers API
	asked    bool              // whether it has is known
	silent   bool              // it took something that refers to an image without saying that it lists it
}

func newConditional(next http.RoundTripper) *conditional {
	return &conditional{next: next, versions: map[string]string{}}
}

// RoundTrip implements [http.RoundTripper].
func (c *conditional) RoundTrip(request *http.Request) (*http.Response, error) {
	path := request.URL.Path
	tag := strings.Contains(path, "/manifests/sha256-")
	if tag && request.Method == http.MethodPut {
		if version := c.take(path); version != "" {
			request = request.Clone(request.Context())
			request.Header.Set("If-Match", version)
		}
	}
	response, err := c.next.RoundTrip(request)
	if err != nil {
		return response, err
	}
	switch {
	case request.Method == http.MethodPut && strings.Contains(path, "/manifests/sha256:"):
		c.mu.Lock()
		defer c.mu.Unlock()
		c.silent = c.silent || response.Header.Get("OCI-Subject") == ""
	case request.Method != http.MethodGet:
	case tag:
		c.note(path, response.Header.Get("ETag"))
	case strings.Contains(path, "/referrers/"):
		c.mu.Lock()
		defer c.mu.Unlock()
		c.asked = true
		c.lists = response.StatusCode == http.StatusOK && response.Header.Get("Content-Type") == string(types.OCIImageIndex)
	}
	return response, nil
}

// note keeps a version. Weak ones do not tell whether the bytes are the same.
func (c *conditional) note(path, version string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.versions[path] = version
	if strings.HasPrefix(version, "W/") {
		delete(c.versions, path)
	}
}

// take gives a version for one request.
func (c *conditional) take(path string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	version := c.versions[path]
	delete(c.versions, path)
	return version
}

// forget lets the next requests go without a condition.
func (c *conditional) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.versions)
}

// unnoticed reports whether the registry was silent about an image to which something
// refers: it may not list it.
func (c *conditional) unnoticed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.silent
}

// referrersAPI reports whether the registry has it, and whether that is known.
func (c *conditional) referrersAPI() (has, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lists, c.asked
}
