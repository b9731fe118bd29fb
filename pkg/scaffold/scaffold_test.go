package scaffold

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// repository makes one with the files, a path and its content each, and a remote.
func repository(t *testing.T, remote string, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "My Portal")
	require.NoError(t, os.Mkdir(dir, 0o755))
	for name, content := range files {
		at := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(at), 0o755))
		require.NoError(t, os.WriteFile(at, []byte(content), 0o600))
	}
	for _, args := range [][]string{{"init", "-q", "-b", "trunk"}, {"remote", "add", "origin", remote}} {
		out, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir}, args...)...).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	return dir
}

// at are the options of a program of that version.
func at(ref Ref) Options { return Options{Ref: ref, BackstageSmoke: []byte("# of Backstage\n")} }

// portal is what create-app and helm create leave.
func portal() map[string]string {
	return map[string]string{
		"package.json":                  `{"name": "root", "workspaces": ["packages/*"]}`,
		"backstage.json":                `{"version": "1.50.0"}`,
		"yarn.lock":                     "",
		"app-config.yaml":               "app: {baseUrl: 'http://localhost:3000'}",
		"app-config.production.yaml":    "app: {baseUrl: 'https://portal.example.com'}",
		"packages/backend/package.json": `{"name": "backend"}`,
		"packages/backend/Dockerfile":   "FROM node",
		"charts/portal/Chart.yaml":      "{apiVersion: v2, name: portal, version: 1.0.0}",
		"charts/portal/values.yaml":     "image: {repository: nginx, tag: ''}",
		"deploy/values-production.yaml": "",
	}
}

func content(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return string(text)
}

func TestInit_ABackstageOfCreateApp(t *testing.T) {
	dir := repository(t, "git@github.com:Team/Portal.git", portal())
	done, err := Init(t.Context(), dir, at("v1.2.3"))
	require.NoError(t, err)
	require.Equal(t, []string{"stagecrew.yaml", "smoke.yaml", ".github/workflows/deploy.yml", ".github/workflows/rollback.yml"}, done.Written)
	settings := content(t, dir, "stagecrew.yaml")
	for _, line := range []string{
		"source: .", "prepare: true # installs and compiles, as the lockfile says",
		"repository: ghcr.io/team/portal", // registries take no upper case
		`verify-identity-regexp: https://github\.com/Team/Portal/\.github/workflows/deploy\.yml@refs/(heads/trunk|tags/.*)`,
		"chart: charts/portal", "release: portal", "namespace: portal", "  - deploy/values-production.yaml",
		"smoke: smoke.yaml", "public-url: https://portal.example.com",
	} {
		require.Contains(t, settings, "\n"+line+"\n")
	}
	require.Contains(t, content(t, dir, "smoke.yaml"), "# of Backstage")
	require.Contains(t, content(t, dir, ".github/workflows/deploy.yml"), "uses: stagecrew/stagecrew@v1.2.3\n")
	todo := strings.Join(done.Todo, "\n")
	require.NotContains(t, todo, "set `")
	for _, step := range []string{
		"gh secret set KUBECONFIG --env production", "tr -d '\\n'", "stagecrew preflight --kubeconfig FILE", "gh release create v1.0.0",
		// semantic-release/github#264, restify/errors#117, cowprotocol/cow-sdk#785.
		"GITHUB_TOKEN starts nothing: let that workflow go on with `gh workflow run deploy.yml --ref TAG`",
	} {
		require.Contains(t, todo, step)
	}
	require.NoError(t, Check(t.Context(), dir, at("v1.2.3")))
}

// An Enterprise Server starts no workflow with a key that it does not know, and says "workflow
// file issue" (github/gh-aw#38341).
func TestInit_ForAnEnterpriseServerWithoutWhatItDoesNotKnow(t *testing.T) {
	dir := repository(t, "git@git.example.com:team/portal.git", portal())
	done, err := Init(t.Context(), dir, at("v1"))
	require.NoError(t, err)
	require.Contains(t, strings.Join(done.Todo, "\n"), "the remote is on git.example.com. For a GitHub Enterprise Server")
	for _, name := range []string{"deploy.yml", "rollback.yml"} {
		text := content(t, dir, ".github/workflows/"+name)
		require.NotRegexp(t, `queue:|deployment: false`, text)
		require.Contains(t, text, "      name: production")
		require.Contains(t, text, "      cancel-in-progress: false\n    ")
	}
	require.NoError(t, Check(t.Context(), dir, at("v1")))
}

