package record

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// ErrNotADigest is returned by [ParseImage] for a reference without a digest.
// After the build nothing in the pipeline accepts a tag.
var ErrNotADigest = errors.New("not a reference by digest")

// Image names one image by content: a repository and the digest of its manifest
// (or index). It never holds a tag.
type Image struct {
	// Repository is the registry host and path, for example
	// "registry.example.com/team/backstage-production".
	Repository string
	// Digest is "sha256:" and 64 lower-case hexadecimal digits.
	Digest string
}

var (
	digestPattern     = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	repositoryPattern = regexp.MustCompile(`^[a-zA-Z0-9.-]+(:[0-9]+)?(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)+$`)
)

// ParseImage reads "REPOSITORY@sha256:…". The repository must name its registry
// host. A reference by tag gives an error that wraps [ErrNotADigest].
func ParseImage(ref string) (Image, error) {
	repository, digest, found := strings.Cut(ref, "@")
	if !found {
		return Image{}, fmt.Errorf("parsing image %q: want REPOSITORY@sha256:…, a tag can move between scan and deploy: %w", ref, ErrNotADigest)
	}
	if !digestPattern.MatchString(digest) {
		return Image{}, fmt.Errorf("parsing image %q: digest %q is not sha256: and 64 lower-case hexadecimal digits: %w", ref, digest, ErrNotADigest)
	}
	if !repositoryPattern.MatchString(repository) {
		return Image{}, fmt.Errorf("parsing image %q: repository %q is not HOST[:PORT]/PATH in lower case and without a tag", ref, repository)
	}
	return Image{Repository: repository, Digest: digest}, nil
}

// ParseRepository checks "HOST[:PORT]/PATH", the form of a repository to push to.
func ParseRepository(s string) (string, error) {
	if !repositoryPattern.MatchString(s) {
		return "", fmt.Errorf("parsing repository %q: want HOST[:PORT]/PATH in lower case, without a tag or digest", s)
	}
	return s, nil
}

// String gives the reference by digest, "REPOSITORY@sha256:…", or "" for the zero value.
func (i Image) String() string {
	if i == (Image{}) {
		return ""
	}
	return i.Repository + "@" + i.Digest
}

// MarshalText makes JSON show an image as its reference.
func (i Image) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText reads what [Image.MarshalText] wrote.
func (i *Image) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*i = Image{}
		return nil
	}
	parsed, err := ParseImage(string(text))
	if err != nil {
		return err
	}
	*i = parsed
	return nil
}

// NotBuilt stands for an image of the repository before it is built.
func NotBuilt(repository string) Image {
	return Image{Repository: repository, Digest: unbuiltDigest}
}

// unbuiltDigest is of no content that anybody can find.
var unbuiltDigest = "sha256:" + strings.Repeat("0", 64)

// IsBuilt reports whether there is an image, and not only a placeholder, see [NotBuilt].
func (i Image) IsBuilt() bool { return i.Digest != "" && i.Digest != unbuiltDigest }
