package gha

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/sethvargo/go-githubactions"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// permission is the YAML that a job without an identity token lacks.
const permission = "permissions:\n  id-token: write"

// IdentityToken gets an OIDC token that proves which workflow runs, for the
// audience. It is masked. Without the permission the error is of kind input and
// names the YAML to add; when GitHub does not answer it is of kind unavailable,
// and it may be tried again.
func (a *Actions) IdentityToken(ctx context.Context, audience string) (string, error) {
	if err := a.CanIdentify(); err != nil {
		return "", err
	}
	token, err := a.library.GetIDToken(ctx, audience)
	var refused *githubactions.RequestFailedError
	switch {
	case errors.As(err, &refused) && refused.StatusCode < http.StatusInternalServerError && refused.StatusCode != http.StatusTooManyRequests:
		return "", record.BadInput("gha/identity-refused", "getting an identity token: GitHub answered %d; does the job have\n%s", refused.StatusCode, permission)
	case err != nil:
		return "", record.Unavailable("gha/identity-unavailable", "getting an identity token: %w", quiet(err))
	case strings.Count(token, ".") != 2:
		return "", record.Unavailable("gha/identity-unavailable", "getting an identity token: GitHub's answer holds none")
	}
	a.Mask(token)
	return token, nil
}

// Identity is as whom this job signs without a key.
type Identity struct {
	// Name is what Fulcio writes into a certificate: the workflow file that the job is
	// of. Issuer has vouched for it.
	Name, Issuer string
	// Shared says that the file is of another repository: every caller of a reusable
	// workflow signs under its name.
	Shared bool
}

// Identity asks GitHub who this job is. Its variables name the workflow that was started,
// which is not the one that signs where that calls another.
func (a *Actions) Identity(ctx context.Context) (Identity, error) {
	token, err := a.IdentityToken(ctx, "sigstore")
	if err != nil {
		return Identity{}, err
	}
	var claims struct {
		Issuer     string `json:"iss"`
		Workflow   string `json:"job_workflow_ref"`
		Repository string `json:"repository"`
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err == nil {
		err = json.Unmarshal(payload, &claims)
	}
	if err != nil || claims.Issuer == "" || claims.Workflow == "" || claims.Repository == "" {
		return Identity{}, record.Unavailable("gha/identity-unavailable", "reading the identity token: it does not say of which workflow this job is")
	}
	return Identity{
		Name: a.getenv("GITHUB_SERVER_URL") + "/" + claims.Workflow, Issuer: claims.Issuer,
		Shared: !strings.HasPrefix(claims.Workflow, claims.Repository+"/"),
	}, nil
}

// CanIdentify tells by its error, of kind input, that this job cannot get an
// identity token, and names the YAML to add. The job of a pull request that is of a fork or
// of Dependabot gets none whatever it adds (aws-actions/configure-aws-credentials#373,
// google-github-actions/auth#51, codecov/codecov-action#1816).
func (a *Actions) CanIdentify() error {
	for _, name := range []string{"ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"} {
		if a.getenv(name) != "" {
			continue
		}
		if strings.HasPrefix(a.getenv("GITHUB_EVENT_NAME"), "pull_request") {
			return record.BadInput("gha/no-identity", "there is no key to sign with and no identity (%s is not set): GitHub gives the pull requests of forks and of Dependabot no identity token and no secrets, whatever the job has; "+
				"sign on: push or release. In the job of a branch of this repository add\n%s\nor give --sign-key", name, permission)
		}
		return record.BadInput("gha/no-identity", "there is no key to sign with and no identity: give --sign-key or, in a job of GitHub Actions, add\n%s\n(%s is not set)", permission, name)
	}
	return nil
}

// quiet drops the URL of a failed request and the body of an answer: nothing in
// them helps, and both are foreign.
func quiet(err error) error {
	var request *url.Error
	if errors.As(err, &request) {
		return request.Err
	}
	var refused *githubactions.RequestFailedError
	if errors.As(err, &refused) {
		return fmt.Errorf("GitHub answered %d", refused.StatusCode)
	}
	return err
}

// API is where this job reaches GitHub's REST API. All is empty on a laptop.
type API struct {
	URL        string // https://api.github.com
	Repository string // org/repo
	Token      string // "" where the job hands none on
}

// API reads the environment of the step.
func (a *Actions) API() API {
	if !a.Enabled() {
		return API{}
	}
	return API{a.getenv("GITHUB_API_URL"), a.getenv("GITHUB_REPOSITORY"), a.getenv("GITHUB_TOKEN")}
}

// PullRequest is the number of the one that the workflow runs for, 0 for none.
func (a *Actions) PullRequest() int {
	number, found := strings.CutPrefix(a.getenv("GITHUB_REF"), "refs/pull/")
	if !a.Enabled() || !found {
		return 0
	}
	number, _, _ = strings.Cut(number, "/")
	n, err := strconv.Atoi(number)
	if err != nil {
		return 0
	}
	return n
}

// The types of a Git reference, as GITHUB_REF_TYPE names them.
const (
	RefTag    = "tag"
	RefBranch = "branch"
)

// RefName is the name of the tag or branch that the workflow runs for, "" when it
// runs for something else, such as a pull request.
func (a *Actions) RefName(kind string) string {
	if !a.Enabled() || a.getenv("GITHUB_REF_TYPE") != kind || strings.HasPrefix(a.getenv("GITHUB_REF"), "refs/pull/") {
		return ""
	}
	return a.getenv("GITHUB_REF_NAME")
}

// Source says which workflow runs from what source, in the words of the runner's
// environment. All fields are empty on a laptop.
type Source struct {
	Repository string // https://github.com/org/repo
	Ref        string // refs/tags/v1.2.3
	Commit     string // full SHA-1
	Workflow   string // path of the workflow file in the repository
	Builder    string // https://github.com/org/repo/.github/workflows/release.yml@refs/tags/v1.2.3
	Invocation string // https://github.com/org/repo/actions/runs/1/attempts/1
	Event      string // push, release, workflow_dispatch
	// RepositoryID and OwnerID are GitHub's numbers of the repository and its owner.
	RepositoryID, OwnerID string
	Runner                string // github-hosted or self-hosted
}

// Source reads the environment of the step.
func (a *Actions) Source() Source {
	server, repository := a.getenv("GITHUB_SERVER_URL"), a.getenv("GITHUB_REPOSITORY")
	if !a.Enabled() || server == "" || repository == "" {
		return Source{}
	}
	home := server + "/" + repository
	workflow := a.getenv("GITHUB_WORKFLOW_REF")
	path, _, _ := strings.Cut(strings.TrimPrefix(workflow, repository+"/"), "@")
	return Source{
		Repository: home, Ref: a.getenv("GITHUB_REF"), Commit: a.getenv("GITHUB_SHA"), Event: a.getenv("GITHUB_EVENT_NAME"),
		Workflow: path, Builder: server + "/" + workflow,
		RepositoryID: a.getenv("GITHUB_REPOSITORY_ID"), OwnerID: a.getenv("GITHUB_REPOSITORY_OWNER_ID"), Runner: a.getenv("RUNNER_ENVIRONMENT"),
		Invocation: fmt.Sprintf("%s/actions/runs/%s/attempts/%s", home, a.getenv("GITHUB_RUN_ID"), a.getenv("GITHUB_RUN_ATTEMPT")),
	}
}
