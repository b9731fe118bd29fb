package actions_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rhysd/actionlint"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// unknown are keys and properties that GitHub has and actionlint 1.7.12 does not know:
// `queue` of a concurrency (github.blog, 2026-05-07) and the workflow of a job
// (actions/runner#2417).
var unknown = []string{
	`^unexpected key "queue" for "concurrency" section\. expected one of "cancel-in-progress", "group"$`,
	`^property "workflow_(repository|sha)" is not defined in object type \{check_run_id: `,
}

// findings are what actionlint has against a workflow, and then the rules of this house.
func findings(t *testing.T, name, text string) []string {
	t.Helper()
	linter, err := actionlint.NewLinter(io.Discard, &actionlint.LinterOptions{})
	require.NoError(t, err)
	found, err := linter.Lint(name, []byte(text), nil)
	require.NoError(t, err)
	var all []string
	for _, one := range found {
		if !known(one.Message) {
			all = append(all, one.Error())
		}
	}
	var w workflow
	require.NoError(t, yaml.Unmarshal([]byte(text), &w), name)
	return append(all, breaches(w)...)
}

func known(message string) bool {
	for _, pattern := range unknown {
		if regexp.MustCompile(pattern).MatchString(message) {
			return true
		}
	}
	return false
}

// pinned is what a workflow may use: what lies beside it, a commit, and in what users
// copy our own actions, which they pin.
var pinned = regexp.MustCompile(`^(\./|[A-Za-z0-9._/-]+@[0-9a-f]{40}$|stagecrew/stagecrew(/[a-z./]+)?@v1$)`)

// breaches are the rules of this house that a workflow does not keep.
func breaches(w workflow) []string {
	var all []string
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if w.Permissions.Kind != yaml.MappingNode || len(w.Permissions.Content) > 0 {
		say("permissions: {} is not at the top")
	}
	for name, job := range w.Jobs {
		if len(job.Permissions) == 0 {
			say("%s: no permissions, the least that it needs", name)
		}
		if job.Secrets.Value == "inherit" {
			say("%s: secrets: inherit", name)
		}
		if job.Uses == "" && job.TimeoutMinutes == 0 {
			say("%s: no timeout-minutes", name)
		}
		if job.Uses != "" && !pinned.MatchString(job.Uses) {
			say("%s: %s is not pinned by its commit", name, job.Uses)
		}
		for _, s := range job.Steps {
			if strings.Contains(s.Run, "${{") {
				say("%s: an expression inside a script is an injection: %s", name, s.Run)
			}
			if s.Uses != "" && !pinned.MatchString(s.Uses) {
				say("%s: %s is not pinned by its commit", name, s.Uses)
			}
			if strings.HasPrefix(s.Uses, "actions/checkout@") && s.With["persist-credentials"] != "false" {
				say("%s: persist-credentials: later steps need no token in .git/config", name)
			}
		}
	}
	return all
}

// around makes a workflow of an example that is only a part of one: steps after those
// that build, or a job after one that deploys.
func around(part string) string {
	const job = "    runs-on: ubuntu-latest\n    timeout-minutes: 9\n    permissions: { contents: read }\n"
	const build = "on: { workflow_dispatch: { inputs: { reason: {} } } }\npermissions: {}\njobs:\n  build:\n" + job + "    outputs: { image: '' }\n    steps: [{ run: 'true' }]\n"
	switch {
	case regexp.MustCompile(`(?m)^jobs:`).MatchString(part):
		return part
	case strings.Contains(part, "id: build"):
		return build + "  example:\n" + job + "    steps:\n" + indented("      ", part)
	case strings.HasPrefix(part, "- "):
		return build + "  example:\n    needs: build\n" + job + "    steps:\n      - { id: build, run: 'true' }\n" + indented("      ", part)
	}
	return strings.ReplaceAll(build, "  build:", "  deploy:") + indented("  ", part)
}

func indented(by, text string) string {
	return by + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n"+by) + "\n"
}

func TestWorkflowsAreWithoutFindings(t *testing.T) {
	files, err := filepath.Glob("../.github/workflows/*.yml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Empty(t, findings(t, file, string(text)))
		require.NotContains(t, string(text), "uses: stagecrew/", "%s: here it is at its own commit", file)
	}
}

// That of the first README is what `stagecrew init` writes.
func TestExamplesAreWithoutFindings(t *testing.T) {
	files, err := filepath.Glob("*/README.md")
	require.NoError(t, err)
	examples := 0
	for _, file := range append(files, "README.md", "../README.md") {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, match := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
			examples++
			require.Empty(t, findings(t, file, around(match[1])), match[1])
		}
	}
	require.Greater(t, examples, 14)
}

