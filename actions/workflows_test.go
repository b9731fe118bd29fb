package actions_test

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/stagecrew/stagecrew/pkg/config"
)

// workflow is the part of a workflow that the rules below are about.
type workflow struct {
	Permissions yaml.Node
	Concurrency *concurrency
	Jobs        map[string]workflowJob
}

type workflowJob struct {
	Permissions    map[string]string
	Concurrency    *concurrency
	Environment    environment
	TimeoutMinutes int `yaml:"timeout-minutes"`
	Uses           string
	Secrets        yaml.Node
	Steps          []workflowStep
}

// workflowStep is one of a job.
type workflowStep struct {
	Uses, Run       string
	With, Env       map[string]string
	ContinueOnError string `yaml:"continue-on-error"`
}

type concurrency struct {
	Group  string
	Cancel string `yaml:"cancel-in-progress"`
	Queue  string
}

type environment struct {
	Name, URL  string
	Deployment string
}

// UnmarshalYAML reads the short form, too.
func (e *environment) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		e.Name = node.Value
		return nil
	}
	type plain environment
	return node.Decode((*plain)(e))
}

func workflows(t *testing.T, test func(t *testing.T, name string, w workflow)) {
	t.Helper()
	found, err := filepath.Glob("../.github/workflows/*.yml")
	require.NoError(t, err)
	require.NotEmpty(t, found)
	for _, file := range found {
		t.Run(filepath.Base(file), func(t *testing.T) { test(t, filepath.Base(file), read[workflow](t, file)) })
	}
}

// ours reports whether a workflow is for this repository alone.
func ours(name string) bool {
	return slices.Contains([]string{"ci.yml", "nightly.yml", "release.yml"}, name)
}

func TestPinsSayTheirVersion(t *testing.T) {
	use := regexp.MustCompile(`uses: [^./]\S+@\S+(.*)`)
	comment := regexp.MustCompile(`^ # v\d+\.\d+\.\d+$`)
	found, err := filepath.Glob("../.github/workflows/*.yml")
	require.NoError(t, err)
	for _, file := range found {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, match := range use.FindAllStringSubmatch(string(content), -1) {
			require.Regexp(t, comment, match[1], match[0])
		}
	}
}

func TestProductionIsTouchedByOneRunAtATime(t *testing.T) {
	var groups []string
	workflows(t, func(t *testing.T, name string, w workflow) {
		if ours(name) {
			t.Skip("touches no production")
		}
		for _, job := range w.Jobs {
			if job.Environment.Name == "" {
				continue // it has nothing of production
			}
			require.NotNil(t, job.Concurrency)
			require.Equal(t, "false", job.Concurrency.Cancel)
			// With the one place that a queue has otherwise, a deploy that waits cancels a
			// rollback that waits (github.blog, 2026-05-07; vstorm-co/agenticos#1832).
			require.Equal(t, "max", job.Concurrency.Queue)
			groups = append(groups, job.Concurrency.Group)
		}
	})
	require.NotEmpty(t, groups)
	for _, group := range groups {
		require.Equal(t, groups[0], group, "a deploy and a rollback must wait for each other")
	}
}

// A store that is full made jobs red that had done all they were for
// (actions/upload-artifact#307, intent-hq/intent#1163), an Enterprise Server has none for
// this version of the action (sbt/sbt-github-actions#178), and two jobs of a matrix with
// one name are a 409 (actions/upload-artifact#480, actions/upload-artifact#472).
func TestWhatKeepsTheEvidenceFailsNoRelease(t *testing.T) {
	uploads := 0
	check := func(t *testing.T, w workflow, name string) {
		for _, job := range w.Jobs {
			for _, s := range job.Steps {
				if strings.HasPrefix(s.Uses, "actions/upload-artifact@") {
					uploads++
					require.Equal(t, "true", s.ContinueOnError)
					require.Regexp(t, name, s.With["name"])
					// A setting may have put them where a dot hides them (actions/upload-artifact#618,
					// elastic/cloudbeat#5286).
					require.Equal(t, "true", s.With["include-hidden-files"])
				}
			}
		}
	}
	workflows(t, func(t *testing.T, name string, w workflow) {
		if !ours(name) {
			check(t, w, `steps\.name\.outputs\.name`)
		}
	})
	for _, file := range []string{"deploy.yml", "rollback.yml"} {
		var w workflow
		require.NoError(t, yaml.Unmarshal([]byte(written(t, file, true)), &w))
		check(t, w, `strategy\.job-index.*github\.run_attempt`)
	}
	require.Equal(t, 6, uploads)
}

// The name is that of the environment, and of a configuration that is not the usual one.
func TestTheNameOfAnArtifactIsOneOfARun(t *testing.T) {
	w := read[workflow](t, "../.github/workflows/deploy.yml")
	for _, s := range w.Jobs["deploy"].Steps {
		if s.Env["ATTEMPT"] == "" {
			continue
		}
		for config, want := range map[string]string{
			"stagecrew.yaml":        "name=stagecrew-deploy-pre-prod-eu-2\n",
			"apps/a/stagecrew.yaml": "name=stagecrew-deploy-pre-prod-eu-apps-a-stagecrew-2\n",
			"apps/b/stagecrew.yaml": "name=stagecrew-deploy-pre-prod-eu-apps-b-stagecrew-2\n",
		} {
			file := filepath.Join(t.TempDir(), "output")
			script := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", s.Run)
			script.Env = append(os.Environ(), "NAME=deploy-pre-prod/eu", "CONFIG="+config, "ATTEMPT=2", "GITHUB_OUTPUT="+file)
			out, err := script.CombinedOutput()
			require.NoError(t, err, string(out))
			got, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, want, string(got))
		}
		return
	}
	t.Fatal("no step names an artifact")
}

