// Package actions_test holds the contract of the composite actions: what a run
// on GitHub would only show too late.
package actions_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/report"
)

// action is the part of an action.yml that the contract is about.
type action struct {
	Name, Description string
	Inputs            map[string]input
	Outputs           map[string]struct{ Description, Value string }
	Runs              struct {
		Using string
		Steps []step
	}
}

type input struct {
	Description, Default string
	Required             bool
	// Deprecation is for what somebody may have given before.
	Deprecation string `yaml:"deprecationMessage"`
}

type step struct {
	ID, Name, Shell, Run, Uses string
	Env                        map[string]string
}

// files are the actions by path, from this directory.
func files(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("*/action.yml")
	require.NoError(t, err)
	require.Len(t, found, len(config.Commands())-2+1, "one folder for each command but init and run, and setup")
	return append(found, "../action.yml")
}

// each runs a test for every action.
func each(t *testing.T, test func(t *testing.T, file string, a action)) {
	t.Helper()
	for _, file := range files(t) {
		t.Run(file, func(t *testing.T) { test(t, file, read[action](t, file)) })
	}
}

func read[T any](t *testing.T, file string) (document T) {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(content, &document))
	return document
}

// handed is how an input reaches a step, by its name and the one before. Where it is
// empty, the variable that the job has set stays; unset inputs of composite actions are
// empty strings, which would hide it.
var handed = regexp.MustCompile(`^\$\{\{ inputs\.([a-z-]+)(?: \|\| inputs\.([a-z-]+))?(?: \|\| env\.([A-Z_]+))? \}\}$`)

// The token for ghcr.io is the one input with a default: only GitHub knows the job's
// own. On another server than github.com that is a token of the server, which ghcr.io
// would refuse also for what anybody may read (aquasecurity/trivy-action#418,
// aquasecurity/trivy-db#262). A job's own GITHUB_TOKEN gives way to a token that was
// given as the input, not to the default.
const (
	tokenDefault = "${{ github.server_url == 'https://github.com' && github.token || '' }}"
	tokenHanded  = "${{ inputs.github-token != github.token && inputs.github-token || env.GITHUB_TOKEN || inputs.github-token }}"
)

// from gives the inputs that a value of a step's environment is made of, and the
// variable that counts without them.
func from(t *testing.T, variable, value string) (names []string, otherwise string) {
	t.Helper()
	if variable == "GITHUB_TOKEN" {
		require.Equal(t, tokenHanded, value)
		return []string{"github-token"}, variable
	}
	match := handed.FindStringSubmatch(value)
	require.NotNil(t, match, "%s: %q is more than one input", variable, value)
	return slices.DeleteFunc(match[1:3], func(name string) bool { return name == "" }), match[3]
}

func TestEveryInputReachesAStepByItsEnvironment(t *testing.T) {
	each(t, func(t *testing.T, _ string, a action) {
		mapped := map[string]string{}
		for _, s := range a.Runs.Steps {
			for variable, value := range s.Env {
				names, _ := from(t, variable, value)
				for _, name := range names {
					require.NotContains(t, mapped, name, "mapped twice")
					mapped[name] = variable
				}
			}
		}
		for name, in := range a.Inputs {
			require.Contains(t, mapped, name, "a composite action gets no INPUT_ variables")
			require.NotEmpty(t, in.Description, name)
			want := map[string]string{"github-token": tokenDefault}[name]
			require.Equal(t, want, in.Default, "defaults belong to the command line: %s", name)
			require.False(t, in.Required, "stagecrew.yaml may hold it: %s", name)
		}
		require.Len(t, mapped, len(a.Inputs), "an input that is not declared is always empty")
	})
}

