package preflight

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/migrations"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// migrations tells what a rollback would need of the databases, before anything is in
// them. It blocks only with --require-safe-rollback.
func (c *check) migrations() {
	m := c.plan.Migrations
	if m == nil {
		return
	}
	tell := func(code, message, advice string) {
		c.add(record.Concern{Code: code, Message: message, Advice: advice, Blocks: c.RequireSafeRollback})
	}
	if m.Downgrades() {
		tell("migrations/downgrade", "the image lacks migrations that the live image has applied, and does not start on its databases, or does not know what is in them: "+m.Why,
			"deploy an image that has them, or take them back first with the live image (docs/migrations.md)")
	}
	switch {
	case m.Rollback == record.RollbackNeedsDatabase:
		c.killedMidway()
		tell("migrations/needs-database", "the live image does not run on the databases that this image leaves, so that a rollback needs them to go back, too: "+m.Why,
			"make a dump of all databases, or bring the migrations in a release of their own (docs/migrations.md)")
	case m.Rollback == record.RollbackUnknown && c.RequireSafeRollback:
		tell("migrations/unknown", "whether the live image runs on the databases that this image leaves is not known: "+m.Why,
			"say it with `migrations:`, or with the label or annotation "+migrations.SaidLabel+" (docs/migrations.md)")
	}
}

// shortMigration is for how long a container should be let migrate before anybody kills it.
const shortMigration = 5 * time.Minute

// killedMidway warns of probes that kill a container which migrates before it answers: the
// migration is half done then, and its lock stays (pmint93/helm-charts#124, jfrog/charts#542,
// sourcegraph/sourcegraph-public-snapshot#19757, nextcloud/helm#333, kOlapsis/maintenant#56).
func (c *check) killedMidway() {
	for _, t := range c.templates() {
		for _, container := range t.pod.Spec.Containers {
			limit, by := killTime(container)
			if !t.lasts() || limit == 0 || limit >= shortMigration || !strings.HasSuffix(container.Image, "@"+c.plan.Image.Digest) {
				continue
			}
			c.add(record.Concern{Code: "preflight/migration-time", Object: t.object.name(),
				Message: fmt.Sprintf("container %s is killed by its %s when it does not answer for %s after its start: a migration that takes longer ends midway, and leaves its lock", container.Name, by, text.Duration(limit)),
				Advice:  "raise failureThreshold of the startup probe before a release with long migrations"})
		}
	}
}

// killTime is how long a container may go without an answer after its start, and by which
// probe; 0 where none ends it. A liveness probe of Backstage's own is answered meanwhile.
func killTime(c corev1.Container) (time.Duration, string) {
	if c.StartupProbe != nil {
		return startBudget(c), "startup probe"
	}
	p := c.LivenessProbe
	if p == nil || p.HTTPGet != nil && strings.HasSuffix(p.HTTPGet.Path, "/liveness") {
		return 0, ""
	}
	return startBudget(corev1.Container{StartupProbe: p}), "liveness probe"
}

// Said is what the workloads of a rendered chart say of its databases by an annotation,
// the worst where they differ, and which of them says it; "" for nothing.
func Said(manifest string) (word, where string) {
	objects, err := parse(manifest, "")
	if err != nil {
		return "", "" // the checks tell it
	}
	worse := record.Values(migrations.Word("").Choices())
	for _, o := range objects {
		said, there := o.GetAnnotations()[migrations.SaidLabel]
		if _, makesPods := templateOf(o); !there || !makesPods {
			continue
		}
		if word == "" || slices.Index(worse, said) > slices.Index(worse, word) {
			word, where = said, "the annotation "+migrations.SaidLabel+" of "+o.name()
		}
	}
	return word, where
}
