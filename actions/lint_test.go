package actions_test

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"text/template"

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
// Whole is a file, and no example.
func findings(t *testing.T, name, text string, whole bool) []string {
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
	return append(all, breaches(t, text, whole)...)
}

func known(message string) bool {
	for _, pattern := range unknown {
		if regexp.MustCompile(pattern).MatchString(message) {
			return true
		}
	}
	return false
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
		return build + "  example:\n    needs: build\n" + job + "    steps:\n      - { id: build, run: 'true' }\n      - { id: kubeconfig, run: 'true' }\n" + indented("      ", part)
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
		require.Empty(t, findings(t, file, string(text), true))
		require.NotContains(t, string(text), "uses: stagecrew/", "%s: here it is at its own commit", file)
	}
}

func TestActionsAreWithoutFindings(t *testing.T) {
	for _, file := range files(t) {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Empty(t, breaches(t, string(text), true), file)
	}
}

// What others publish waits, and nothing of it runs where updates are made (zizmor's
// dependabot-cooldown and dependabot-execution).
func TestUpdatesWaitAndRunNothing(t *testing.T) {
	text, err := os.ReadFile("../.github/dependabot.yml")
	require.NoError(t, err)
	require.Empty(t, hasty(t, string(text)))
	require.NotEmpty(t, hasty(t, strings.Replace(string(text), "default-days: 7", "default-days: 1", 1)))
	require.NotEmpty(t, hasty(t, strings.Replace(string(text), "    cooldown: { default-days: 7 }\n", "", 1)))
	require.NotEmpty(t, hasty(t, strings.Replace(string(text), "    cooldown:", "    insecure-external-code-execution: allow\n    cooldown:", 1)))
}

// hasty are the kinds of updates that come at once, or run code of others.
func hasty(t *testing.T, text string) (all []string) {
	t.Helper()
	var config struct {
		Updates []struct {
			Ecosystem string `yaml:"package-ecosystem"`
			Cooldown  struct {
				Days int `yaml:"default-days"`
			}
			Execution string `yaml:"insecure-external-code-execution"`
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(text), &config))
	require.NotEmpty(t, config.Updates)
	for _, one := range config.Updates {
		if one.Cooldown.Days < 7 || one.Execution == "allow" {
			all = append(all, one.Ecosystem)
		}
	}
	return all
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
			require.Empty(t, findings(t, file, around(match[1]), false), match[1])
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
		require.Empty(t, findings(t, file, string(text), true))
		for _, match := range regexp.MustCompile(`(?m)uses: \S+@[0-9a-f]{40}(.*)$`).FindAllStringSubmatch(string(text), -1) {
			require.Regexp(t, `^ # v\d+\.\d+(\.\d+)?$`, match[1], match[0])
		}
	}
}

func TestWhatInitWritesIsWithoutFindings(t *testing.T) {
	for _, file := range []string{"deploy.yml", "rollback.yml"} {
		for _, workspace := range []bool{false, true} {
			text := written(t, file, workspace)
			require.Empty(t, findings(t, file, text, true), text)
		}
	}
}

// written is a workflow as init writes it.
func written(t *testing.T, file string, workspace bool) string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("../pkg/scaffold/files", file))
	require.NoError(t, err)
	form, err := template.New(file).Delims("<<", ">>").Parse(string(source))
	require.NoError(t, err)
	var text strings.Builder
	require.NoError(t, form.Execute(&text, map[string]any{"Ref": "v1", "Workspace": workspace}))
	return text.String()
}