// A job that runs what others wrote (npm and yarn run code of the dependencies) can
// take whatever a later step of it gets: files, the program, its shell.
func TestWhatRunsForeignCodeHasNothingOfProduction(t *testing.T) {
	builds, named := 0, regexp.MustCompile(`(?:^|[^.\w])secrets\.(\w+)`)
	// The last one reads this repository's copy of stagecrew, before anything else runs.
	allowed := map[string]bool{"REGISTRY_USERNAME": true, "REGISTRY_PASSWORD": true, "STAGECREW_TOKEN": true}
	workflows(t, func(t *testing.T, name string, w workflow) {
		for id, job := range w.Jobs {
			foreign, secret := false, ""
			for _, s := range job.Steps {
				foreign = foreign || s.Env["PREPARE"] != "" || strings.HasSuffix(s.Uses, "/actions/build")
				for _, value := range slices.Concat(slices.Collect(maps.Values(s.Env)), slices.Collect(maps.Values(s.With))) {
					for _, match := range named.FindAllStringSubmatch(value, -1) {
						if !allowed[match[1]] {
							secret = value
						}
					}
				}
			}
			if !foreign || ours(name) {
				continue
			}
			builds++
			require.Empty(t, secret, id)
			require.Empty(t, job.Environment.Name, "%s: an environment brings its secrets", id)
			require.NotContains(t, job.Permissions, "id-token", "%s: what signs is another job", id)
		}
	})
	require.Equal(t, 1, builds)
}

func TestWorkflowsGiveActionsOnlyInputsTheyHave(t *testing.T) {
	workflows(t, func(t *testing.T, _ string, w workflow) {
		for _, job := range w.Jobs {
			for _, s := range job.Steps {
				path, ours := strings.CutPrefix(s.Uses, "./.stagecrew")
				if !ours {
					continue
				}
				a := read[action](t, filepath.Join("..", path, "action.yml"))
				for name := range s.With {
					require.Contains(t, a.Inputs, name, "%s has no such input", s.Uses)
				}
			}
		}
	})
}

// The release that comes back is judged by its own smoke checks, of a ref that a person
// gives; without it, by those of what the workflow runs on.
func TestARollbackTakesItsChecksFromARef(t *testing.T) {
	var ofInit workflow
	require.NoError(t, yaml.Unmarshal([]byte(written(t, "rollback.yml", true)), &ofInit))
	for _, w := range []workflow{read[workflow](t, "../.github/workflows/rollback.yml"), ofInit} {
		require.Equal(t, "${{ inputs.ref }}", w.Jobs["rollback"].Steps[0].With["ref"])
	}
}

// A job may hand the variables of its repository on to everything it runs.
func TestVariablesOfTheWorkflowsBreakNoCommand(t *testing.T) {
	seen := map[string]bool{}
	for _, file := range []string{"deploy.yml", "rollback.yml"} {
		content, err := os.ReadFile("../.github/workflows/" + file)
		require.NoError(t, err)
		for _, match := range regexp.MustCompile(`(?:vars|secrets)\.(STAGECREW_\w+)`).FindAllStringSubmatch(string(content), -1) {
			name := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(match[1], "STAGECREW_")), "_", "-")
			if seen[name] || slices.Contains(config.Names(), name) {
				continue
			}
			seen[name] = true
			flags := pflag.NewFlagSet("", pflag.ContinueOnError)
			config.Define(flags, &config.Settings{})
			require.NoError(t, config.Resolve(flags, []string{match[1] + "=x"}))
		}
	}
	require.Len(t, seen, 9)
}

func TestActReplacesExactlyTheForeignActionsThatAWorkflowPins(t *testing.T) {
	actrc, err := os.ReadFile("../.actrc")
	require.NoError(t, err)
	replaced := regexp.MustCompile(`--local-repository (\S+)=(\S+)`).FindAllStringSubmatch(string(actrc), -1)
	require.NotEmpty(t, replaced)
	used := map[string]bool{}
	workflows(t, func(_ *testing.T, _ string, w workflow) {
		for _, job := range w.Jobs {
			for _, s := range job.Steps {
				used[s.Uses] = true
			}
		}
	})
	for _, match := range replaced {
		require.Contains(t, used, match[1], "a pin moved: move it in .actrc, too")
		require.FileExists(t, filepath.Join("..", match[2], "action.yml"))
	}
}

// What stands in YAML cannot be a constant of pkg/config.
func TestTheWorkflowsNameTheFileThatIsReadWithoutBeingAskedFor(t *testing.T) {
	word := regexp.MustCompile(`[\w-]+\.ya?ml\b`)
	for _, name := range []string{"deploy.yml", "rollback.yml"} {
		content, err := os.ReadFile(filepath.Join("..", ".github", "workflows", name))
		require.NoError(t, err)
		named := 0
		for line := range strings.Lines(string(content)) {
			if found := word.FindString(line); found != "" && !strings.Contains(line, "uses:") && !strings.HasPrefix(strings.TrimSpace(line), "#") {
				named++
				require.Equal(t, config.DefaultFile, found, line)
			}
		}
		require.GreaterOrEqual(t, named, 4)
	}
}
