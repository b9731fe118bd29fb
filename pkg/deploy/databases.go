package deploy

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/deploy/revisions"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

const (
	// askTime bounds the question to the databases before a rollback: production waits.
	askTime = 30 * time.Second
	// lockTime bounds it before a deploy that needs to know nothing but whether a lock is
	// held: each waits for that, also where no way leads to the database.
	lockTime = 5 * time.Second
	// briefTime bounds it where less time is left.
	briefTime = 2 * time.Second
)

// ask finds out whether the image that is gone back to runs on what the databases hold.
func (r *run) ask(ctx context.Context) event {
	if r.op.name == goingBack.name {
		return r.askByHand(ctx)
	}
	target, o := r.ahead(ctx)
	switch {
	case o.why == "":
		return passed
	case r.mayUndo(o):
		return migrated
	}
	r.stay(target, o.why)
	return failed
}

// ahead is the revision that is to be gone back to, and what stands against it. A recovery
// has not looked at what it replaces yet.
func (r *run) ahead(ctx context.Context) (record.Revision, obstacle) {
	if len(r.applied.Workloads) == 0 && r.cluster.Databases != nil {
		described, err := r.cluster.History.Describe(ctx, r.result.Release.Revision)
		if err != nil {
			r.Log.Warn("reading what was applied", "error", err)
		}
		r.applied.Workloads = described.Workloads
	}
	target, _ := revisions.Find(r.history, r.result.Release.RollbackTarget)
	return target, r.hindrance(ctx, r.result.Image.String(), r.applied, target)
}

// stay leaves the failed revision, with the reason in the advice.
func (r *run) stay(target record.Revision, why string) {
	failed := fmt.Sprintf("revision %d runs", r.result.Release.Revision)
	if r.result.Cause != nil {
		failed = fmt.Sprintf("revision %d did not pass: %s;", r.result.Release.Revision, r.result.Cause)
	}
	r.result.Advice = fmt.Sprintf("%s it was not rolled back to %d: %s", failed, target.Number, why)
	if !r.isStopped() {
		r.Log.Error(r.result.Advice)
	}
}

// askByHand asks before a rollback that somebody wants. The target is chosen again under
// the lock.
func (r *run) askByHand(ctx context.Context) event {
	if err := r.look(ctx); err != nil {
		return r.abort(err)
	}
	target, err := r.choose(ctx)
	if err != nil {
		return r.abort(err)
	}
	o, err := r.inTheWay(ctx, target)
	switch {
	case err != nil:
		return r.abort(err)
	case r.mayUndo(o):
		return migrated
	case o.why != "":
		return r.abort(r.refusal(target, o.why))
	}
	return passed
}

// forewarnByHand asks for a dry run of a rollback what [run.askByHand] will.
func (r *run) forewarnByHand(ctx context.Context) error {
	target, found := revisions.Find(r.history, r.result.Release.RollbackTarget)
	if r.op.name != goingBack.name || !found {
		return nil
	}
	o, err := r.inTheWay(ctx, target)
	switch {
	case err != nil:
		return err
	case r.mayUndo(o):
		_, err = r.announce(ctx)
		return err
	case o.why != "":
		return r.refusal(target, o.why)
	}
	return nil
}

// remains says why a revision that was applied in part is not replaced by an earlier one,
// "" when it is.
func (r *run) remains(ctx context.Context, part, target record.Revision) string {
	if r.cluster.Databases == nil {
		return ""
	}
	applied, err := r.cluster.History.Describe(ctx, part.Number)
	if err != nil {
		r.Log.Warn("reading what was applied in part", "error", err)
	}
	return r.hindrance(ctx, part.Image, applied, target).why
}

// inTheWay is what stands against a rollback by hand.
func (r *run) inTheWay(ctx context.Context, target record.Revision) (obstacle, error) {
	live, found := revisions.Live(r.history)
	if !found || r.cluster.Databases == nil || r.compareImages(ctx, live.Image, target).Rollback == record.RollbackFree {
		return obstacle{}, nil
	}
	applied, err := r.cluster.History.Describe(ctx, live.Number)
	if err != nil {
		return obstacle{}, err
	}
	return r.hindrance(ctx, live.Image, applied, target), nil
}

