package build

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
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
	arguments func(o Options, metadata string) []string
}

// findTool takes the program that was named, or docker when it has buildx, or
// buildctl.
func findTool(ctx context.Context, o Options) (*tool, error) {
	names := []string{"docker", "buildctl"}
	if o.Dockerfile.Tool != "" {
		names = []string{o.Dockerfile.Tool}
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
		version.Env = o.forImageBuilder()
		if version.Run() == nil {
			return &tool{path, buildxArguments}, nil
		}
	}
	return nil, record.BadInput("build/no-tool", "looking for %s: none of them works: install Docker with buildx (docker/setup-buildx-action), or buildctl and a buildkitd", strings.Join(names, " (with buildx) or "))
}

func (t *tool) run(ctx context.Context, o Options, metadata string) error {
	c := program.Command{Path: t.path, Args: t.arguments(o, metadata), Dir: o.Source, Log: o.Log, Env: o.forImageBuilder()}
	// The arguments can hold what somebody took for a secret: they are not shown.
	c.Shown = filepath.Base(t.path) + " build of " + o.Dockerfile.file()
	if auths := dockerAuth(o.Images.Credentials); auths != "" {
		c.Env = append(c.Env, "DOCKER_AUTH_CONFIG="+auths)
	}
	return c.Run(ctx)
}

// forImageBuilder is the environment of docker and buildctl.
func (o Options) forImageBuilder() []string {
	return program.ForImageBuilders(o.Environ, slices.Concat(o.Environment, secretVariables(o.Dockerfile.Secrets)))
}

// output says to push the image by digest, without a tag, with the files' times no
// later than SOURCE_DATE_EPOCH.
func output(o Options) string {
	out := "type=image,name=" + o.Repository + ",push=true,push-by-digest=true,name-canonical=true,oci-mediatypes=true,rewrite-timestamp=true"
	host, _, _ := strings.Cut(o.Repository, "/")
	name, _, _ := strings.Cut(host, ":")
	if slices.Contains(o.Images.Insecure, host) || slices.Contains(o.Images.Insecure, name) {
		out += ",registry.insecure=true"
	}
	return out
}

func buildxArguments(o Options, metadata string) []string {
	d := o.Dockerfile
	args := []string{"buildx", "build", "--file", filepath.Join(o.Source, filepath.FromSlash(d.file())), "--platform", strings.Join(o.platforms(), ","),
		"--output", output(o), "--metadata-file", metadata, "--progress", "plain", "--provenance", "false", "--sbom", "false"}
	add := func(flag string, values ...string) {
		for _, v := range values {
			args = append(args, flag, v)
		}
	}
	if d.Target != "" {
		add("--target", d.Target)
	}
	add("--build-arg", o.buildArgs()...)
	for _, label := range pairs(dockerfileLabels(o)) {
		add("--label", label)
		add("--annotation", "manifest:"+label)
		if len(o.platforms()) > 1 {
			add("--annotation", "index:"+label)
		}
	}
	add("--secret", d.Secrets...)
	from, to := buildCaches(o)
	add("--cache-from", from...)
	add("--cache-to", to...)
	return append(args, o.Source)
}

func buildctlArguments(o Options, metadata string) []string {
	d := o.Dockerfile
	folder, file := filepath.Split(filepath.Join(o.Source, filepath.FromSlash(d.file())))
	out := output(o)
	args := []string{"build", "--frontend", "dockerfile.v0", "--local", "context=" + o.Source, "--local", "dockerfile=" + filepath.Clean(folder),
		"--metadata-file", metadata, "--progress", "plain"}
	add := func(flag, prefix string, values ...string) {
		for _, v := range values {
			args = append(args, flag, prefix+v)
		}
	}
	add("--opt", "", "filename="+file, "platform="+strings.Join(o.platforms(), ","))
	if d.Target != "" {
		add("--opt", "target=", d.Target)
	}
	add("--opt", "build-arg:", o.buildArgs()...)
	for _, label := range pairs(dockerfileLabels(o)) {
		add("--opt", "label:", label)
		out += "," + csvField("annotation."+label)
		if len(o.platforms()) > 1 {
			out += "," + csvField("annotation-index."+label)
		}
	}
	add("--output", "", out)
	add("--secret", "", d.Secrets...)
	from, to := buildCaches(o)
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

// dockerfileLabels leaves out what only the Dockerfile knows.
func dockerfileLabels(o Options) map[string]string { return imageLabels("", "", o) }

// buildCaches are where BuildKit finds and leaves its layers. An export that fails
// does not fail a build whose image is pushed.
func buildCaches(o Options) (from, to []string) {
	if o.NoCache {
		return nil, nil
	}
	place := "type=registry,ref=" + o.CacheRepository + ":" + registry.BuildCacheTag
	return []string{place}, []string{place + ",mode=max,image-manifest=true,oci-mediatypes=true,ignore-error=true"}
}

// dockerAuth is what Docker 28.3 and newer take from DOCKER_AUTH_CONFIG; with an
// older one `docker login` has to come first.
func dockerAuth(credentials []registry.Credentials) string {
	auths := map[string]map[string]string{}
	for _, c := range credentials {
		if c.Username != "" {
			auths[c.Host] = map[string]string{"auth": base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s:%s", c.Username, c.Password))}
		}
	}
	if len(auths) == 0 {
		return ""
	}
	text, err := json.Marshal(map[string]any{"auths": auths})
	if err != nil {
		return ""
	}
	return string(text)
}