func TestElsewhere(t *testing.T) {
	for address, want := range map[string]string{
		"https://github.com/team/portal":            "",
		"git@github.com-work:team/portal.git":       "", // a name of ~/.ssh/config
		"git@work:team/portal.git":                  "",
		"ssh://git@ssh.github.com:443/team/portal":  "",
		"https://acme.ghe.com/team/portal":          "",
		"../portal":                                 "",
		"/srv/git.example/portal":                   "",
		"":                                          "",
		"git@Git.Example.com:team/portal.git":       "git.example.com",
		"git@github.company.example:team/a.git":     "github.company.example", // as most servers are called
		"https://github.company.com/team/portal":    "github.company.com",
		"https://github.com.example/team/portal":    "github.com.example",
		"https://user:t@git.example.com/a/b.git":    "git.example.com",
		"ssh://git@git.example.com:7999/a/b.git":    "git.example.com",
		"https://git.example.com:8443/team/portal/": "git.example.com",
	} {
		require.Equal(t, want, elsewhere(address), address)
	}
}

// What stands in the README is what init writes.
func TestInit_TheWorkflowOfTheReadme(t *testing.T) {
	dir := repository(t, "https://github.com/team/portal", portal())
	_, err := Init(t.Context(), dir, at("v1"))
	require.NoError(t, err)
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(readme), "```yaml\n")
	example, _, _ := strings.Cut(rest, "```\n")
	require.Equal(t, content(t, dir, ".github/workflows/deploy.yml"), example)
}

