package sensitive

import (
	"bytes"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/text"
)

// MaxContent is how much of a file is looked at, in bytes.
const MaxContent = 256 << 10

// mayHoldKey are the names under which private keys lie, also beside certificates, so
// that the content decides.
var mayHoldKey = []string{"*.pem", "*.key", "*.p8", "*.ppk", "*.priv", "*_key", "*-key", "*_rsa", "*_ed25519"}

// mayHoldText are names of settings, in which a key or a token may stand.
var mayHoldText = []string{"*.yaml", "*.yml", "*.json", "*.toml", "*.ini", "*.conf", "*.properties", ".env*", "*.env"}

// snakeoil is the key that Debian's ssl-cert makes for tests: nobody trusts it
// (gchq/sleeper#6213, angular/protractor#5538).
const snakeoil = "ssl-cert-snakeoil.key"

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { ok, _ := path.Match(pattern, name); return ok })
}

// MayHold reports whether the content of a file of this name is to be looked at, by
// [Content].
func MayHold(name string) bool {
	if Published(name) {
		return false
	}
	base := strings.ToLower(path.Base(name))
	return base != snakeoil && (matchesAny(mayHoldKey, base) || matchesAny(mayHoldText, base))
}

var (
	keyHead = []byte("PRIVATE KEY-----")
	// wholeKey is one with its text: documents and code have the head alone
	// (aquasecurity/trivy#2274). Line breaks may be those of JSON.
	wholeKey = regexp.MustCompile(`PRIVATE KEY( BLOCK)?-----(\s|\\n|\\r)*([A-Za-z0-9+/=](\s|\\n|\\r)*){100}`)
)

// Content says why a file does not belong into an image because of what is at its
// beginning: a private key or a token.
func Content(name string, content io.Reader) (why string, err error) {
	head, err := io.ReadAll(io.LimitReader(content, MaxContent))
	switch {
	case holdsKey(name, head):
		return "private key", err
	case holdsToken(head):
		return "token", err
	}
	return "", err
}

func holdsKey(name string, head []byte) bool {
	if !bytes.Contains(head, keyHead) {
		return false
	}
	return !matchesAny(mayHoldText, strings.ToLower(path.Base(name))) || wholeKey.Match(head)
}

// registrySecret is a setting of npm or Yarn that logs in, with its value.
var registrySecret = regexp.MustCompile(`(?im)^[^#;\n]*?(?:(?:^|[:\s"'])_(?:authToken|auth|password)|npmAuth(?:Token|Ident))["']?[ \t]*[:= \t][ \t]*["']?([^\s"'#]+)`)

// holdsRegistryLogin reports whether settings of npm or Yarn have a value that logs
// in. Each official image of Backstage has a .yarnrc.yml without one.
func holdsRegistryLogin(content []byte) bool {
	for _, m := range registrySecret.FindAllSubmatch(content, -1) {
		if !isReference(string(m[1])) {
			return true
		}
	}
	return holdsToken(content)
}

// hasSettings reports whether the first line that says something is a setting.
func hasSettings(content []byte) bool {
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSpace(strings.TrimPrefix(line, text.ByteOrderMark))
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		return strings.ContainsAny(line, "=: [")
	}
	return true
}

// gitLogin is a URL with a password, or a header that logs in.
var gitLogin = regexp.MustCompile(`(?i)(://[^\s/:@]+:[^\s/@$]+@|extraheader\s*=.*authorization)`)

func holdsGitLogin(content []byte) bool { return gitLogin.Match(content) }

// tokens have forms by which they are known: those of GitHub, GitLab, npm, Slack,
// Docker, Stripe, AWS.
var tokens = regexp.MustCompile(`\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{40}|glpat-[A-Za-z0-9_-]{20}|npm_[A-Za-z0-9]{36}|` +
	`xox[abpors]-[A-Za-z0-9-]{20}|dckr_pat_[A-Za-z0-9_-]{20}|sk_live_[A-Za-z0-9]{20}|(?i:aws_?secret_?access_?key)["':=\s]+[A-Za-z0-9/+]{40})`)

// holdsToken reports whether a text has a token, other than one of a manual, which
// repeats its letters.
func holdsToken(content []byte) bool {
	for _, m := range tokens.FindAll(content, -1) {
		text := strings.ToLower(string(m))
		if !strings.Contains(text, "xxxx") && !strings.Contains(text, "example") && !strings.Contains(text, "0000") {
			return true
		}
	}
	return false
}

// isReference reports whether a value stands for one that comes from elsewhere.
func isReference(value string) bool {
	return value != "" && strings.ContainsRune("$%<", rune(value[0])) || strings.HasPrefix(value, "{{")
}