// Each rule, once without what it wants.
func TestBreachesAreFound(t *testing.T) {
	const good = `name: good
on: push
permissions: {}
concurrency: { group: all }
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
      - uses: actions/setup-go@b7ad1dad31e06c5925ef5d2fc7ad053ef454303e # v7.0.0
      - run: echo "$SHA"
        env: { SHA: '${{ job.workflow_sha }}' }
  two:
    permissions: { contents: read }
    uses: stagecrew/stagecrew/.github/workflows/deploy.yml@v1
    secrets: { KUBECONFIG: '${{ secrets.KUBECONFIG }}' }
`
	require.Empty(t, findings(t, "good", good, true))
	planted := map[string]bool{}
	const step = "      - run: echo \"$ACTOR\"\n"
	for name, c := range map[string]struct{ from, to, want string }{
		"no permissions at the top":       {"permissions: {}\n", "", "excessive-permissions"},
		"permissions for every job":       {"permissions: {}\n", "permissions: read-all\n", "excessive-permissions"},
		"some permissions for every job":  {"permissions: {}\n", "permissions: { contents: read }\n", "excessive-permissions"},
		"a job without permissions":       {"    permissions: { contents: read }\n    concurrency", "    concurrency", "excessive-permissions"},
		"a job with all permissions":      {"    permissions: { contents: read }\n    concurrency", "    permissions: write-all\n    concurrency", "excessive-permissions"},
		"no limit of time":                {"    timeout-minutes: 5\n", "", "missing-timeout"},
		"an action by its tag":            {"@3d3c42e5aac5ba805825da76410c181273ba90b1", "@v7", "unpinned-uses"},
		"an action by a short hash":       {"@3d3c42e5aac5ba805825da76410c181273ba90b1", "@3d3c42e", "unpinned-uses"},
		"a workflow by its branch":        {"deploy.yml@v1", "deploy.yml@main", "unpinned-uses"},
		"an image as an action":           {step, "      - uses: docker://alpine:3\n" + step, "unpinned-uses"},
		"another owner":                   {"actions/checkout@", "action/checkout@", "typosquat-uses"},
		"a commit without its version":    {" # v7.0.1", "", "ref-version-mismatch"},
		"a commit with half a version":    {" # v7.0.1", " # v7", "ref-version-mismatch"},
		"an image by its tag":             {"    timeout-minutes: 5\n", "    timeout-minutes: 5\n    container: node:22\n", "unpinned-images"},
		"a service by its tag":            {"    timeout-minutes: 5\n", "    timeout-minutes: 5\n    services: { db: { image: 'postgres:17' } }\n", "unpinned-images"},
		"the token stays in .git/config":  {"        with: { persist-credentials: false }\n", "", "artipacked"},
		"a path of the runner's context":  {step, "      - run: ls \"$DIR\"\n        env: { DIR: '${{ runner.temp }}/kubeconfig' }\n" + step, "runner-paths"},
		"an expression inside a script":   {`echo "$ACTOR"`, "echo ${{ github.sha }}", "template-injection"},
		"an expression in github-script":  {step, "      - uses: actions/github-script@3d3c42e5aac5ba805825da76410c181273ba90b1 # v9.0.0\n        with: { script: 'x(\"${{ github.sha }}\")' }\n" + step, "template-injection"},
		"all secrets":                     {"secrets: { KUBECONFIG: '${{ secrets.KUBECONFIG }}' }", "secrets: inherit", "secrets-inherit"},
		"all secrets as JSON":             {"${{ github.actor }}", "${{ toJSON(secrets) }}", "overprovisioned-secrets"},
		"a secret by its computed name":   {"${{ github.actor }}", "${{ secrets[github.actor] }}", "overprovisioned-secrets"},
		"a part of a secret":              {"${{ github.actor }}", "${{ fromJSON(secrets.GITHUB_TOKEN).a }}", "unredacted-secrets"},
		"a secret of no environment":      {"${{ github.actor }}", "${{ secrets.KUBECONFIG }}", "secrets-outside-env"},
		"strangers with our rights":       {"on: push\n", "on: pull_request_target\n", "dangerous-triggers"},
		"after a workflow of a stranger":  {"on: push\n", "on: { workflow_run: { workflows: [ci] } }\n", "dangerous-triggers"},
		"a cache where it is published":   {"permissions: { contents: read }\n    concurrency", "permissions: { packages: write }\n    concurrency", "cache-poisoning"},
		"a variable of later steps":       {`echo "$ACTOR"`, `echo "A=$ACTOR" >>"$GITHUB_ENV"`, "github-env"},
		"a program of later steps":        {`echo "$ACTOR"`, `echo "$ACTOR" | tee -a $GITHUB_PATH`, "github-env"},
		"commands of the runner of old":   {"ACTOR: '", "ACTIONS_ALLOW_UNSECURE_COMMANDS: true, ACTOR: '", "insecure-commands"},
		"an output of old":                {`echo "$ACTOR"`, `echo "::set-output name=a::$ACTOR"`, "insecure-commands"},
		"a password in the open":          {"    timeout-minutes: 5\n", "    timeout-minutes: 5\n    container: { image: 'a@sha256:0', credentials: { username: a, password: b } }\n", "hardcoded-container-credentials"},
		"a machine of ours":               {"runs-on: ubuntu-latest", "runs-on: [self-hosted, linux]", "self-hosted-runner"},
		"a bot that acted last":           {step, "      - if: github.actor == 'dependabot[bot]'\n        run: echo \"$ACTOR\"\n", "bot-conditions"},
		"a list that is a text":           {step, "      - if: contains('refs/heads/main refs/heads/next', github.ref)\n        run: echo \"$ACTOR\"\n", "unsound-contains"},
		"a condition with its line break": {step, "      - if: |\n          ${{ false }}\n        run: echo \"$ACTOR\"\n", "unsound-condition"},
		"a condition with text":           {step, "      - if: ${{ github.ref }} == 'x'\n        run: echo \"$ACTOR\"\n", "unsound-condition"},
		"a choice that is never taken":    {"${{ github.actor }}", "${{ github.sha && false || github.ref }}", "unsound-ternary"},
		"a package by a token":            {`echo "$ACTOR"`, "npm publish", "use-trusted-publishing"},
		"a path that hides":               {"actions/checkout@", "actions/./checkout@", "obfuscation"},
		"a shell that nobody reads":       {step, "      - shell: cmd\n        run: echo \"$ACTOR\"\n", "misfeature"},
		"a package of today":              {`echo "$ACTOR"`, "npm install left-pad", "adhoc-packages"},
		"a script of the network":         {`echo "$ACTOR"`, "curl https://example.com/x | sudo bash", "adhoc-packages"},
		"a way that can be listened to":   {`echo "$ACTOR"`, "curl http://example.com/x", "insecure-url-scheme"},
		"a token that stays":              {"persist-credentials: false }", "persist-credentials: false, skip-token-revoke: true }", "github-app"},
		"no name":                         {"name: good\n", "", "anonymous-definition"},
		"what actionlint calls untrusted": {`echo "$ACTOR"`, "echo ${{ github.event.issue.title }}", "is potentially untrusted"},
		"a key that is none":              {"queue: max", "queues: max", `unexpected key "queues"`},
		"queue elsewhere":                 {"    timeout-minutes: 5\n", "    timeout-minutes: 5\n    queue: max\n", `unexpected key "queue"`},
		"a property that is none":         {"job.workflow_sha", "job.workflow_shas", `property "workflow_shas" is not defined`},
		"a property of something else":    {"job.workflow_sha", "runner.workflow_sha", `property "workflow_sha" is not defined`},
		"a permission that is none":       {"contents: read }\n    concurrency", "content: read }\n    concurrency", "unknown permission scope"},
	} {
		planted[c.want] = true
		t.Run(name, func(t *testing.T) {
			require.Contains(t, good, c.from)
			require.Contains(t, strings.Join(findings(t, "bad", strings.Replace(good, c.from, c.to, 1), true), "\n"), c.want)
		})
	}
	for _, r := range rules {
		require.True(t, planted[r.name] || r.name == "concurrency-limits", "%s: nothing shows that it is caught", r.name)
	}
	const alone = "name: alone\non: push\npermissions: {}\njobs: { a: { runs-on: ubuntu-latest, timeout-minutes: 1, permissions: { contents: read }, steps: [{ run: 'true' }] } }\n"
	require.Equal(t, []string{"concurrency-limits: concurrency: at the top, or at each job"}, findings(t, "alone", alone, true))
}
