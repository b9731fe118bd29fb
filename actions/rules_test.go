package actions_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// flow is a workflow, or a composite action as one of a single job, as the rules read it.
type flow struct {
	Name        string
	On          yaml.Node
	Permissions yaml.Node
	Concurrency yaml.Node
	Jobs        map[string]job
	Runs        struct{ Steps []flowStep }
	isAction    bool
}

type job struct {
	Permissions         yaml.Node
	Environment         yaml.Node
	RunsOn              yaml.Node `yaml:"runs-on"`
	TimeoutMinutes      int       `yaml:"timeout-minutes"`
	If, Uses            string
	Secrets             yaml.Node
	Container, Services yaml.Node
	Env                 map[string]string
	Steps               []flowStep
}

type flowStep struct {
	ID                   string
	If, Uses, Run, Shell string
	With, Env            map[string]string
}

// parsed is the text of a workflow or an action; a part of one, as examples are, has no name.
func parsed(t *testing.T, text string) flow {
	t.Helper()
	var f flow
	require.NoError(t, yaml.Unmarshal([]byte(text), &f))
	if f.isAction = len(f.Jobs) == 0; f.isAction {
		f.Jobs = map[string]job{"action": {Steps: f.Runs.Steps}}
	}
	return f
}

// rule is one of this house. Most have the name of zizmor's, which says more about them
// (docs.zizmor.sh/audits). What zizmor asks GitHub for is not here: impostor-commit,
// known-vulnerable-actions, archived-uses, stale-action-refs, ref-confusion.
type rule struct {
	name, why string
	breaks    func(text string, f flow) bool
	// files says that examples, which are parts, need not keep it; workflows that actions
	// need not.
	files, workflows bool
}

// pinned is what a workflow may use: what lies beside it, a commit, and in what users
// copy our own actions, which they pin.
var pinned = regexp.MustCompile(`^(\./|[A-Za-z0-9._/-]+@[0-9a-f]{40}$|stagecrew/stagecrew(/[a-z./]+)?@v1$)`)

// trusted are those whose actions are used here.
var trusted = regexp.MustCompile(`^(\./|actions/|stagecrew/stagecrew[/@]|aws-actions/|azure/|google-github-actions/|docker/|github/)`)

// shared are secrets that a job needs that has no environment: it runs others' code.
var shared = []string{"GITHUB_TOKEN", "REGISTRY_USERNAME", "REGISTRY_PASSWORD", "STAGECREW_TOKEN"}