func TestInit_WhatItFinds(t *testing.T) {
	for name, test := range map[string]struct {
		remote   string
		change   func(map[string]string)
		has      []string
		hasNot   []string
		leftToDo []string
	}{
		// GoogleContainerTools/skaffold#3771: a Dockerfile of vendor was offered.
		"nothing of others": {
			change: func(f map[string]string) {
				clear(f)
				f["vendor/golang.org/x/net/http2/Dockerfile"] = ""
				f["node_modules/x/Chart.yaml"] = "name: x"
				f["charts/a/charts/b/Chart.yaml"] = "name: b"
				f["charts/a/Chart.yaml"] = "name: a"
			},
			has:      []string{"# source: .", "chart: charts/a", "release: a"},
			hasNot:   []string{"dockerfile:"},
			leftToDo: []string{"neither a Backstage workspace nor a Dockerfile"},
		},
		// GoogleContainerTools/skaffold#3766, #492: a Dockerfile in a folder of its own.
		"a Dockerfile that lies elsewhere": {
			change: func(f map[string]string) { clear(f); f["docker/Dockerfile"] = "" },
			has:    []string{"builder: dockerfile", "dockerfile: docker/Dockerfile"}, hasNot: []string{"prepare:"},
			leftToDo: []string{"there is no Helm chart in the repository"},
		},
		// TanStack/intent#71: the root of a workspace is called root.
		"a repository without a chart is not called root": {
			change:   func(f map[string]string) { delete(f, "charts/portal/Chart.yaml") },
			has:      []string{"release: portal", "# chart: charts/backstage"},
			leftToDo: []string{"copy charts/backstage of https://github.com/stagecrew/stagecrew into the repository", "set `chart`", "a Secret of the namespace portal with POSTGRES_USER and POSTGRES_PASSWORD"},
		},
		"a workspace in a folder": {
			change: func(f map[string]string) {
				for name, text := range portal() {
					if !strings.HasPrefix(name, "charts/") && !strings.HasPrefix(name, "deploy/") {
						delete(f, name)
						f["portal/"+name] = text
					}
				}
			},
			has: []string{"source: portal", "public-url: https://portal.example.com"},
		},
		"several charts": {
			change: func(f map[string]string) {
				f["charts/one/Chart.yaml"], f["charts/two/Chart.yaml"] = "name: one", "name: two"
				delete(f, "charts/portal/Chart.yaml")
			},
			has: []string{"# chart: "}, leftToDo: []string{"to one of these: charts/one, charts/two"},
		},
		"the one of several charts that has the repository's name": {
			change: func(f map[string]string) { f["charts/one/Chart.yaml"] = "name: one" },
			has:    []string{"chart: charts/portal"},
		},
		"a library chart is nothing to deploy": {
			change: func(f map[string]string) { f["charts/common/Chart.yaml"] = "{name: common, type: library}" },
			has:    []string{"chart: charts/portal"},
		},
		"an image deeper in the values": {
			change: func(f map[string]string) {
				f["charts/portal/Chart.yaml"] = "{name: portal, dependencies: [{name: postgresql}]}"
				f["charts/portal/values.yaml"] = "{backstage: {image: {repository: a, tag: b}}, postgresql: {image: {repository: c, tag: d}}}"
			},
			has: []string{"image-values-path: backstage.image # where the chart takes repository and digest"},
		},
		"two images in the values are for a person to tell apart": {
			change: func(f map[string]string) {
				f["charts/portal/values.yaml"] = "{web: {image: {repository: a, tag: b}}, worker: {image: {repository: c, digest: d}}}"
			},
			hasNot: []string{"image-values-path"},
		},
		"a remote elsewhere": {
			remote:   "https://gitlab.com/team/portal.git",
			has:      []string{"# repository: ghcr.io/OWNER/NAME", "# verify-identity-regexp: "},
			leftToDo: []string{"set `repository`", "set verify-identity-regexp"},
		},
		"a token in the address of the remote stays there": {
			remote: "https://x-access-token:ghs_0123@github.com/team/portal",
			has:    []string{"repository: ghcr.io/team/portal"}, hasNot: []string{"ghs_"},
		},
		"an address with a variable is none": {
			change:   func(f map[string]string) { f["app-config.production.yaml"] = "app: {baseUrl: 'https://${HOST}'}" },
			has:      []string{"# public-url: https://portal.example.com"},
			leftToDo: []string{"set public-url"},
		},
		// dokku/docket#355, achetronic/magec#11: what YAML takes for more than a name.
		"names that YAML reads otherwise": {
			change: func(f map[string]string) {
				for name, text := range portal() {
					delete(f, name)
					f["the #1 portal/"+strings.Replace(name, "charts/portal", "@charts: all", 1)] = text
				}
				f["the #1 portal/deploy/values: prod\nkubeconfig: evil.yaml"] = ""
			},
			has: []string{`source: "the #1 portal"`, `chart: "the #1 portal/@charts: all"`, `  - "the #1 portal/deploy/values-production.yaml"`, `  - "the #1 portal/deploy/values: prod\nkubeconfig: evil.yaml"`}, hasNot: []string{"\nkubeconfig"},
		},
		"an address with a password is nobody's": {
			change: func(f map[string]string) {
				f["app-config.production.yaml"] = "app: {baseUrl: 'https://joe:hunter2@portal.example.com'}"
			},
			has: []string{"# public-url: "}, hasNot: []string{"hunter2"},
		},
		"findings that are ignored": {
			change: func(f map[string]string) { f[".trivyignore"] = "CVE-2024-1" },
			has:    []string{"scan-ignore-file: .trivyignore"},
		},
		"a package manager that cannot install": {
			change:   func(f map[string]string) { delete(f, "yarn.lock"); f["pnpm-lock.yaml"] = "" },
			has:      []string{"builder: dockerfile", "dockerfile: packages/backend/Dockerfile"},
			hasNot:   []string{"prepare: true"},
			leftToDo: []string{"pnpm cannot install for an image here: let a Dockerfile do it"},
		},
		"a package of ghcr.io is private": {leftToDo: []string{"let the cluster pull the image: by a pull secret", "create secret docker-registry ghcr", "image.pullSecrets"}},
		"no lockfile": {
			change:   func(f map[string]string) { delete(f, "yarn.lock") },
			leftToDo: []string{"commit a lockfile"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			files := portal()
			if test.change != nil {
				test.change(files)
			}
			if test.remote == "" {
				test.remote = "https://github.com/team/portal.git"
			}
			dir := repository(t, test.remote, files)
			done, err := Init(t.Context(), dir, at("v1"))
			require.NoError(t, err)
			settings := content(t, dir, "stagecrew.yaml")
			for _, line := range test.has {
				require.Contains(t, settings, "\n"+line)
			}
			for _, text := range test.hasNot {
				require.NotContains(t, settings, text)
			}
			for _, text := range test.leftToDo {
				require.Contains(t, strings.Join(done.Todo, "\n"), text)
			}
			require.NoError(t, Check(t.Context(), dir, at("v1")))
		})
	}
}

