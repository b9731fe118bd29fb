package deploy

// state is where a run stands. Those that do something have an action of the
// same name in actions.
type state string

// The states, in the order in which a deploy meets them.
const (
	preflight   state = "preflight"
	locking     state = "lock"
	settling    state = "settle"   // a half-applied revision of a dead run is undone
	baseline    state = "baseline" // the rollback target is found, the live release looked at
	preparing   state = "prepare"  // what its rollback will need of the databases
	applying    state = "apply"
	watching    state = "watch"
	smoking     state = "smoke" // the soak runs beside it
	soaking     state = "soak"
	comparing   state = "compare" // the live objects with the manifest
	marking     state = "mark"
	evidence    state = "evidence"
	deciding    state = "decide"
	asking      state = "databases"      // whether the image that is gone back to runs on them
	takingBack  state = "databases-back" // the databases go back, by the policy
	rollingBack state = "rolling-back"
	regating    state = "re-gating"
	hurrying    state = "rolling-back at once" // after a signal: started, not waited for

	// What a recovery and a gate meet in the place of a change of their own.
	surveying state = "survey" // what a dead run, or another tool, left

	// The ends.
	good       state = "good"
	atRest     state = "applied, nothing runs" // on purpose; not proven
	rolledBack state = "rolled-back"
	needsHuman state = "needs-human"
	refused    state = "refused"
	cancelled  state = "cancelled"
	planned    state = "planned"
	nothing    state = "nothing to do"
	ended      state = "ended" // with an error: nothing was changed, or another run took over
)

// event is how an action ended.
type event string

const (
	passed    event = "passed"
	idle      event = "idle"           // the revision wants no pod: there is nothing to prove
	failed    event = "failed"         // the revision, or the rollback, is not good
	unproven  event = "unproven"       // nothing speaks against the revision, but nothing for it
	unclear   event = "could not tell" // the cluster could not be asked
	broken    event = "broken"         // an error before anything was changed
	stopped   event = "stopped"        // a signal came
	abandoned event = "abandoned"      // a signal came while Helm was at work, and it has not ended
	lost      event = "lost"           // another run has taken the lock over
	untouched event = "untouched"      // there is nothing to do
	migrated  event = "migrated"       // its migrations are in, and there is a policy
	undo      event = "undo"           // the live revision is to be rolled back
)

// row says where a run goes from a state on an event.
type row struct {
	in state
	on event
	to state
}

// table is a list of rows. What is in no row cannot happen, which the tests prove.
type table []row

// operation is what a run is about, and what sets it apart from the others. The name is for
// messages.
type operation struct {
	name  string
	first state
	table table
	// appliesChart says that the change is the chart with the image that was verified.
	appliesChart bool
	// byHand says that a person wants the earlier revision that is put back: it is chosen
	// by what they say, and none other goes back after it.
	byHand bool
	// judgesOthers says that others have applied what is judged: what cannot be found out
	// says nothing about it.
	judgesOthers bool
	// changesNothing says that nothing is written but the verdict, and nothing goes back.
	changesNothing bool
	// readsJournal says that what a dead run noted tells what there is to do.
	readsJournal bool
}

// The operations, one for each command.
var (
	deploying  = operation{name: "deploy", first: preflight, table: deployTable, appliesChart: true}
	goingBack  = operation{name: "rollback", first: preflight, table: rollbackTable, byHand: true}
	recovering = operation{name: "recover", first: locking, table: recoverTable, judgesOthers: true, readsJournal: true}
	gating     = operation{name: "gate", first: locking, table: gateTable, judgesOthers: true, changesNothing: true}
)

// prove is how every revision is judged.
var prove = table{
	{watching, passed, smoking},
	{watching, idle, comparing},
	{smoking, passed, soaking},
	{soaking, passed, comparing},
	{comparing, passed, marking},
	{marking, passed, good},
	{marking, idle, atRest},
	{marking, failed, needsHuman}, // it serves, but the verdict could not be written
}

// undoing is how a bad revision is replaced by the last verified-good one.
var undoing = table{
	{evidence, passed, deciding},
	{evidence, stopped, hurrying},
	{deciding, passed, asking},
	{deciding, failed, needsHuman}, // no verified-good revision: nothing further is touched
	{deciding, stopped, hurrying},
	{asking, passed, rollingBack},
	{asking, failed, needsHuman}, // it does not, or that is unknown
	{asking, migrated, takingBack},
	{asking, stopped, hurrying},
	{takingBack, passed, rollingBack},
	{takingBack, failed, needsHuman},
	{takingBack, stopped, cancelled},
	{takingBack, lost, ended},
	{rollingBack, passed, regating},
	{rollingBack, failed, needsHuman},
	{rollingBack, stopped, cancelled},
	{rollingBack, abandoned, cancelled},
	{regating, passed, rolledBack},
	{regating, failed, needsHuman},
	{regating, unproven, needsHuman},
	{regating, stopped, cancelled},
	{hurrying, passed, cancelled},
	{hurrying, failed, cancelled},
	{hurrying, abandoned, cancelled},
	{evidence, lost, ended},
	{deciding, lost, ended},
	{asking, lost, ended},
	{rollingBack, lost, ended},
	{regating, lost, ended},
}

