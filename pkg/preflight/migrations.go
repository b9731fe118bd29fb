package preflight

import (
	"slices"

	"github.com/stagecrew/stagecrew/pkg/migrations"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// migrations tells what a rollback would need of the databases, before anything is in
// them. It blocks only where somebody wants a rollback that is free.
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
		tell("migrations/needs-database", "the live image does not run on the databases that this image leaves, so that a rollback needs them to go back, too: "+m.Why,
			"make a dump of all databases, or bring the migrations in a release of their own (docs/migrations.md)")
	case m.Rollback == record.RollbackUnknown && c.RequireSafeRollback:
		tell("migrations/unknown", "whether the live image runs on the databases that this image leaves is not known: "+m.Why,
			"say it with `migrations:`, or with the label or annotation "+migrations.SaidLabel+" (docs/migrations.md)")
	}
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