func TestVariablesAreNamedAsTheCommandLineReadsThem(t *testing.T) {
	others := map[string]string{"binary": "BINARY", "binary-checksum": "BIN_SHA256", "install": "INSTALL", "download-url": "DOWNLOAD_URL", "sign-password": "COSIGN_PASSWORD", "github-token": "GITHUB_TOKEN", "settings": config.SettingsVariable}
	own := map[string]bool{"COSIGN_PASSWORD": true, config.SettingsVariable: true}
	each(t, func(t *testing.T, _ string, a action) {
		for _, s := range a.Runs.Steps {
			for variable, value := range s.Env {
				names, otherwise := from(t, variable, value)
				if allowed, other := others[names[0]]; other {
					require.Contains(t, strings.Fields(allowed), variable)
					if own[variable] {
						require.Equal(t, variable, otherwise, "an empty input must not hide what the job has set")
					}
					continue
				}
				for _, name := range names {
					require.Equal(t, variable, config.Variable(settingOf(t, name)))
				}
				require.Equal(t, variable, otherwise, "an empty input must not hide what the job has set")
			}
		}
	})
}

// settingOf is the setting that an input becomes.
func settingOf(t *testing.T, input string) string {
	t.Helper()
	all := config.All()
	i := slices.IndexFunc(all, func(s config.Setting) bool { return s.Name == input || s.Input == input })
	require.GreaterOrEqual(t, i, 0, "no setting is given by the input %s", input)
	return all[i].Name
}

// The whole pipeline has few inputs, those that its users know from other actions; the
// other settings come by one of them (docker/build-push-action has 33,
// aquasecurity/trivy-action 29, azure/k8s-deploy 24).
func TestTheWholePipelineHasFewInputs(t *testing.T) {
	var current, ours []string
	for name, in := range read[action](t, "../action.yml").Inputs {
		if in.Deprecation == "" {
			current = append(current, name)
		}
	}
	require.LessOrEqual(t, len(current), 25, current)
	require.Contains(t, current, "settings")
	for _, line := range strings.Split(between(t, "README.md", "| ours | docker/build-push-action", "\n\n"), "\n")[2:] {
		ours = append(ours, strings.Trim(strings.TrimSpace(strings.Split(line, "|")[1]), "`"))
	}
	require.Subset(t, current, ours, "the table of ours beside theirs")
}

// between is the part of a file from one text up to another.
func between(t *testing.T, file, from, to string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(content), from)
	require.True(t, found, from)
	part, _, _ := strings.Cut(rest, to)
	return part
}

// The runner shows the message as a warning when the input is given, also to a composite
// action, and only warns of one that is not declared: require-digests would do nothing
// (actions/runner, src/Runner.Worker/ActionRunner.cs).
func TestAnInputThatGoesSaysWhatToWriteInstead(t *testing.T) {
	instead := regexp.MustCompile(`^(?:the input is called ([a-z-]+) now|give it as the key ([a-z-]+) of the input settings|give the variable STAGECREW_[A-Z_]+-?UNSAFE in env: of the step); this one goes away with v2$`)
	each(t, func(t *testing.T, _ string, a action) {
		for name, in := range a.Inputs {
			if in.Deprecation == "" {
				continue
			}
			match := instead.FindStringSubmatch(in.Deprecation)
			require.NotNil(t, match, in.Deprecation)
			if match[1] != "" {
				require.Contains(t, a.Inputs, match[1])
				require.Empty(t, a.Inputs[match[1]].Deprecation)
			}
			if match[2] != "" {
				require.Contains(t, a.Inputs, "settings")
				require.Equal(t, name, match[2])
			}
		}
	})
}

func TestStepsBecomeTheProgramAndHoldNoExpression(t *testing.T) {
	line := regexp.MustCompile(`^exec "\$GITHUB_ACTION_PATH/[a-z./]+\.sh"( [a-z]+)?$`)
	each(t, func(t *testing.T, file string, a action) {
		require.Equal(t, "composite", a.Runs.Using)
		for _, s := range a.Runs.Steps {
			require.Empty(t, s.Uses, "actions call no others")
			require.Equal(t, "bash", s.Shell, "other shells drop variables or signals")
			require.NotContains(t, s.Run, "${{", "an expression inside a script is an injection")
			require.Regexp(t, line, s.Run)
			script := strings.Trim(strings.Fields(s.Run)[1], `"`)
			path := strings.Replace(script, "$GITHUB_ACTION_PATH", filepath.Dir(file), 1)
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.NotZero(t, info.Mode()&0o111, "%s is not executable", path)
		}
	})
}

