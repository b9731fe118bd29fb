package gha

import (
	"encoding/json"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// maxEvent bounds what is read of an event, in bytes; GitHub's are up to 25 MB.
const maxEvent = 32 << 20

// event is the part of an event's payload that says whose code a job has.
type event struct {
	Repository  repository `json:"repository"`
	PullRequest struct {
		Head struct {
			Repository repository `json:"repo"` // null where the fork is gone
		} `json:"head"`
	} `json:"pull_request"`
	Issue struct {
		PullRequest *struct{} `json:"pull_request"` // of an issue that is one
	} `json:"issue"`
	WorkflowRun struct {
		Event string     `json:"event"`
		Head  repository `json:"head_repository"`
	} `json:"workflow_run"`
}

type repository struct {
	Name string `json:"full_name"` // owner/name
}

// CheckTrigger tells by its error, of kind input, that this job may have the code of
// a person who may not write to the repository, and what to write instead: it is for
// what changes something. A fork's pull request may do what needs no secret, and then
// no release either.
func (a *Actions) CheckTrigger(releases bool) error {
	name := a.getenv("GITHUB_EVENT_NAME")
	switch {
	case !a.Enabled():
		return nil
	case name == "pull_request_target":
		return record.BadInput("gha/pull-request-target", "on: pull_request_target gives the code of a pull request the rights and secrets of the main branch, and anybody may open one: start this on\n"+
			"on:\n  release: { types: [released] }\nand what looks only, such as preflight and deploy --dry-run, on\non: pull_request")
	case strings.HasPrefix(name, "pull_request") && releases:
		if e := a.event(); e.Repository.Name == "" || e.PullRequest.Head.Repository != e.Repository {
			return record.BadInput("gha/fork", "this pull request is of %s, and nobody who may write to this repository has looked at its code: it deploys nothing. "+
				"GitHub gives it no secrets, and a token that can only read. Leave the job out for forks:\nif: github.event.pull_request.head.repo.full_name == github.repository", origin(e.PullRequest.Head.Repository))
		}
	case name == "issue_comment" && releases:
		if a.event().Issue.PullRequest != nil && !a.isOurs(a.getenv("GITHUB_WORKSPACE")) {
			return record.BadInput("gha/fork", "this follows a comment on a pull request, with the rights of the main branch, and what is checked out is of no branch of this repository: it may be a fork's, and nobody who may write here has to have seen it. "+
				"Check out the branch by its name, or start the workflow for it by `gh workflow run deploy.yml --ref BRANCH`:\non: workflow_dispatch")
		}
	case name == "workflow_run":
		if e := a.event(); strings.HasPrefix(e.WorkflowRun.Event, "pull_request") && (e.Repository.Name == "" || e.WorkflowRun.Head != e.Repository) {
			return record.BadInput("gha/fork", "this follows a run for a pull request of %s, with the rights of the main branch: what that run has left may be anything. "+
				"Leave the job out for forks:\nif: github.event.workflow_run.head_repository.full_name == github.repository", origin(e.WorkflowRun.Head))
		}
	}
	return nil
}

func origin(r repository) string {
	if r.Name == "" {
		return "a fork, or of somewhere that GitHub does not name"
	}
	return "the fork " + r.Name
}

// event reads the payload; of one that cannot be read nothing is known.
func (a *Actions) event() (e event) {
	content, err := files.ReadRegular(a.getenv("GITHUB_EVENT_PATH"), maxEvent)
	if err != nil || json.Unmarshal(content, &e) != nil {
		return event{}
	}
	return e
}
