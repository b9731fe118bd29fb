package issuer

import (
	"crypto/rand"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// lifetime is that of GitHub's tokens, as far as Sigstore is concerned.
const lifetime = 5 * time.Minute

// job is the release workflow of the tests and of the demo. Its keys are the
// parameters that a request for a token may give; "path" is the workflow's file.
func job() map[string]string {
	const commit = "0123456789abcdef0123456789abcdef01234567"
	return map[string]string{
		"repository": "acme/backstage", "repository_id": "123456789", "repository_owner_id": "987654", "repository_visibility": "private",
		"path": ".github/workflows/release.yml", "workflow": "release", "ref": "refs/tags/v1.2.3", "sha": commit,
		"event_name": "release", "environment": "", "runner_environment": "github-hosted", "actor": "octocat", "actor_id": "1",
		"run_id": "42", "run_number": "7", "run_attempt": "1",
		// Empty: the workflow that runs. Another one when it calls a reusable workflow.
		"job_workflow_ref": "", "job_workflow_sha": "",
	}
}

// Identity is the name in a certificate for the job without any parameters.
func Identity() string {
	j := job()
	return "https://github.com/" + j["repository"] + "/" + j["path"] + "@" + j["ref"]
}

// claims are those that GitHub puts into a token for the job.
func (i *Issuer) claims(audience string, parameters url.Values) (map[string]any, error) {
	j := job()
	for name, values := range parameters {
		if _, known := j[name]; !known || len(values) != 1 {
			return nil, fmt.Errorf("parameter %q is unknown, or given twice", name)
		}
		j[name] = values[0]
	}
	owner, _, found := strings.Cut(j["repository"], "/")
	kind, err := refType(j["ref"])
	if !found || err != nil {
		return nil, fmt.Errorf("want repository=OWNER/NAME and ref=refs/heads/…, refs/tags/… or refs/pull/…, not %q and %q", j["repository"], j["ref"])
	}
	workflow := j["repository"] + "/" + j["path"] + "@" + j["ref"]
	now := time.Now()
	claims := map[string]any{
		"iss": i.URL, "aud": audience, "sub": subject(j), "jti": rand.Text(),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(lifetime).Unix(),
		"repository_owner": owner, "ref_type": kind, "workflow_ref": workflow, "workflow_sha": j["sha"], "base_ref": "", "head_ref": "",
	}
	for name, value := range j {
		claims[name] = value
	}
	delete(claims, "path")
	if j["environment"] == "" {
		delete(claims, "environment")
	}
	if j["job_workflow_ref"] == "" {
		claims["job_workflow_ref"], claims["job_workflow_sha"] = workflow, j["sha"]
	}
	return claims, nil
}

func subject(j map[string]string) string {
	switch {
	case j["environment"] != "":
		return "repo:" + j["repository"] + ":environment:" + j["environment"]
	case j["event_name"] == "pull_request":
		return "repo:" + j["repository"] + ":pull_request"
	}
	return "repo:" + j["repository"] + ":ref:" + j["ref"]
}

func refType(ref string) (string, error) {
	for prefix, kind := range map[string]string{"refs/heads/": "branch", "refs/tags/": "tag", "refs/pull/": "branch"} {
		if len(ref) > len(prefix) && strings.HasPrefix(ref, prefix) {
			return kind, nil
		}
	}
	return "", fmt.Errorf("ref %q is no branch, tag or pull request", ref)
}
