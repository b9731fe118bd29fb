package report

import (
	"fmt"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// Again are the commands that repeat, finish or undo what the run did, each with what
// it is for; the settings of the run are those of the next one.
func Again(r record.Record) [][2]string {
	if r.Release == nil || r.Release.Name == "" || r.LooksOnly {
		return nil
	}
	at := fmt.Sprintf("--release %s --namespace %s", text.ShellWord(r.Release.Name), text.ShellWord(r.Release.Namespace))
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
	if purpose := deployPurpose(r); purpose != "" && deploys && r.Image.IsBuilt() {
		add(purpose, fmt.Sprintf("deploy --image %s %s", text.ShellWord(r.Image.String()), at))
	}
	return all
}

// deployPurpose is what a deploy of the same image would be for, "" for nothing: what the
// scan has refused must not get around it.
func deployPurpose(r record.Record) string {
	vulnerable := r.Scan != nil && len(r.Scan.Blocking) > 0
	switch {
	case r.Verdict == record.VerdictGood, r.Verdict == record.VerdictRefused && vulnerable, r.Release.Idle:
		return ""
	case r.Verdict == record.VerdictOK:
		return "deploy it"
	}
	return "deploy the same image again"
}
