// Package buildkit has BuildKit build a Dockerfile, through docker or buildctl, and
// push the image by digest.
package buildkit

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

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

func (d Dockerfile) file() string {
	if d.File == "" {
		return "Dockerfile"
	}
	return d.File
}

// Build is one build of a Dockerfile. The options of pkg/build explain the fields.
type Build struct {
	Dockerfile
	Source, BaseImage, Repository string
	Platforms                     []string
	Created                       time.Time
	Labels                        map[string]string // one that is empty replaces that of the base image
	CacheRepository               string
	NoCache                       bool
	Environ, Environment          []string
	Images                        registry.Access
	Log                           *slog.Logger
}

// Push builds and pushes, and gives the digest of the image. A missing Dockerfile or
// tool, and a build that fails, are errors of kind input.
func (b Build) Push(ctx context.Context) (digest string, err error) {
	dir, err := os.MkdirTemp("", "stagecrew-build-")
	if err != nil {
		return "", fmt.Errorf("making a folder for the builder's answer: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(b.Source, filepath.FromSlash(b.file()))
	if _, err := os.Stat(file); err != nil {
		return "", record.BadInput("build/no-dockerfile", "looking for the Dockerfile: %w", err)
	}
	tool, err := findTool(ctx, b)
	if err != nil {
		return "", err
	}
	metadata := filepath.Join(dir, "metadata.json")
	if err := tool.run(ctx, b, metadata); err != nil {
		return "", err
	}
	return readDigest(metadata)
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

// buildArgs are the arguments, sorted, as NAME=VALUE.
func (b Build) buildArgs() []string { return pairs(b.arguments()) }

func (b Build) arguments() map[string]string {
	args := map[string]string{"SOURCE_DATE_EPOCH": fmt.Sprint(b.Created.Unix())}
	if b.BaseImage != "" {
		args["BASE_IMAGE"] = b.BaseImage
	}
	for name, value := range b.Args {
		args[name] = value
	}
	return args
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