// commandOf is the command of an action's folder, "" for setup.
func commandOf(file string) string {
	switch folder := filepath.Base(filepath.Dir(file)); folder {
	case "setup":
		return ""
	case "..":
		return "run"
	default:
		return folder
	}
}

// Only the command knows which settings it has; another one's would be passed over in
// silence.
func TestInputsAndOutputsAreThoseOfTheCommand(t *testing.T) {
	each(t, func(t *testing.T, file string, a action) {
		i := slices.IndexFunc(config.Commands(), func(c config.Command) bool { return c.Name == commandOf(file) })
		if i < 0 {
			return
		}
		whole := commandOf(file) == "run"
		inputs, outputs := map[string]bool{"binary": true, "binary-checksum": true, "settings": whole}, map[string]bool{}
		names := map[string]bool{}
		for _, s := range config.Commands()[i].Settings() {
			names[s.Name] = true
			inputs[s.Input] = s.IsInput && (s.IsMain || !whole)
		}
		inputs["sign-password"] = inputs["sign-key"]
		inputs["github-token"] = names["insecure-registry"] // what speaks to a registry
		// Each sets itself up.
		inputs["install"], inputs["download-url"] = true, true
		for _, o := range report.Outputs() {
			outputs[o.Name] = config.Commands()[i].TellsOf(o.Of)
		}
		for name, wanted := range inputs {
			in, declared := a.Inputs[name]
			require.Equal(t, wanted, declared && in.Deprecation == "", "input %s", name)
		}
		for name, in := range a.Inputs {
			require.True(t, inputs[name] || in.Deprecation != "" && names[name], "input %s is none of the command", name)
		}
		for name, wanted := range outputs {
			_, declared := a.Outputs[name]
			require.Equal(t, wanted, declared, "output %s", name)
		}
		for name := range a.Outputs {
			require.True(t, outputs[name], "the program does not set the output %s", name)
		}
	})
}

// Used alone, an action brings the program; setup.sh looks at the checksum and does no more
// where an earlier step has.
func TestEachActionSetsItselfUpFirst(t *testing.T) {
	each(t, func(t *testing.T, file string, a action) {
		if commandOf(file) == "" {
			return
		}
		require.Len(t, a.Runs.Steps, 2)
		require.Contains(t, a.Runs.Steps[0].Run, "/setup/setup.sh")
		require.Contains(t, a.Runs.Steps[0].Env, "BIN_SHA256")
	})
}

func TestTheCommandIsTheOneOfTheFolder(t *testing.T) {
	each(t, func(t *testing.T, file string, a action) {
		want := commandOf(file)
		if want == "" {
			return
		}
		last := a.Runs.Steps[len(a.Runs.Steps)-1]
		require.True(t, strings.HasSuffix(last.Run, " "+want), last.Run)
	})
}

// That the program sets them is tested beside the table, in pkg/report.
func TestOutputsComeFromTheStepThatRuns(t *testing.T) {
	each(t, func(t *testing.T, _ string, a action) {
		require.NotEmpty(t, a.Outputs)
		ids := map[string]bool{}
		for _, s := range a.Runs.Steps {
			ids[s.ID] = true
		}
		require.True(t, ids["run"], "the outputs come from the step run")
		for name, out := range a.Outputs {
			require.Equal(t, "${{ steps.run.outputs."+name+" }}", out.Value)
			require.NotEmpty(t, out.Description, name)
		}
	})
}