var rules = []rule{
	{name: "excessive-permissions", why: "permissions: {} at the top, and at each job the least that it needs, by name", workflows: true, breaks: func(_ string, f flow) bool {
		return f.Permissions.Kind != yaml.MappingNode || len(f.Permissions.Content) > 0 || f.some(func(j job) bool { return j.Permissions.Kind != yaml.MappingNode || len(j.Permissions.Content) == 0 })
	}},
	{name: "missing-timeout", why: "timeout-minutes at each job", workflows: true, breaks: func(_ string, f flow) bool {
		return f.some(func(j job) bool { return j.Uses == "" && j.TimeoutMinutes == 0 })
	}},
	{name: "secrets-inherit", why: "secrets go to another workflow by name", breaks: func(_ string, f flow) bool {
		return f.some(func(j job) bool { return j.Secrets.Value == "inherit" })
	}},
	{name: "unpinned-uses", why: "actions and workflows of others are pinned by a whole commit", breaks: func(_ string, f flow) bool {
		return slices.ContainsFunc(f.uses(), func(uses string) bool { return !pinned.MatchString(uses) })
	}},
	{name: "typosquat-uses", why: "actions are of owners that are known here", breaks: func(_ string, f flow) bool {
		return slices.ContainsFunc(f.uses(), func(uses string) bool { return !trusted.MatchString(uses) })
	}},
	{name: "ref-version-mismatch", why: "a commit has its version beside it, for people and for Dependabot", breaks: line(`uses: [^./\s]\S*@[0-9a-f]{40}(?: *[^ #].*| *| # (?:[^v].*|v\d+))$`)},
	{name: "unpinned-images", why: "images are pinned by digest", breaks: func(_ string, f flow) bool {
		return slices.ContainsFunc(f.images(), func(image string) bool { return !strings.Contains(image, "@sha256:") })
	}},
	{name: "template-injection", why: "an expression inside a script is an injection: by env: only", breaks: func(_ string, f flow) bool {
		return f.someStep(func(s flowStep) bool { return strings.Contains(s.Run+s.With["script"]+s.With["inlineScript"], "${{") })
	}},
	{name: "artipacked", why: "persist-credentials: false: later steps need no token in .git/config", breaks: func(_ string, f flow) bool {
		return f.someStep(func(s flowStep) bool {
			return strings.HasPrefix(s.Uses, "actions/checkout@") && s.With["persist-credentials"] != "false"
		})
	}},
	{name: "dangerous-triggers", why: "no code of a stranger with the rights of this repository", breaks: func(_ string, f flow) bool {
		return slices.ContainsFunc(values(&f.On), func(event string) bool { return event == "pull_request_target" || event == "workflow_run" })
	}},
	{name: "cache-poisoning", why: "what may write anything takes nothing of a cache that another branch can fill", breaks: func(_ string, f flow) bool {
		return f.some(func(j job) bool {
			writes := slices.Contains(values(&j.Permissions), "write")
			return writes && slices.ContainsFunc(j.Steps, flowStep.takesCache)
		})
	}},
	{name: "github-env", why: "no variables or programs for later steps", breaks: line(`(?:>>?|tee(?: -a)?) *"?\$\{?GITHUB_(?:ENV|PATH)`)},
	// actions/runner#965, actions/runner#2498, SwissDataScienceCenter/renku#4115.
	{name: "runner-paths", why: "in a container the runner's context has paths of the machine around it: RUNNER_TEMP, and outputs", breaks: line(`\$\{\{[^}]*\brunner\.(?:temp|tool_cache|workspace)\b`)},
	{name: "insecure-commands", why: "no commands that the runner has given up", breaks: line(`ACTIONS_ALLOW_UNSECURE_COMMANDS|::(?:set-output|set-env|add-path|save-state)`)},
	{name: "hardcoded-container-credentials", why: "passwords are secrets", breaks: func(_ string, f flow) bool {
		return f.some(func(j job) bool {
			return slices.ContainsFunc(append(pairs(&j.Container), pairs(&j.Services)...), func(p [2]string) bool { return p[0] == "password" && !strings.Contains(p[1], "${{") })
		})
	}},
	{name: "self-hosted-runner", why: "what stays on a machine of ours is for the next run, too", breaks: func(_ string, f flow) bool {
		return f.some(func(j job) bool { return slices.Contains(values(&j.RunsOn), "self-hosted") })
	}},
	{name: "overprovisioned-secrets", why: "secrets one by one", breaks: line(`(?i)toJSON\( *secrets *\)|secrets\[`)},
	{name: "unredacted-secrets", why: "the runner hides a secret as a whole, and no part of it", breaks: line(`(?i)fromJSON\( *secrets\.`)},
	{name: "secrets-outside-env", files: true, why: "secrets of a cluster are those of an environment, which has reviewers", breaks: func(_ string, f flow) bool {
		return f.some(func(j job) bool { return j.Uses == "" && j.Environment.Kind == 0 && j.takesSecret() })
	}},
	{name: "bot-conditions", why: "who has acted last is not who wrote it", breaks: line(`github\.(?:actor|triggering_actor)(?:_id)? *==|== *github\.(?:actor|triggering_actor)`)},
	{name: "unsound-contains", why: "a part of a text is in it, too: give a list", breaks: line(`contains\( *'[^']*' *,`)},
	{name: "unsound-condition", why: "text around an expression is always true", breaks: func(_ string, f flow) bool {
		return slices.ContainsFunc(f.conditions(), func(c string) bool { return strings.Contains(c, "${{") && !wholeExpression.MatchString(c) })
	}},
	{name: "unsound-ternary", why: "what is empty or false in the middle is never taken", breaks: line(`&& *(?:''|false|0|null) *\|\|`)},
	{name: "use-trusted-publishing", why: "no token publishes a package", breaks: line(`\b(?:npm|yarn npm|pnpm|cargo|poetry|uv) publish\b|twine upload|gem push`)},
	{name: "obfuscation", why: "it says what it does", breaks: line(`uses: \S*(?://|/\.{1,2}/)\S*@|(?i:fromJSON\( *toJSON)`)},
	{name: "misfeature", why: "shells that can be read", breaks: line(`shell: *(?:cmd|powershell)\b|pip-install:`)},
	{name: "adhoc-packages", why: "what is installed is locked", breaks: line(`\b(?:npm (?:i|install) [^-]|npm (?:i|install) -g|yarn (?:global )?add|pip3? install|gem install|cargo install|go install \S+@latest)|\| *(?:sudo )?(?:ba)?sh\b`)},
	{name: "insecure-url-scheme", why: "https", breaks: line(`http://(?:localhost|127\.|\[::1\])?`)},
	{name: "github-app", why: "a token ends with its job", breaks: line(`skip-token-revoke: *['"]?true`)},
	{name: "anonymous-definition", why: "name: at the top", files: true, breaks: func(_ string, f flow) bool { return f.Name == "" }},
	{name: "concurrency-limits", why: "concurrency: at the top, or at each job", files: true, workflows: true, breaks: func(text string, f flow) bool {
		return f.Concurrency.Kind == 0 && !strings.Contains(text, "concurrency:") && !slices.Contains(values(&f.On), "workflow_call")
	}},
}