// software-mansion/setup-ci#114: workflows that people had written were overwritten.
func TestInit_OverwritesNothing(t *testing.T) {
	files := portal()
	files["stagecrew.yaml"] = "release: mine\n"
	files[".github/workflows/deploy.yml"] = "on: push\njobs: {}\n"
	dir := repository(t, "https://github.com/team/portal", files)
	require.NoError(t, os.Symlink("/nowhere/smoke.yaml", filepath.Join(dir, "smoke.yaml")))
	done, err := Init(t.Context(), dir, at("v1"))
	require.NoError(t, err)
	require.Equal(t, []string{"stagecrew.yaml", "smoke.yaml"}, done.Kept)
	require.Equal(t, []string{".github/workflows/stagecrew-deploy.yml", ".github/workflows/rollback.yml"}, done.Written)
	for name, text := range files {
		require.Equal(t, text, content(t, dir, name))
	}

	again, err := Init(t.Context(), dir, at("v1"))
	require.NoError(t, err)
	require.Empty(t, again.Written)
}

func TestInit_WhatCannotBeWrittenIsNamed(t *testing.T) {
	files := portal()
	files[".github"] = "a file"
	dir := repository(t, "https://github.com/team/portal", files)
	done, err := Init(t.Context(), dir, at("v1"))
	require.ErrorContains(t, err, "writing .github/workflows/deploy.yml: ")
	require.ErrorContains(t, err, "[scaffold/not-written]")
	require.Equal(t, []string{"stagecrew.yaml", "smoke.yaml"}, done.Written)

	_, err = Init(t.Context(), filepath.Join(dir, "none"), at("v1"))
	require.ErrorContains(t, err, "[scaffold/no-directory]")
}

// GitHub reads no workflow of a folder below the root of a repository.
func TestInit_OnlyAtTheRootOfARepository(t *testing.T) {
	dir := repository(t, "https://github.com/team/portal", portal())
	_, err := Init(t.Context(), filepath.Join(dir, "packages", "backend"), at("v1"))
	require.ErrorContains(t, err, "this is the folder packages/backend/ of a repository")
	require.ErrorContains(t, err, "[scaffold/not-the-root]")
	require.NoDirExists(t, filepath.Join(dir, "packages", "backend", ".github"))
	_, err = Init(t.Context(), t.TempDir(), at("v1"))
	require.NoError(t, err, "what is no repository yet may become one")
}

// The pattern of who may have signed names the main branch, and not the one on which
// somebody tries stagecrew (open-gsd/gsd-core#1146, coleam00/Archon#2471).
func TestInit_TheMainBranchIsNotAnyThatIsCheckedOut(t *testing.T) {
	for main, want := range map[string]string{"main": "main", "master": "master", "trunk": "add-stagecrew"} {
		dir := repository(t, "https://github.com/team/portal", portal())
		for _, args := range [][]string{
			{"symbolic-ref", "HEAD", "refs/heads/" + main}, {"-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "--allow-empty", "-m", "first"}, {"checkout", "-q", "-b", "add-stagecrew"},
		} {
			out, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir}, args...)...).CombinedOutput()
			require.NoError(t, err, string(out))
		}
		done, err := Init(t.Context(), dir, at("v1"))
		require.NoError(t, err)
		require.Contains(t, content(t, dir, "stagecrew.yaml"), "@refs/(heads/"+want+"|tags/.*)\n")
		require.Contains(t, strings.Join(done.Todo, "\n"), "Git does not know it here, and "+want+" is a guess")
	}
	dir := repository(t, "https://github.com/team/portal", portal())
	out, err := exec.CommandContext(t.Context(), "git", "-C", dir, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/develop").CombinedOutput()
	require.NoError(t, err, string(out))
	done, err := Init(t.Context(), dir, at("v1"))
	require.NoError(t, err)
	require.Contains(t, content(t, dir, "stagecrew.yaml"), "@refs/(heads/develop|tags/.*)\n")
	require.NotContains(t, strings.Join(done.Todo, "\n"), "guess")
}

