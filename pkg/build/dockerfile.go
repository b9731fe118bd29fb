package build

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
)

// Dockerfile is what the dockerfile builder needs besides the common options. Its
// lists have BuildKit's own syntax.
type Dockerfile struct {
	// File is the path in Source; "Dockerfile" when empty.
	File string
	// Target is the stage to build; the last one when empty.
	Target string
	// Args are the build arguments. They are not secret: they stay in the image.
	// BASE_IMAGE and SOURCE_DATE_EPOCH are set by themselves.
	Args map[string]string
	// Secrets are "id=NAME,src=FILE" or "id=NAME,env=VARIABLE".
	Secrets []string
	// Tool is the program to drive, docker (with buildx) or buildctl, by name or
	// path; the first one of them that is there when empty.
	Tool string
}

// buildDockerfile has BuildKit build and push by digest.
func buildDockerfile(ctx context.Context, o Options) (Result, error) {
	var r Result
	dir, err := os.MkdirTemp("", "stagecrew-build-")
	if err != nil {
		return r, fmt.Errorf("making a folder for the builder's answer: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(o.Source, filepath.FromSlash(o.Dockerfile.file()))
	if _, err := os.Stat(file); err != nil {
		return r, record.BadInput("build/no-dockerfile", "looking for the Dockerfile: %w", err)
	}
	tool, err := findTool(ctx, o)
	if err != nil {
		return r, err
	}
	metadata := filepath.Join(dir, "metadata.json")
	if err := r.phase("build and push", func() error { return tool.run(ctx, o, metadata) }); err != nil {
		return r, err
	}
	digest, err := readDigest(metadata)
	if err != nil {
		return r, err
	}
	r.Image = record.Image{Repository: o.Repository, Digest: digest}
	session := o.Images.Connect()
	if err := r.phase("check", func() error { return r.examine(ctx, session, o) }); err != nil {
		return r, err
	}
	r.Retries = session.Retry.Count()
	return r, nil
}

func (d Dockerfile) file() string {
	if d.File == "" {
		return "Dockerfile"
	}
	return d.File
}

// readDigest reads what the builder says about the image it pushed.
func readDigest(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", record.Unavailable("build/no-digest", "reading the builder's answer: %w", err)
	}
	var answer struct {
		Digest string `json:"containerimage.digest"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return "", record.Unavailable("build/no-digest", "reading the builder's answer: %w", err)
	}
	if _, err := v1.NewHash(answer.Digest); err != nil {
		return "", record.Unavailable("build/no-digest", "reading the builder's answer: it names no digest, so that nobody knows what was pushed")
	}
	return answer.Digest, nil
}

// examine checks that the registry has the image, for each platform, and lists it.
func (r *Result) examine(ctx context.Context, s *registry.Client, o Options) error {
	ref, err := name.NewDigest(r.Image.String())
	if err != nil {
		return record.BadInput("build/options", "parsing repository %q: %w", o.Repository, err)
	}
	descriptor, err := s.Get(ctx, ref)
	if err != nil {
		return registry.Wrap(err, "looking for what the builder pushed, %q", r.Image)
	}
	for _, platform := range o.platforms() {
		want, err := v1.ParsePlatform(platform)
		if err != nil {
			return record.BadInput("build/options", "parsing platform %q: %w", platform, err)
		}
		image, err := s.ImageFor(ctx, ref.Context(), descriptor, want)
		if err != nil {
			return registry.Wrap(err, "reading %q for %s", r.Image, platform)
		}
		if _, err := checkBase(image, want); err != nil {
			return fmt.Errorf("checking what the builder pushed, %q: %w", r.Image, err)
		}
		if err := r.list(image, platform); err != nil {
			return registry.Wrap(err, "reading %q for %s", r.Image, platform)
		}
		if o.Inspect == nil {
			continue
		}
		if err := o.Inspect(ctx, r.Platforms[len(r.Platforms)-1].Image, image); err != nil {
			return err
		}
	}
	return nil
}

func (r *Result) list(image v1.Image, platform string) error {
	digest, err := image.Digest()
	if err != nil {
		return err
	}
	manifest, err := image.Manifest()
	if err != nil {
		return err
	}
	r.Platforms = append(r.Platforms, Platform{Name: platform, Image: record.Image{Repository: r.Image.Repository, Digest: digest.String()}})
	for _, d := range manifest.Layers {
		r.Layers = append(r.Layers, Layer{Platform: platform, Name: LayerDockerfile, Digest: d.Digest.String(), Size: d.Size})
	}
	return nil
}

// buildArgs are the arguments, sorted, as NAME=VALUE.
func (o Options) buildArgs() []string {
	args := map[string]string{"SOURCE_DATE_EPOCH": fmt.Sprint(o.Created.Unix())}
	if o.BaseImage != "" {
		args["BASE_IMAGE"] = o.BaseImage
	}
	for name, value := range o.Dockerfile.Args {
		args[name] = value
	}
	return pairs(args)
}

func pairs(m map[string]string) []string {
	list := make([]string, 0, len(m))
	for name, value := range m {
		list = append(list, name+"="+value)
	}
	slices.Sort(list)
	return list
}

// secretVariables are those that the secrets of a Dockerfile come from.
func secretVariables(secrets []string) (names []string) {
	for _, secret := range secrets {
		id, named := "", false
		for field := range strings.SplitSeq(secret, ",") {
			key, value, _ := strings.Cut(field, "=")
			switch strings.ToLower(strings.TrimSpace(key)) {
			case "env":
				names, named = append(names, value), true
			case "id":
				id = value
			case "src", "source":
				named = true
			}
		}
		// Without a source BuildKit takes the variable of the same name.
		if id != "" && !named {
			names = append(names, id)
		}
	}
	return names
}
