package release

import (
	"strings"

	helmrelease "helm.sh/helm/v3/pkg/release"

	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
	"github.com/stagecrew/stagecrew/pkg/release/internal/secrets"
	"github.com/stagecrew/stagecrew/pkg/release/internal/verdict"
)

// verdictRecord is what a verdict speaks of.
func verdictRecord(stored *helmrelease.Release) verdict.Record {
	r := verdict.Record{
		Namespace: stored.Namespace, Name: stored.Name, Number: stored.Version, Chart: chartName(stored),
		Values: stored.Config, Manifest: stored.Manifest, Labels: stored.Labels,
	}
	if stored.Info != nil {
		r.Description, r.Deployed = stored.Info.Description, stored.Info.LastDeployed.Time
	}
	for _, hook := range stored.Hooks {
		h := verdict.Hook{Kind: hook.Kind, Name: hook.Name, Path: hook.Path, Manifest: hook.Manifest, Weight: hook.Weight}
		for _, event := range hook.Events {
			h.Events = append(h.Events, event.String())
		}
		for _, policy := range hook.DeletePolicies {
			h.Deletes = append(h.Deletes, policy.String())
		}
		// Helm writes its default down once the hook has run.
		if len(h.Deletes) == 0 {
			h.Deletes = []string{helmrelease.HookBeforeHookCreation.String()}
		}
		r.Hooks = append(r.Hooks, h)
	}
	return r
}

// verdictRecords are those of a whole history.
func verdictRecords(records []*helmrelease.Release) []verdict.Record {
	all := make([]verdict.Record, len(records))
	for i, stored := range records {
		all[i] = verdictRecord(stored)
	}
	return all
}

// digestOf is the digest of all that a revision applies: its manifest and hooks.
func digestOf(stored *helmrelease.Release) string { return verdict.Digest(verdictRecord(stored)) }

// secretsRecord is what secrets are looked for in.
func (r *Release) secretsRecord(stored *helmrelease.Release) secrets.Record {
	return secrets.Record{
		Namespace: stored.Namespace, Manifest: stored.Manifest, Hooks: hooksOf(stored), Repository: r.repositoryOf(stored),
		Settings: func() map[string]any { return over(defaults(stored.Chart), stored.Config) },
	}
}

// repositoryOf is that of a record's image, "" when its values name none.
func (r *Release) repositoryOf(stored *helmrelease.Release) string {
	repository, _ := manifest.ImageValues(stored.Config, r.ImageValuesPath)
	return repository
}

// hooksOf is the manifest of a record's hooks.
func hooksOf(record *helmrelease.Release) string {
	var b strings.Builder
	for _, hook := range record.Hooks {
		b.WriteString("---\n" + strings.TrimSuffix(hook.Manifest, "\n") + "\n")
	}
	return b.String()
}

// imagesOf lists the images of a record's objects and hooks, each once.
func imagesOf(stored *helmrelease.Release) []string {
	return manifest.Images(stored.Manifest + "\n" + hooksOf(stored))
}

// chartName is a chart with its version.
func chartName(stored *helmrelease.Release) string {
	if stored.Chart == nil || stored.Chart.Metadata == nil {
		return ""
	}
	return stored.Chart.Metadata.Name + "-" + stored.Chart.Metadata.Version
}
