package actions_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// called is one of the reusable workflows, in this repository or of it.
var called = regexp.MustCompile(`^(?:\.|stagecrew/stagecrew)/\.github/workflows/([a-z]+\.yml)(?:@|$)`)

// reporting are the actions that tell GitHub's page of deployments what runs, however
// they are named: of this repository, of the checkout of a called workflow, or of users.
var reporting = regexp.MustCompile(`^(?:\./\.stagecrew|stagecrew/stagecrew)(?:/actions/(?:deploy|rollback|recover))?(?:@|$)`)

// everyWorkflow are ours, those of the tests, those that init writes, and the examples of
// the documents.
func everyWorkflow(t *testing.T) map[string]workflow {
	t.Helper()
	all := map[string]workflow{}
	add := func(name, text string) {
		var w workflow
		require.NoError(t, yaml.Unmarshal([]byte(text), &w), name)
		all[name] = w
	}
	for _, pattern := range []string{"../.github/workflows/*.yml", "../test/actions/testdata/*.yml", "../pkg/scaffold/files/*.yml", "../examples/clouds/*.yml", "*/README.md", "README.md", "../README.md", "../docs/*.md"} {
		files, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			if filepath.Ext(file) == ".yml" {
				add(file, regexp.MustCompile(`(?m)^<<-.*>>\n`).ReplaceAllString(string(text), ""))
				continue
			}
			for i, match := range regexp.MustCompile("(?sm)^```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
				if strings.Contains(match[1], "jobs:") {
					add(file+" "+string(rune('1'+i)), match[1])
				}
			}
		}
	}
	return all
}

// GitHub starts no run, and shows no job, where a called workflow asks for more than its
// caller grants (ably/ably-js#2252, betaflight/betaflight-configurator#5292,
// silent-suite/silentsuite#697, project-dalec/dalec#1109).
func TestWhoCallsAWorkflowGrantsWhatItAsksFor(t *testing.T) {
	calls := 0
	for name, w := range everyWorkflow(t) {
		for id, job := range w.Jobs {
			match := called.FindStringSubmatch(job.Uses)
			if match == nil {
				continue
			}
			calls++
			for _, asked := range read[workflow](t, "../.github/workflows/"+match[1]).Jobs {
				for scope, level := range asked.Permissions {
					granted := job.Permissions[scope]
					require.True(t, granted == level || granted == "write", "%s: job %s grants %s %q, and %s asks for %q", name, id, scope, granted, match[1], level)
				}
			}
		}
	}
	require.GreaterOrEqual(t, calls, 3)
}

// A job that names an environment gets a deployment of the branch's commit from GitHub,
// beside ours, and after a rollback a false one. Without the permission ours is missing
// (bobheadxi/deployments#156, chrnorm/deployment-status#31).
func TestOneDeploymentIsMadeAndStagecrewMayMakeIt(t *testing.T) {
	jobs := 0
	for name, w := range everyWorkflow(t) {
		for id, job := range w.Jobs {
			dry := false
			reports := slices.ContainsFunc(job.Steps, func(s workflowStep) bool {
				dry = dry || s.With["dry-run"] == "true"
				return reporting.MatchString(s.Uses)
			})
			if !reports || dry {
				continue
			}
			jobs++
			require.Equal(t, "write", job.Permissions["deployments"], "%s: %s", name, id)
			require.Equal(t, "false", job.Environment.Deployment, "%s: %s has the environment %q", name, id, job.Environment.Name)
			require.Empty(t, job.Environment.URL, "%s: %s: GitHub shows it with a deployment of its own only", name, id)
		}
	}
	require.GreaterOrEqual(t, jobs, 8)
}

// A job that runs code of the dependencies can sign whatever it likes as its workflow where
// it may have an identity: then that workflow must be one that nobody trusts.
func TestWhatSignsRunsNoCodeOfDependencies(t *testing.T) {
	for name, w := range everyWorkflow(t) {
		signs := slices.ContainsFunc(slices.Collect(maps.Values(w.Jobs)), func(j workflowJob) bool {
			return j.Permissions["id-token"] == "write" && !builds(j)
		})
		for id, job := range w.Jobs {
			require.False(t, signs && builds(job) && job.Permissions["id-token"] != "", "%s: job %s builds and may sign as its workflow", name, id)
		}
	}
}

func builds(j workflowJob) bool {
	return slices.ContainsFunc(j.Steps, func(s workflowStep) bool { return strings.Contains(s.Uses, "/actions/build") })
}

// The page names the environment that the job has, in each job the same.
func TestDeploymentsAreShownInTheEnvironmentOfTheJob(t *testing.T) {
	for _, file := range []string{"deploy.yml", "rollback.yml"} {
		for id, job := range read[workflow](t, "../.github/workflows/"+file).Jobs {
			for _, s := range job.Steps {
				if reporting.MatchString(s.Uses) {
					require.Equal(t, job.Environment.Name, s.Env["STAGECREW_GITHUB_ENVIRONMENT"], "%s: %s", file, id)
					require.Contains(t, slices.Collect(maps.Keys(s.Env)), "STAGECREW_GITHUB_ENVIRONMENT_URL")
				}
			}
		}
	}
}
