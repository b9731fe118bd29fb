package build

import (
	"maps"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

const (
	port = "7007/tcp"
	// Node's own variable. Backstage's scaffolder needs the switch on Node 20 and
	// newer before its version 4; it is without effect elsewhere.
	nodeOptions        = "NODE_OPTIONS"
	nodeOptionsDefault = "--no-node-snapshot"
)

// assemble puts our layers on the base and writes the configuration.
func assemble(base *baseImage, layers []*fileLayer, p *plan, o Options) (v1.Image, error) {
	additions := make([]mutate.Addendum, len(layers))
	for i, l := range layers {
		additions[i] = mutate.Addendum{Layer: l, MediaType: l.mediaType, History: v1.History{
			Created: v1.Time{Time: o.Created}, CreatedBy: "stagecrew build: " + l.name,
		}}
	}
	image, err := mutate.Append(base.image, additions...)
	if err != nil {
		return nil, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	labels := imageLabels(base, o)
	file.Config = runConfig(file.Config, labels, p)
	file.Created = v1.Time{Time: o.Created}
	if image, err = mutate.ConfigFile(image, file); err != nil {
		return nil, err
	}
	// Docker's older manifest has no annotations.
	if base.manifestType == types.OCIManifestSchema1 {
		image = mutate.Annotations(image, labels).(v1.Image)
	}
	return image, nil
}

// runConfig says how the image runs. The base's entry point stays.
func runConfig(c v1.Config, labels map[string]string, p *plan) v1.Config {
	// Numbers, because Kubernetes cannot tell that a named user is not root.
	c.User = "1000:1000"
	c.WorkingDir = "/" + workDir
	c.Cmd = []string{"node", backend, "--config", appConfig}
	if p.hasConfig(productionConfig) {
		c.Cmd = append(c.Cmd, "--config", productionConfig)
	}
	c.Env = setEnv(c.Env, "NODE_ENV", func(string) string { return "production" })
	c.Env = setEnv(c.Env, nodeOptions, func(old string) string {
		if slices.Contains(strings.Fields(old), nodeOptionsDefault) {
			return old
		}
		return strings.TrimSpace(old + " " + nodeOptionsDefault)
	})
	c.ExposedPorts = maps.Clone(c.ExposedPorts)
	if c.ExposedPorts == nil {
		c.ExposedPorts = map[string]struct{}{}
	}
	c.ExposedPorts[port] = struct{}{}
	if c.Labels == nil {
		c.Labels = map[string]string{}
	}
	maps.Copy(c.Labels, labels)
	return c
}

// setEnv replaces the value of a variable, or adds the variable at the end.
func setEnv(env []string, name string, value func(old string) string) []string {
	env = slices.Clone(env)
	for i, pair := range env {
		if old, ok := strings.CutPrefix(pair, name+"="); ok {
			env[i] = name + "=" + value(old)
			return env
		}
	}
	return append(env, name+"="+value(""))
}

func imageLabels(base *baseImage, o Options) map[string]string {
	labels := map[string]string{
		"org.opencontainers.image.created":     o.Created.Format(time.RFC3339),
		"org.opencontainers.image.version":     o.Version,
		"org.opencontainers.image.revision":    o.Revision,
		"org.opencontainers.image.source":      o.SourceURL,
		"org.opencontainers.image.base.name":   base.name,
		"org.opencontainers.image.base.digest": base.ref.Digest,
	}
	maps.DeleteFunc(labels, func(_, value string) bool { return value == "" })
	return labels
}