// A repository of another user, as a container has it, is one that Git says nothing of
// (casperdcl/git-fame#81, dawidd6/action-debian-package#69).
func TestInit_WhyGitSaysNothingIsTold(t *testing.T) {
	dir := repository(t, "https://github.com/team/portal", portal())
	t.Setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
	done, err := Init(t.Context(), dir, at("v1"))
	require.NoError(t, err)
	require.Contains(t, strings.Join(done.Todo, "\n"), "Git says nothing of this repository, but fatal: detected dubious ownership in repository at")
	t.Setenv("PATH", t.TempDir())
	done, err = Init(t.Context(), repositoryless(t), at("v1"))
	require.NoError(t, err)
	require.Contains(t, strings.Join(done.Todo, "\n"), `exec: "git": executable file not found`)
}

// repositoryless is a folder with files that is no repository.
func repositoryless(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "Dockerfile"), nil, 0o600))
	return dir
}

func TestCheck_WhatIsNoLongerTrue(t *testing.T) {
	dir := repository(t, "https://github.com/team/portal", portal())
	_, err := Init(t.Context(), dir, at("v1.2.3"))
	require.NoError(t, err)
	change := func(name, from, to string) {
		text := content(t, dir, name)
		require.Contains(t, text, from)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(strings.Replace(text, from, to, 1)), 0o600))
	}
	change("stagecrew.yaml", "charts/portal", "charts/gone")
	change("stagecrew.yaml", "github\\.com/team/", "github\\.com/old-name/")
	change("stagecrew.yaml", "values-production", "values-prod")
	change(".github/workflows/deploy.yml", "stagecrew/actions/build@v1.2.3", "stagecrew/actions/build@v1.2.2")
	change(".github/workflows/deploy.yml", "3d3c42e5aac5ba805825da76410c181273ba90b1", "v4")
	require.NoError(t, os.Remove(filepath.Join(dir, "smoke.yaml")))
	err = Check(t.Context(), dir, at("v1.2.3"))
	require.Equal(t, record.KindRefused, record.KindOf(err))
	for _, want := range []string{
		"smoke.yaml is missing: `stagecrew init` writes it",
		"stagecrew.yaml: chart is charts/gone/Chart.yaml, which is not there",
		"stagecrew.yaml: values is deploy/values-prod.yaml, which is not there",
		"verify-identity-regexp does not take what this repository's workflow signs as, such as https://github.com/team/portal/.github/workflows/deploy.yml@refs/tags/v1.0.0",
		"deploy.yml uses stagecrew/stagecrew/actions/build at v1.2.2, and this program is v1.2.3",
		"deploy.yml uses actions/checkout at v4, which can change without a commit here",
	} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), "rollback.yml")
}

func TestLabel(t *testing.T) {
	for name, want := range map[string]string{
		"My Portal": "my-portal", "Portal.io": "portal-io", "--": "", "ÄÖ": "", "a_b": "a-b", strings.Repeat("a", 52) + "-b": strings.Repeat("a", 52),
	} {
		require.Equal(t, want, label(name), name)
	}
}

func TestOnGitHub_TheFormsOfAnAddress(t *testing.T) {
	for address, want := range map[string]string{
		"https://github.com/team/portal":               "team/portal",
		"https://github.com/team/portal.git":           "team/portal",
		"https://user:token@github.com/team/portal/":   "team/portal",
		"git@github.com:team/portal.js.git":            "team/portal.js",
		"ssh://git@github.com/team/portal.git":         "team/portal",
		"ssh://git@ssh.github.com:443/team/portal.git": "team/portal",
		"https://github.com.evil.test/team/portal":     "",
		"https://github.com/team":                      "",
		"../portal":                                    "",
	} {
		m := append(onGitHub.FindStringSubmatch(address), "", "")
		require.Equal(t, want, m[1], address)
	}
}
