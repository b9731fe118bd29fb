package record

// MigratedPolicy is what is done about the databases when a release has failed whose
// migrations are in them, before its rollback.
type MigratedPolicy string

// The policies.
const (
	// MigratedStop leaves the failed release where it is, with the commands that help.
	MigratedStop MigratedPolicy = "stop"
	// MigratedSkip goes back and has the application not compare its files with what is applied.
	MigratedSkip MigratedPolicy = "skip-validation"
	// MigratedDown takes the migrations back, with the files of the failed image.
	MigratedDown MigratedPolicy = "migrate-down"
	// MigratedRestore puts the dumps of before the deploy back.
	MigratedRestore MigratedPolicy = "restore"
)

// Undoes reports whether a policy does something before a rollback: the zero value does
// not, either.
func (p MigratedPolicy) Undoes() bool { return p != "" && p != MigratedStop }

// Choices are all policies.
func (MigratedPolicy) Choices() []Choice {
	return []Choice{
		{string(MigratedStop), "leaves it, with the commands that help"},
		{string(MigratedSkip), "goes back without Backstage's comparison of files, where no migration is destructive"},
		{string(MigratedDown), "takes the migrations back first, with the files of the new image"},
		{string(MigratedRestore), "puts the dumps of before the deploy back first"},
	}
}

// DatabaseUndo is what a policy did with the databases before a rollback.
type DatabaseUndo struct {
	Policy MigratedPolicy `json:"policy"`
	// Plan is what was to be done, as it was announced; "" where nothing could be.
	Plan string `json:"plan,omitempty"`
	// Done says that it was done. What the rollback made of it is the run's verdict.
	Done bool `json:"done"`
	// Why says why it was not done, or not to the end.
	Why string `json:"why,omitempty"`
	// Out are the migrations that were taken back, in that order, and Left those of the
	// failed image that are still in.
	Out  []AppliedMigration `json:"out,omitempty"`
	Left []AppliedMigration `json:"left,omitempty"`
	// Set are variables that the containers of the revision get that is gone back to.
	Set map[string]string `json:"set,omitempty"`
	// Dump is the one that was put back, Lost are the writes since then, and Replaced the
	// names of the databases as they were before.
	Dump     *Dump        `json:"dump,omitempty"`
	Lost     []LostWrites `json:"lost,omitempty"`
	Replaced []string     `json:"replaced,omitempty"`
	// Seconds are how long it took.
	Seconds float64 `json:"seconds,omitempty"`
}