// judging is what follows when the revision that is judged is bad, a signal
// stops the judging, nothing was proven, or the cluster could not be asked.
func judging(onStop, onUnproven, onUnclear state) table {
	return table{
		{watching, failed, evidence},
		{watching, unclear, onUnclear},
		{watching, stopped, onStop},
		{watching, lost, ended},
		{smoking, failed, evidence},
		{smoking, unproven, onUnproven},
		{smoking, unclear, onUnclear},
		{smoking, stopped, onStop},
		{smoking, lost, ended},
		{soaking, failed, evidence},
		{soaking, unclear, onUnclear},
		{soaking, stopped, onStop},
		{soaking, lost, ended},
		{comparing, failed, evidence},
		{comparing, unproven, onUnproven}, // another client scaled it to zero
		{comparing, unclear, onUnclear},
		{comparing, stopped, onStop},
		{comparing, lost, ended},
	}
}

// entering is how every run takes the lock.
func entering(first state) table {
	return table{
		{locking, passed, first},
		{locking, broken, ended},
		{locking, stopped, cancelled},
	}
}

// changing is a preflight and an apply, of a chart or of an earlier revision.
func changing(onFailed state) table {
	return table{
		{preflight, passed, locking},
		{preflight, untouched, planned}, // a dry run
		{preflight, broken, ended},
		{preflight, stopped, cancelled},
		{applying, passed, watching},
		{applying, failed, onFailed},
		{applying, broken, ended},
		{applying, stopped, cancelled},
		{applying, abandoned, cancelled},
		{applying, lost, ended},
	}
}

var deployTable = join(changing(evidence), entering(settling), table{
	{settling, passed, baseline},
	{settling, broken, ended},
	{settling, stopped, cancelled},
	{settling, abandoned, cancelled},
	{settling, lost, ended},
	{baseline, passed, preparing},
	{baseline, broken, ended},
	{baseline, stopped, cancelled},
	{baseline, lost, ended},
	{preparing, passed, applying},
	{preparing, broken, ended},
	{preparing, stopped, cancelled},
	{preparing, lost, ended},
}, judging(hurrying, needsHuman, needsHuman), prove, undoing)

// rollbackTable is a rollback by hand: there is no second one behind it.
var rollbackTable = join(changing(needsHuman), entering(asking), judging(cancelled, needsHuman, needsHuman), table{
	{asking, passed, applying},
	{asking, migrated, takingBack},
	{takingBack, passed, applying},
	{takingBack, failed, needsHuman},
	{takingBack, broken, ended},
	{takingBack, stopped, cancelled},
	{takingBack, lost, ended},
	{asking, broken, ended},
	{asking, stopped, cancelled},
	{asking, lost, ended},
	{evidence, passed, needsHuman},
	{evidence, stopped, needsHuman},
	{evidence, lost, ended},
}, prove)

// recoverTable finishes what a dead run left.
var recoverTable = join(entering(surveying), table{
	{surveying, untouched, nothing},
	{surveying, passed, watching}, // a revision without a verdict: judge it
	{surveying, undo, deciding},   // one that is bad or was applied in part
	{surveying, broken, ended},
	{surveying, failed, needsHuman},
	{surveying, stopped, cancelled},
	{surveying, abandoned, cancelled},
	{surveying, lost, ended},
}, judging(cancelled, needsHuman, ended), prove, undoing)

// gateTable judges a rollout that another tool started and changes nothing but
// the verdict.
var gateTable = join(entering(surveying), table{
	{surveying, passed, watching},
	{surveying, failed, evidence}, // the live objects were changed
	{surveying, broken, ended},
	{surveying, stopped, cancelled},
	{surveying, lost, ended},
	{evidence, passed, refused},
	{evidence, stopped, refused},
	{evidence, lost, ended},
}, judging(cancelled, refused, ended), prove)

func join(tables ...table) table {
	var all table
	for _, t := range tables {
		all = append(all, t...)
	}
	return all
}

// next gives the state that follows; false for an event that no row expects.
func (t table) next(in state, on event) (state, bool) {
	for _, r := range t {
		if r.in == in && r.on == on {
			return r.to, true
		}
	}
	return "", false
}
