// Package sensitive knows what may never be in an image: files with credentials, or
// that often have some, and settings of somebody's own machine. The build leaves it
// out, and validation looks for it. It is pure.
package sensitive

import (
	"bytes"
	"io"
	"path"
	"slices"
	"strings"
)

// rules are what does not belong into an image: files that hold credentials, or
// often do, and settings of somebody's own machine. Build leaves it out, and validate
// looks for it. Patterns are for one element of a path, in lower case.
var rules = []struct {
	why      string
	patterns []string
	// always is so even for what was asked for by name.
	always bool
	// published packages may have them, which are nobody's secret.
	published bool
}{
	{why: "the repository's history and its credentials", patterns: []string{".git", ".git-credentials"}, always: true},
	{why: "settings of Git", patterns: []string{".git?*"}, published: true},
	{why: "environment of a machine", patterns: []string{".env", ".env.*"}},
	{why: "environment of a machine", patterns: []string{".env?*"}, published: true},
	{why: "login of a package registry", patterns: []string{".npmrc", ".yarnrc.yml"}},
	{why: "login of a package registry", patterns: []string{".yarnrc", ".pypirc", ".netrc", "_netrc"}, published: true},
	{why: "credentials of a tool", published: true, patterns: []string{".aws", ".azure", ".docker", ".dockercfg", ".gcloud", ".gnupg", ".kube", ".ssh", ".vault-token", ".htpasswd", "kubeconfig"}},
	{why: "configuration of one machine", patterns: []string{"*.local.yaml"}},
	{why: "configuration of one machine", patterns: []string{"*.local.yml", "app-config-local*.y*ml", "app-config.local*"}, published: true},
	{why: "private key", patterns: []string{"id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "cosign.key"}, published: true},
}

// harmless look like something unwelcome by their name.
var harmless = []string{".gitignore", ".gitkeep", ".gitattributes", ".github"}

// Path says why a path does not belong into an image, "" for one that does.
// What was asked for by name may be there: a path that is, or lies below, one of the
// includes whose own name is unwelcome.
func Path(name string, include []string) (why string) {
	isPublished := Published(name)
	elements := strings.Split(strings.ToLower(name), "/")
	for i, element := range elements {
		if slices.Contains(harmless, element) {
			continue
		}
		asked := slices.ContainsFunc(include, func(one string) bool {
			n := strings.Count(one, "/") + 1
			return n > i && n <= len(elements) && strings.HasPrefix(name+"/", one+"/")
		})
		for _, rule := range rules {
			if rule.published && isPublished || asked && !rule.always {
				continue
			}
			if slices.ContainsFunc(rule.patterns, func(pattern string) bool { ok, _ := path.Match(pattern, element); return ok }) {
				return rule.why
			}
		}
	}
	return ""
}

// MayBeKey reports whether a name is one of those under which private keys lie beside
// certificates, so that the content decides.
func MayBeKey(name string) bool {
	end := strings.ToLower(path.Ext(name))
	return (end == ".pem" || end == ".key") && !Published(name)
}

// HoldsKey looks for a private key at the beginning of a file.
func HoldsKey(content io.Reader) (bool, error) {
	head, err := io.ReadAll(io.LimitReader(content, 64<<10))
	return bytes.Contains(head, []byte("PRIVATE KEY-----")), err
}

// Published reports whether a path lies in an installed package, which is nobody's secret.
func Published(name string) bool {
	return slices.Contains(strings.Split(name, "/"), "node_modules")
}
