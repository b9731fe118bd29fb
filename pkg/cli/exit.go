package cli

import "github.com/stagecrew/stagecrew/pkg/record"

// The exit codes of every command.
const (
	exitOK         = 0 // done; for deploy: the new revision is verified-good
	exitRefused    = 1 // a policy or check said no before anything changed
	exitUsage      = 2 // wrong input or usage
	exitUnknown    = 3 // could not tell; the cluster was not left half-way
	exitRolledBack = 4 // the last verified-good revision is back and serving
	exitNeedsHuman = 5 // the rollback was withheld or failed
	exitCancelled  = 6 // the state is recorded; the next run finishes it
)

// verdictOf completes the verdict that a command left open.
func verdictOf(v record.Verdict, err error) record.Verdict {
	switch {
	case v == record.VerdictCancelled:
		return v
	case err == nil && v == "":
		return record.VerdictOK
	case err == nil:
		return v
	case record.KindOf(err) == record.KindRefused:
		return record.VerdictRefused
	case v == record.VerdictUnknown:
		return v
	}
	return record.VerdictError
}

// exitCode maps a verdict, and for an error its kind, to the exit code.
func exitCode(v record.Verdict, err error) int {
	switch v {
	case record.VerdictGood, record.VerdictOK:
		return exitOK
	case record.VerdictRefused:
		return exitRefused
	case record.VerdictRolledBack:
		return exitRolledBack
	case record.VerdictNeedsHuman:
		return exitNeedsHuman
	case record.VerdictCancelled:
		return exitCancelled
	case record.VerdictUnknown, record.VerdictError: // the error decides
	}
	if record.KindOf(err) == record.KindInput {
		return exitUsage
	}
	return exitUnknown
}
