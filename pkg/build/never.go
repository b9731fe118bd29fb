package build

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// unwelcome is what does not belong into an image: files that hold credentials, or
// often do, and settings of somebody's own machine. Build leaves it out, and validate
// looks for it. Patterns are for one element of a path, in lower case.
var unwelcome = []struct {
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

// unwelcomeAt says why a path does not belong into an image, "" for one that does.
// What was asked for by name may be there: a path that is, or lies below, one of the
// includes whose own name is unwelcome.
func unwelcomeAt(name string, include []string) (why string) {
	isPublished := partOf(name) == dependencies
	elements := strings.Split(strings.ToLower(name), "/")
	for i, element := range elements {
		if slices.Contains(harmless, element) {
			continue
		}
		asked := slices.ContainsFunc(include, func(one string) bool {
			n := strings.Count(one, "/") + 1
			return n > i && n <= len(elements) && strings.HasPrefix(name+"/", one+"/")
		})
		for _, rule := range unwelcome {
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

// mayBeKey reports whether a name is one of those under which private keys lie beside
// certificates, so that the content decides.
func mayBeKey(name string) bool {
	end := strings.ToLower(path.Ext(name))
	return (end == ".pem" || end == ".key") && partOf(name) != dependencies
}

// isKey looks for a private key at the beginning of a file.
func isKey(content io.Reader) (bool, error) {
	head, err := io.ReadAll(io.LimitReader(content, 64<<10))
	return bytes.Contains(head, []byte("PRIVATE KEY-----")), err
}

// follow gives where a path leads when its links are followed, as long as they stay
// inside; a path that leads nowhere is given back as far as it could be followed.
func follow(root *os.Root, name string) string {
	const longest = 40
	for range longest {
		done, elements := "", strings.Split(name, "/")
		next := ""
		for i, element := range elements {
			at := path.Join(done, element)
			info, err := root.Lstat(at)
			if err == nil && info.Mode()&fs.ModeSymlink != 0 {
				if link, err := root.Readlink(at); err == nil && !path.IsAbs(link) {
					next = path.Join(append([]string{path.Dir(at), link}, elements[i+1:]...)...)
				}
				break
			}
			done = at
		}
		if next == "" {
			return name
		}
		name = next
	}
	return name
}

// omitted notes what was left out of an image.
type omitted struct {
	include []string
	paths   map[string]string // to the reason
}

// unwelcome reports whether an entry is to be left out. Of what a walk begins with,
// also where it leads counts, because a walk follows that.
func (o *omitted) unwelcome(root *os.Root, name string, top bool) bool {
	why := unwelcomeAt(name, o.include)
	if why == "" && top && name != "." {
		if target := follow(root, name); target != name {
			why = unwelcomeAt(target, o.include)
		}
	}
	if why == "" && mayBeKey(name) && !slices.Contains(o.include, name) {
		why = keyAt(root, name)
	}
	if why == "" {
		return false
	}
	if partOf(name) != dependencies {
		if o.paths == nil {
			o.paths = map[string]string{}
		}
		o.paths[name] = why
	}
	return true
}

func keyAt(root *os.Root, name string) string {
	info, err := root.Lstat(name)
	if err != nil || !info.Mode().IsRegular() {
		return ""
	}
	file, err := root.Open(name)
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	if found, _ := isKey(file); found {
		return "private key"
	}
	return ""
}