var wholeExpression = regexp.MustCompile(`^\$\{\{[^\n]*\}\}$`)

// breaches are the rules that a text does not keep, each with why. Whole is a file, and no
// example.
func breaches(t *testing.T, text string, whole bool) (all []string) {
	t.Helper()
	f := parsed(t, text)
	plain := regexp.MustCompile(`(?m)^ *#.*$`).ReplaceAllString(text, "")
	for _, r := range rules {
		if (whole || !r.files) && (!f.isAction || !r.workflows) && r.breaks(plain, f) {
			all = append(all, fmt.Sprintf("%s: %s", r.name, r.why))
		}
	}
	return all
}

// line is broken by any line of the text that has the pattern.
func line(pattern string) func(string, flow) bool {
	compiled := regexp.MustCompile(`(?m)` + pattern)
	return func(text string, _ flow) bool { return compiled.MatchString(text) }
}

func (f flow) some(is func(job) bool) bool {
	for _, j := range f.Jobs {
		if is(j) {
			return true
		}
	}
	return false
}

func (f flow) someStep(is func(flowStep) bool) bool {
	return f.some(func(j job) bool { return slices.ContainsFunc(j.Steps, is) })
}

func (f flow) uses() (all []string) {
	for _, j := range f.Jobs {
		all = append(all, j.Uses)
		for _, s := range j.Steps {
			all = append(all, s.Uses)
		}
	}
	return slices.DeleteFunc(all, func(uses string) bool { return uses == "" })
}

func (f flow) conditions() (all []string) {
	for _, j := range f.Jobs {
		all = append(all, j.If)
		for _, s := range j.Steps {
			all = append(all, s.If)
		}
	}
	return all
}

func (f flow) images() (all []string) {
	for _, j := range f.Jobs {
		if j.Container.Kind == yaml.ScalarNode {
			all = append(all, j.Container.Value)
		}
		for _, p := range append(pairs(&j.Container), pairs(&j.Services)...) {
			if p[0] == "image" {
				all = append(all, p[1])
			}
		}
	}
	return all
}

var aSecret = regexp.MustCompile(`(?:^|[^.\w])secrets\.(\w+)`)

// takesSecret reports whether a job gets one that is not [shared].
func (j job) takesSecret() bool {
	var texts []string
	add := func(all map[string]string) {
		for _, text := range all {
			texts = append(texts, text)
		}
	}
	add(j.Env)
	for _, s := range j.Steps {
		add(s.Env)
		add(s.With)
	}
	for _, match := range aSecret.FindAllStringSubmatch(strings.Join(texts, "\n"), -1) {
		if !slices.Contains(shared, match[1]) {
			return true
		}
	}
	return false
}

// takesCache reports whether a step uses a cache, by itself or by what its action does when
// nothing is said.
func (s flowStep) takesCache() bool {
	name, _, _ := strings.Cut(s.Uses, "@")
	switch name {
	case "actions/cache", "actions/cache/restore":
		return true
	case "actions/setup-go":
		return s.With["cache"] != "false"
	case "actions/setup-node":
		return s.With["package-manager-cache"] != "false" || s.With["cache"] != ""
	case "actions/setup-python", "actions/setup-java":
		return s.With["cache"] != ""
	}
	return false
}

// values are all scalars below a node, keys too.
func values(n *yaml.Node) (all []string) {
	if n.Kind == yaml.ScalarNode {
		return []string{n.Value}
	}
	for _, child := range n.Content {
		all = append(all, values(child)...)
	}
	return all
}

// pairs are the keys below a node that have a scalar, with it.
func pairs(n *yaml.Node) (all [][2]string) {
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i+1].Kind == yaml.ScalarNode {
				all = append(all, [2]string{n.Content[i].Value, n.Content[i+1].Value})
			}
		}
	}
	for _, child := range n.Content {
		all = append(all, pairs(child)...)
	}
	return all
}
