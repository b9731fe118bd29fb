package cli

import "github.com/stagecrew/stagecrew/pkg/pipeline"

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
func verdictOf(v pipeline.Verdict, err error) pipeline.Verdict {
	switch {
	case v == pipeline.VerdictCancelled:
		return v
	case err == nil && v == "":
		return pipeline.VerdictOK
	case err == nil:
		return v
	case pipeline.KindOf(err) == pipeline.KindRefused:
		return pipeline.VerdictRefused
	case v == pipeline.VerdictUnknown:
		return v
	}
	return pipeline.VerdictError
}

// exitCode maps a verdict, and for an error its kind, to the exit code.
func exitCode(v pipeline.Verdict, err error) int {
	switch v {
	case pipeline.VerdictGood, pipeline.VerdictOK:
		return exitOK
	case pipeline.VerdictRefused:
		return exitRefused
	case pipeline.VerdictRolledBack:
		return exitRolledBack
	case pipeline.VerdictNeedsHuman:
		return exitNeedsHuman
	case pipeline.VerdictCancelled:
		return exitCancelled
	}
	if pipeline.KindOf(err) == pipeline.KindInput {
		return exitUsage
	}
	return exitUnknown
}