// What users copy for their cloud is pinned as ours is, and says which version that is.
func TestExamplesForCloudsAreWithoutFindings(t *testing.T) {
	files, err := filepath.Glob("../examples/clouds/*.yml")
	require.NoError(t, err)
	require.Len(t, files, 4)
	repository := t.TempDir() // of a user, where they call each other
	at := filepath.Join(repository, ".github", "workflows")
	require.NoError(t, os.Mkdir(filepath.Join(repository, ".git"), 0o755))
	require.NoError(t, os.CopyFS(at, os.DirFS("../examples/clouds")))
	for _, file := range files {
		file = filepath.Join(at, filepath.Base(file))
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Empty(t, findings(t, file, string(text)))
		for _, match := range regexp.MustCompile(`(?m)uses: \S+@[0-9a-f]{40}(.*)$`).FindAllStringSubmatch(string(text), -1) {
			require.Regexp(t, `^ # v\d+\.\d+(\.\d+)?$`, match[1], match[0])
		}
	}
}

func TestWhatInitWritesForARollbackIsWithoutFindings(t *testing.T) {
	text, err := os.ReadFile("../pkg/scaffold/files/rollback.yml")
	require.NoError(t, err)
	require.Empty(t, findings(t, "rollback.yml", strings.ReplaceAll(string(text), "<< .Ref >>", "v1")))
}

// Each rule, once without what it wants.
func TestBreachesAreFound(t *testing.T) {
	const good = `on: push
permissions: {}
jobs:
  one:
    runs-on: ubuntu-latest
    timeout-minutes: 5
    permissions: { contents: read }
    concurrency: { group: a, cancel-in-progress: false, queue: max }
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
        with: { persist-credentials: false }
      - run: echo "$ACTOR"
        env: { ACTOR: '${{ github.actor }}' }
      - run: echo "$SHA"
        env: { SHA: '${{ job.workflow_sha }}' }
  two:
    permissions: { contents: read }
    uses: stagecrew/stagecrew/.github/workflows/deploy.yml@v1
    secrets: { KUBECONFIG: '${{ secrets.KUBECONFIG }}' }
`
	require.Empty(t, findings(t, "good", good))
	for name, c := range map[string]struct{ from, to, want string }{
		"no permissions at the top":       {"permissions: {}\n", "", "permissions: {} is not at the top"},
		"permissions for every job":       {"permissions: {}\n", "permissions: read-all\n", "permissions: {} is not at the top"},
		"some permissions for every job":  {"permissions: {}\n", "permissions: { contents: read }\n", "permissions: {} is not at the top"},
		"a job without permissions":       {"    permissions: { contents: read }\n    concurrency", "    concurrency", "one: no permissions"},
		"no limit of time":                {"    timeout-minutes: 5\n", "", "no timeout-minutes"},
		"an action by its tag":            {"@3d3c42e5aac5ba805825da76410c181273ba90b1", "@v7", "actions/checkout@v7 is not pinned"},
		"an action by a short hash":       {"@3d3c42e5aac5ba805825da76410c181273ba90b1", "@3d3c42e", "is not pinned"},
		"a workflow by its branch":        {"deploy.yml@v1", "deploy.yml@main", "is not pinned"},
		"the token stays in .git/config":  {"        with: { persist-credentials: false }\n", "", "persist-credentials"},
		"an expression inside a script":   {`echo "$ACTOR"`, "echo ${{ github.sha }}", "an expression inside a script"},
		"all secrets":                     {"secrets: { KUBECONFIG: '${{ secrets.KUBECONFIG }}' }", "secrets: inherit", "two: secrets: inherit"},
		"what actionlint calls untrusted": {`echo "$ACTOR"`, "echo ${{ github.event.issue.title }}", "is potentially untrusted"},
		"a key that is none":              {"queue: max", "queues: max", `unexpected key "queues"`},
		"queue elsewhere":                 {"    timeout-minutes: 5\n", "    timeout-minutes: 5\n    queue: max\n", `unexpected key "queue"`},
		"a property that is none":         {"job.workflow_sha", "job.workflow_shas", `property "workflow_shas" is not defined`},
		"a property of something else":    {"job.workflow_sha", "runner.workflow_sha", `property "workflow_sha" is not defined`},
		"a permission that is none":       {"contents: read }\n    concurrency", "content: read }\n    concurrency", "unknown permission scope"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, good, c.from)
			require.Contains(t, strings.Join(findings(t, "bad", strings.Replace(good, c.from, c.to, 1)), "\n"), c.want)
		})
	}
}