// refusal is the error of a rollback by hand to an image that would not run.
func (r *run) refusal(target record.Revision, why string) error {
	return record.Refused("rollback/migrated", "going back from revision %d to %d: %s", r.result.Release.Live, target.Number, why)
}

// obstacle is what stands against a revision taking the place of one with another image.
type obstacle struct {
	// why has the commands that help; "" when nothing is known that speaks against it.
	why string
	// undoing is what a policy can take out of the way; nil where none can.
	undoing *Undoing
}

// hindrance looks for what stands against a revision taking the place of one with another
// image. A lock of the migrations that is held stands against any: none would start.
func (r *run) hindrance(ctx context.Context, from string, applied record.Applied, target record.Revision) obstacle {
	if r.cluster.Databases == nil {
		return obstacle{}
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	m := r.compareImages(ctx, from, target)
	if m.Rollback != record.RollbackNeedsDatabase && !r.metLock() {
		if m.Rollback == record.RollbackUnknown {
			r.Log.Warn("going back although nobody knows whether the databases allow it: "+m.String(), "revision", target.Number)
		}
		return obstacle{}
	}
	state, err := r.cluster.Databases.Ask(ctx, applied.Workloads, m)
	r.result.Databases = &state
	if err != nil {
		return obstacle{why: r.unasked(m, err)}
	}
	switch {
	case len(state.Locked) > 0:
		return obstacle{why: r.lockHeld(state.Locked)}
	case len(state.Down) > 0:
		return obstacle{r.migrated(applied, target, state), &Undoing{applied, from, target, m, state}}
	case m.Rollback == record.RollbackNeedsDatabase && len(m.Plugins) == 0:
		return obstacle{why: m.Why + ", and no names of files tell whether that was done; " + r.forward()}
	}
	r.Log.Info("the databases hold none of the migrations that the image adds", "revision", target.Number)
	return obstacle{}
}

// unasked decides where the databases did not tell.
func (r *run) unasked(m record.Migrations, err error) string {
	switch {
	case record.CodeOf(err) == "database/none-known":
		r.Log.Warn("going back although nobody can ask whether the databases allow it: "+m.String(), "error", err)
		return ""
	case record.CodeOf(err) == "database/wrong-password" && r.op.name != goingBack.name && m.Rollback == record.RollbackNeedsDatabase:
		r.Log.Warn("the databases let nobody in with what the pods have, so that these cannot have migrated them", "error", err)
		return ""
	case m.Rollback != record.RollbackNeedsDatabase:
		r.Log.Warn("asking the database who holds the lock of its migrations", "error", err)
		return ""
	}
	return fmt.Sprintf("%s, and whether these are applied could not be found out: %v", m.Why, err)
}

// compareImages says what going back needs. What was found out is remembered.
func (r *run) compareImages(ctx context.Context, from string, target record.Revision) record.Migrations {
	if from == target.Image {
		return record.Migrations{Rollback: record.RollbackFree, Why: "both run the same image"}
	}
	pair := [2]string{from, target.Image}
	if known, found := r.needs[pair]; found {
		return known
	}
	// The preflight has asked, and what workloads say by an annotation is in it.
	if m := r.result.Migrations; m != nil && m.To == from && m.From == target.Image {
		return *m
	}
	if from == "" || target.Image == "" {
		return record.Migrations{Rollback: record.RollbackUnknown, Why: "an image is not known by its digest"}
	}
	m, err := r.cluster.Databases.Compare(ctx, from, target.Image)
	if err != nil {
		return record.Migrations{Rollback: record.RollbackUnknown, Why: err.Error()}
	}
	r.needs[pair] = m
	return m
}

// metLock reports whether what failed says that a migration found the lock held.
func (r *run) metLock() bool {
	return r.result.Cause != nil && strings.Contains(r.result.Cause.Message, backstage.MigrationLocked)
}

// lockHeld says who holds a lock, and how it is freed.
func (r *run) lockHeld(locked []record.MigrationTable) string {
	var lines []string
	living := false
	for _, t := range locked {
		lines = append(lines, fmt.Sprintf("%s: %s", t.Database, t.Lock))
		living = living || len(t.Lock.Holders) > 0
	}
	then := "no revision can start until it is free"
	if living {
		then += "; wait for the migration to end, and then"
	} else {
		then += ";"
	}
	return fmt.Sprintf("%s; %s `stagecrew recover --release %s --namespace %s --unlock-migrations` frees it and judges the revision again",
		strings.Join(lines, "; "), then, r.Release, r.Namespace)
}

// migrated says which migrations are in, and what can be done.
func (r *run) migrated(applied record.Applied, target record.Revision, state record.DatabaseState) string {
	var plugins []string
	for _, p := range state.In {
		plugins = append(plugins, p.String())
	}
	return fmt.Sprintf("the databases hold migrations that its image lacks, and it would not start on them: %s; %s; or take them back with the files of the new image, and then `stagecrew rollback --release %s --namespace %s --to %d`: %s",
		strings.Join(plugins, "; "), r.forward(), r.Release, r.Namespace, target.Number, r.commands(applied, state.Down))
}

// forward is what always helps.
func (r *run) forward() string {
	return fmt.Sprintf("deploy an image that is repaired and has these migrations, too (`stagecrew deploy --release %s --namespace %s --image …`)", r.Release, r.Namespace)
}

// commands are those that take migrations back, one for each table: exactly
// these, in their order, whichever runs of knex have applied them.
func (r *run) commands(applied record.Applied, down []record.AppliedMigration) string {
	var commands []string
	for begin := 0; begin < len(down); {
		end := begin
		var names []string
		for ; end < len(down) && sameTable(down[begin], down[end]); end++ {
			names = append(names, text.ShellWord(down[end].Name))
		}
		commands = append(commands, fmt.Sprintf("`kubectl --namespace %s exec %s -- sh -c %s`", r.Namespace, r.podWithFiles(applied), text.ShellWord(knexDown(down[begin], names))))
		begin = end
	}
	return strings.Join(commands, ", ")
}

// podWithFiles is a pod that runs the image whose migrations are in: of a failed revision
// one of the new ones, beside which old ones may run.
func (r *run) podWithFiles(applied record.Applied) string {
	if r.result.Diagnosis != nil {
		for _, pod := range r.result.Diagnosis.Pods {
			if pod.New {
				return "pod/" + pod.Name
			}
		}
	}
	if len(applied.Workloads) == 0 {
		return "POD"
	}
	return strings.ToLower(applied.Workloads[0].Kind) + "/" + applied.Workloads[0].Name
}

// knexDown takes migrations of one table back, whose names are words of a shell. The password is none of the URL, where it
// would have to be encoded.
func knexDown(a record.AppliedMigration, names []string) string {
	directory := "/" + a.Folder
	if owner, _, _ := strings.Cut(a.Folder, "/migrations"); strings.HasPrefix(owner, "@") || !strings.Contains(owner, "/") {
		directory = "node_modules/" + a.Folder
	}
	schema := ""
	if a.Schema != "" && a.Schema != "public" {
		path := `-c search_path="` + strings.ReplaceAll(a.Schema, `"`, `""`) + `"`
		schema = "?options=" + strings.ReplaceAll(url.QueryEscape(path), "+", "%20")
	}
	return fmt.Sprintf(`for m in %s; do PGPASSWORD="$POSTGRES_PASSWORD" node node_modules/.bin/knex migrate:down $m --client pg `+
		`--connection "postgres://$POSTGRES_USER@$POSTGRES_HOST:${POSTGRES_PORT:-5432}/%s%s" --migrations-table-name %s --migrations-directory %s || break; done`,
		strings.Join(names, " "), text.ShellQuoted(a.Database), text.ShellQuoted(schema), text.ShellWord(a.Table), text.ShellWord(directory))
}

func sameTable(a, b record.AppliedMigration) bool {
	return a.Database == b.Database && a.Schema == b.Schema && a.Table == b.Table && a.Folder == b.Folder
}

// isLocked reports whether a revision failed because the lock of the migrations is held:
// that says nothing about its image.
func (r *run) isLocked(ctx context.Context) bool {
	if r.cluster.Databases == nil || !r.metLock() {
		return false
	}
	brief, cancel := context.WithTimeout(ctx, askTime/3)
	defer cancel()
	state, err := r.cluster.Databases.Ask(brief, r.applied.Workloads, record.Migrations{})
	if err != nil {
		r.Log.Warn("asking the database who holds the lock of its migrations", "error", err)
		return false
	}
	r.result.Databases = &state
	return len(state.Locked) > 0
}

// forewarn says before a deploy what its rollback will need, and refuses what cannot start
// because the lock of the migrations is held. Where the databases will not tell then, it
// is known now.
func (r *run) forewarn(ctx context.Context, live record.Applied, target record.Revision) error {
	if r.cluster.Databases == nil {
		return nil
	}
	m := r.compareImages(ctx, r.image.Image().String(), target)
	if !mayMeetLock(m) {
		return nil
	}
	limit := askTime
	if m.Rollback == record.RollbackFree {
		limit = lockTime
	}
	brief, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	state, err := r.cluster.Databases.Ask(brief, live.Workloads, m)
	switch {
	case len(state.Locked) > 0:
		return record.Refused("deploy/migrations-locked", "the new revision would not start: %s", r.lockHeld(state.Locked))
	case m.Rollback == record.RollbackFree:
		return nil // whatever the databases say, this rollback does not want them
	case r.cluster.Undo != nil && err != nil:
		return record.Refused("deploy/on-migrated", "--on-migrated %s needs a database that can be asked, which %s: %w", r.OnMigrated, m, err)
	case r.cluster.Undo != nil:
		r.undoing = &Undoing{live, m.To, target, m, state}
	case record.CodeOf(err) == "database/none-known":
		r.Log.Warn("if this deploy fails, it is rolled back although that "+m.String(), "error", err)
	case err != nil:
		r.Log.Warn("if this deploy fails, nobody will know whether it can be rolled back, and it will not be: "+m.String(), "error", err)
	}
	return nil
}

// mayMeetLock reports whether the new image migrates: knex takes its lock at each start, also
// when there is nothing to do (backstage/backstage#26546). Of an image that is live
// already nobody has looked whether it does.
func mayMeetLock(m record.Migrations) bool {
	return m.Rollback == record.RollbackNeedsDatabase || m.Rollback == record.RollbackFree && m.From != m.To
}

// unlockMigrations frees locks before a recovery judges what is there.
func (r *run) unlockMigrations(ctx context.Context, newest record.Revision) error {
	if !r.Unlock {
		return nil
	}
	if r.cluster.Databases == nil {
		return record.BadInput("database/none-known", "--unlock-migrations: nothing is known of a database")
	}
	applied, err := r.cluster.History.Describe(ctx, newest.Number)
	if err != nil {
		return err
	}
	freed, err := r.cluster.Databases.Unlock(ctx, applied.Workloads)
	if err != nil {
		return err
	}
	for _, t := range freed {
		r.Log.Info("the lock of the migrations is free again", "database", t.Database, "table", t.Lock.Table)
		r.result.Repairs = append(r.result.Repairs, fmt.Sprintf("the lock %s of the database %s was freed: %s", t.Lock.Table, t.Database, cmp.Or(t.Lock.String(), "held")))
	}
	if len(freed) == 0 {
		r.Log.Info("no lock of the migrations is held")
	}
	return nil
}
