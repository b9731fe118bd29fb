// Package sensitive knows what may never be in an image: files with credentials, or
// that often have some, and settings of a developer's machine. The build leaves it
// out, and validation looks for it. It is pure.
package sensitive

import (
	"path"
	"slices"
	"strings"
)

// rule is one kind of what does not belong into an image.
type rule struct {
	why string
	// names of files and folders, in lower case; one with a slash is for as many
	// elements of a path.
	names []string
	// always is so for the build even where it was asked for by name.
	always bool
	// published packages may have them, which are no secrets.
	published bool
	// template is what a template of a project may have, for the projects made of it.
	template bool
	// holds are those files of a folder that have credentials; all when there are none
	// of them and of spares, which are those that have not. The build leaves out the
	// whole folder, because it is a developer's own.
	holds, spares []string
	// workspace is what matters in the application alone: tools that are installed by
	// Git have a .git, too.
	workspace bool
	// judge decides by the content about a file that is there; the build, which needs
	// none of them, leaves out all of that name.
	judge func(content []byte) bool
}

var rules = []rule{
	{why: "the repository's history and its credentials", names: []string{".git"}, always: true, workspace: true},
	{why: "credentials of Git", names: []string{".git-credentials*"}, always: true},
	{why: "credentials of Git", names: []string{".git/config"}, judge: holdsGitLogin},
	{why: "settings of Git", names: []string{".gitconfig", ".git-*", ".git.*", ".git_*"}, published: true, template: true, judge: holdsGitLogin},
	{why: "environment of a machine", names: []string{".env", ".env.*"}, template: true},
	{why: "environment of a machine", names: []string{".env?*", "*.env", "env.local"}, published: true, template: true},
	{why: "login of a package registry", names: []string{".npmrc*", ".yarnrc.yml*"}, template: true, judge: holdsRegistryLogin},
	{why: "login of a package registry", names: []string{".yarnrc*", "etc/npmrc"}, published: true, template: true, judge: holdsRegistryLogin},
	{why: "login of a package registry", names: []string{".pypirc", ".netrc", "_netrc", ".m2/settings.xml", ".cargo/credentials*", ".gem/credentials", ".composer/auth.json"}, published: true},
	{why: "credentials of a tool", names: []string{".aws"}, published: true, holds: []string{"credentials*", "config*", "sso", "cli"}},
	{why: "credentials of a tool", names: []string{".azure"}, published: true, holds: []string{"accesstokens*", "msal_token_cache*", "service_principal*"}},
	{why: "credentials of a tool", names: []string{".docker"}, published: true, holds: []string{"config.json*", "key.json*", ".token_seed*"}},
	{why: "credentials of a tool", names: []string{".gcloud", ".config/gcloud"}, published: true, holds: []string{"*credentials*", "access_tokens*"}},
	{why: "credentials of a tool", names: []string{".gnupg"}, published: true, holds: []string{"private-keys*", "secring*"}},
	{why: "credentials of a tool", names: []string{".kube"}, published: true, holds: []string{"config*", "*kubeconfig*", "cache/oidc*"}},
	{why: "credentials of a tool", names: []string{".ssh"}, published: true, spares: []string{"known_hosts*", "authorized_keys*", "config", "*.pub"}},
	{why: "credentials of a tool", published: true, names: []string{
		".dockercfg", ".vault-token", ".htpasswd", ".pgpass", ".my.cnf", "kubeconfig", "*.kubeconfig", ".terraformrc", ".terraform.d/credentials*",
		".config/gh/hosts.yml", ".config/git/credentials", ".config/containers/auth.json", ".config/helm/registry", ".config/rclone",
	}},
	// What `backstage-cli create-github-app` writes: a private key and two secrets.
	{why: "credentials of a GitHub App", names: []string{"github-app-*-credentials.y*ml"}, published: true},
	{why: "configuration of one machine", names: []string{"*.local.yaml"}, template: true, workspace: true},
	{why: "configuration of one machine", names: []string{"*.local.yml", "app-config-local*.y*ml", "app-config.local*"}, published: true, template: true, workspace: true},
	{why: "private key", names: []string{"id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "cosign.key"}, published: true},
}

// harmless look like something unwelcome by their name.
var harmless = []string{
	".gitignore", ".gitkeep", ".gitattributes", ".github",
	".env.example", ".env.sample", ".env.template", ".env.dist",
}

// Path says why the build leaves a path of the workspace out of an image, "" for one
// that stays. What was asked for by name is there: a path that is, or lies below, one
// of the includes whose own name is unwelcome.
func Path(name string, include []string) (why string) {
	m, found := match(name, func(r rule, at int) bool {
		if Published(name) && r.published || r.template && isTemplate(name) {
			return false
		}
		return r.always || !asked(name, include, at)
	})
	if !found {
		return ""
	}
	return m.rule.why
}

// Never reports whether a path stays out of each image, also when it is asked for.
func Never(name string) bool {
	_, found := match(name, func(r rule, _ int) bool { return r.always })
	return found
}

// matched is a rule that fits the elements of a path up to the given one.
type matched struct {
	rule rule
	end  int
}

// match finds the first rule that fits a path and is wanted.
func match(name string, wanted func(r rule, at int) bool) (matched, bool) {
	elements := strings.Split(strings.ToLower(name), "/")
	for i, element := range elements {
		for _, c := range byFirst[firstOf(element)] {
			if end := c.fits(elements, i); end >= 0 && !slices.Contains(harmless, elements[end]) && wanted(*c.rule, end) {
				return matched{*c.rule, end}, true
			}
		}
	}
	return matched{}, false
}

// asked reports whether one of the includes names the element at, or more.
func asked(name string, include []string, at int) bool {
	return slices.ContainsFunc(include, func(one string) bool {
		return strings.Count(one, "/") >= at && strings.HasPrefix(name+"/", one+"/")
	})
}

// Published reports whether a path lies in an installed package, which is no
// secret: packages come with keys of their tests (npm/cli#3401, nodejs/node-gyp#2537,
// browserify/publicEncrypt#23).
func Published(name string) bool {
	return strings.Contains(name, "node_modules") && slices.Contains(strings.Split(name, "/"), "node_modules")
}

// isTemplate reports whether a path lies among templates, whose files are for the
// projects that are made of them (nextlyhq/nextly#764, n8n-io/n8n#30068).
func isTemplate(name string) bool {
	return slices.ContainsFunc(strings.Split(path.Dir(name), "/"), func(element string) bool {
		return element == "examples" || element == "templates" || element == "template" || element == "skeleton"
	})
}
