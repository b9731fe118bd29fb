package sigstore

import (
	"net/url"
	"strings"
)

// Workflow says which workflow signs.
type Workflow struct {
	Repository string // org/repo
	Path       string // .github/workflows/release.yml
	Ref        string // refs/tags/v1.2.3
	Commit     string
	Event      string
}

// Release is the workflow of the tests.
var Release = Workflow{
	Repository: "org/repo", Path: ".github/workflows/release.yml", Ref: "refs/tags/v1.2.3",
	Commit: "0123456789012345678901234567890123456789", Event: "push",
}

// Identity is what a certificate for the workflow names.
func (w Workflow) Identity() string { return "https://github.com/" + w.ref() }

func (w Workflow) ref() string { return w.Repository + "/" + w.Path + "@" + w.Ref }

// Environment is what GitHub's runner gives a step of the workflow.
func (w Workflow) Environment() []string {
	_, name, _ := strings.Cut(strings.TrimPrefix(w.Ref, "refs/"), "/")
	kind := map[bool]string{true: "tag", false: "branch"}[strings.HasPrefix(w.Ref, "refs/tags/")]
	return []string{
		"GITHUB_ACTIONS=true", "GITHUB_SERVER_URL=https://github.com", "GITHUB_REPOSITORY=" + w.Repository, "GITHUB_REF=" + w.Ref, "GITHUB_REF_NAME=" + name,
		"GITHUB_REF_TYPE=" + kind, "GITHUB_SHA=" + w.Commit, "GITHUB_WORKFLOW_REF=" + w.ref(), "GITHUB_RUN_ID=42", "GITHUB_RUN_ATTEMPT=1", "GITHUB_EVENT_NAME=" + w.Event,
	}
}

// parameters make the issuer's job one of the workflow.
func (w Workflow) parameters() string {
	return "&" + url.Values{"repository": {w.Repository}, "path": {w.Path}, "ref": {w.Ref}, "sha": {w.Commit}, "event_name": {w.Event}}.Encode()
}
