package buildkit

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/build/program"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
)

// tool is a program that talks to BuildKit.
type tool struct {
	path string
	// arguments of one build.
	arguments func(b Build, metadata string) []string
}

// findTool takes the program that was named, or docker when it has buildx, or
// buildctl.
func findTool(ctx context.Context, b Build) (*tool, error) {
	names := []string{"docker", "buildctl"}
	if b.Tool != "" {
		names = []string{b.Tool}
	}
	for _, n := range names {
		path, err := exec.LookPath(n)
		if err != nil {
			continue
		}
		if strings.HasPrefix(filepath.Base(path), "buildctl") {
			return &tool{path, buildctlArguments}, nil
		}
		version := exec.CommandContext(ctx, path, "buildx", "version")
		version.Env = b.forImageBuilder()
		if version.Run() == nil {
			return &tool{path, buildxArguments}, nil
		}
	}
	return nil, record.BadInput("build/no-tool", "looking for %s: none of them works: install Docker with buildx (docker/setup-buildx-action), or buildctl and a buildkitd", strings.Join(names, " (with buildx) or "))
}

func (t *tool) run(ctx context.Context, b Build, metadata string) error {
	c := program.Command{Path: t.path, Args: t.arguments(b, metadata), Dir: b.Source, Log: b.Log, Env: b.forImageBuilder()}
	// Build arguments may be secrets: they are not shown.
	c.Shown = filepath.Base(t.path) + " build of " + b.file()
	repositories := []string{b.Repository}
	if !b.NoCache {
		repositories = append(repositories, b.CacheRepository)
	}
	auths, err := b.Images.AuthConfig(ctx, repositories...)
	if err != nil {
		return err
	}
	if auths != "" {
		c.Env = append(c.Env, "DOCKER_AUTH_CONFIG="+auths)
	}
	return c.Run(ctx)
}

// forImageBuilder is the environment of docker and buildctl.
func (b Build) forImageBuilder() []string {
	return program.ForImageBuilders(b.Environ, slices.Concat(b.Environment, secretVariables(b.Secrets)))
}

// output says to push the image by digest, without a tag, with the files' times no
// later than SOURCE_DATE_EPOCH.
func output(b Build) string {
	out := "type=image,name=" + b.Repository + ",push=true,push-by-digest=true,name-canonical=true,oci-mediatypes=true,rewrite-timestamp=true"
	host, _, _ := strings.Cut(b.Repository, "/")
	name, _, _ := strings.Cut(host, ":")
	if slices.Contains(b.Images.Insecure, host) || slices.Contains(b.Images.Insecure, name) {
		out += ",registry.insecure=true"
	}
	return out
}

func buildxArguments(b Build, metadata string) []string {
	d := b.Dockerfile
	args := []string{"buildx", "build", "--file", filepath.Join(b.Source, filepath.FromSlash(d.file())), "--platform", strings.Join(b.Platforms, ","),
		"--output", output(b), "--metadata-file", metadata, "--progress", "plain", "--provenance", "false", "--sbom", "false"}
	add := func(flag string, values ...string) {
		for _, v := range values {
			args = append(args, flag, v)
		}
	}
	if d.Target != "" {
		add("--target", d.Target)
	}
	add("--build-arg", b.buildArgs()...)
	for _, label := range pairs(b.Labels) {
		add("--label", label)
		if strings.HasSuffix(label, "=") {
			continue // annotations are not inherited
		}
		add("--annotation", "manifest:"+label)
		if len(b.Platforms) > 1 {
			add("--annotation", "index:"+label)
		}
	}
	add("--secret", d.Secrets...)
	from, to := buildCaches(b)
	add("--cache-from", from...)
	add("--cache-to", to...)
	return append(args, b.Source)
}

func buildctlArguments(b Build, metadata string) []string {
	d := b.Dockerfile
	folder, file := filepath.Split(filepath.Join(b.Source, filepath.FromSlash(d.file())))
	out := output(b)
	args := []string{"build", "--frontend", "dockerfile.v0", "--local", "context=" + b.Source, "--local", "dockerfile=" + filepath.Clean(folder),
		"--metadata-file", metadata, "--progress", "plain"}
	add := func(flag, prefix string, values ...string) {
		for _, v := range values {
			args = append(args, flag, prefix+v)
		}
	}
	add("--opt", "", "filename="+file, "platform="+strings.Join(b.Platforms, ","))
	if d.Target != "" {
		add("--opt", "target=", d.Target)
	}
	add("--opt", "build-arg:", b.buildArgs()...)
	for _, label := range pairs(b.Labels) {
		add("--opt", "label:", label)
		if strings.HasSuffix(label, "=") {
			continue
		}
		out += "," + csvField("annotation."+label)
		if len(b.Platforms) > 1 {
			out += "," + csvField("annotation-index."+label)
		}
	}
	add("--output", "", out)
	add("--secret", "", d.Secrets...)
	from, to := buildCaches(b)
	add("--import-cache", "", from...)
	add("--export-cache", "", to...)
	return args
}

// csvField quotes a field of BuildKit's lists where it has to be.
func csvField(s string) string {
	if strings.ContainsAny(s, ",\"\n") {
		return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	return s
}

// buildCaches are where BuildKit finds and leaves its layers. An export that fails
// does not fail a build whose image is pushed.
func buildCaches(b Build) (from, to []string) {
	if b.NoCache {
		return nil, nil
	}
	place := "type=registry,ref=" + b.CacheRepository + ":" + registry.BuildCacheTag
	return []string{place}, []string{place + ",mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true"}
}
