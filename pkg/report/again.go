package report

import (
	"fmt"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Again are the commands that repeat, finish or undo what the run did, each with what
// it is for; the settings of the run are those of the next one.
func Again(r record.Record) [][2]string {
	if r.Release == nil || r.Release.Name == "" || r.LooksOnly {
		return nil
	}
	at := fmt.Sprintf("--release %s --namespace %s", r.Release.Name, r.Release.Namespace)
	var all [][2]string
	add := func(purpose, command string) { all = append(all, [2]string{purpose, "stagecrew " + command}) }
	deploys := r.Command == "deploy" || r.Command == "run"
	switch r.Verdict {
	case record.VerdictGood:
		if deploys && r.Release.RollbackTarget > 0 && r.Release.RollbackTarget != r.Release.Live {
			add("undo it", fmt.Sprintf("rollback --to %d %s", r.Release.RollbackTarget, at))
		}
	case record.VerdictCancelled, record.VerdictUnknown, record.VerdictError:
		add("finish it", "recover "+at)
	case record.VerdictNeedsHuman:
		add("see what there is", "status "+at)
		add("judge what is live, and replace it if it is bad", "recover "+at)
	case record.VerdictRolledBack, record.VerdictRefused, record.VerdictOK:
	}
	if r.Image.IsBuilt() && r.Verdict != record.VerdictGood && deploys {
		add("deploy the same image again", fmt.Sprintf("deploy --image %s %s", r.Image, at))
	}
	return all
}
