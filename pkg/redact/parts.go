package redact

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
)

// parts are the secrets in a value: itself, its lines, the password of a URL, what
// stands under a secret's name, what an "auth" of Docker's configuration encodes.
func parts(value string) []string {
	c := collector{seen: map[string]bool{}}
	c.value(value)
	return c.found
}

type collector struct {
	found []string
	seen  map[string]bool
}

func (c *collector) add(value string) {
	value = strings.TrimSpace(value)
	if len([]rune(value)) < short || isCommon(value) || c.seen[value] {
		return
	}
	c.seen[value] = true
	c.found = append(c.found, value)
}

func (c *collector) value(value string) {
	c.add(value)
	c.urls(value)
	var document any
	if trimmed := strings.TrimSpace(value); strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "[") {
		if json.Unmarshal([]byte(trimmed), &document) == nil {
			c.leaves("", document)
			return
		}
	}
	c.assignments(value)
	c.files(value)
	if strings.Contains(value, "\n") {
		for line := range strings.Lines(value) {
			c.line(strings.TrimSpace(line))
		}
	}
}

var (
	// heading is a line that only begins or ends something.
	heading = regexp.MustCompile(`^(-----(BEGIN|END) .*|#.*|//.*|\[[\w. -]*\]|[\w."'-]+:(\s*[|>{\[][-+]?)?|\W*)$`)
	// setting is a line "name: value" or "name=value".
	setting  = regexp.MustCompile(`^(?:export\s+)?(?:-\s+)?["']?([\w.-]+)["']?\s*[:=]\s*(.+?),?$`)
	userinfo = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://([^/\s"'<>]*)@`)
	// assigned is a credential in a connection string or in a query.
	assigned = regexp.MustCompile(`(?i)([\w.-]*(?:pass|pwd|secret|token|key|auth|sig)[\w.-]*)\s*=\s*("[^"]*"|'[^']*'|[^\s;&,"']+)`)
)

// line adds one line of a value. Of a line of settings its value counts: the line
// of a configuration file that is kept in a Secret is no secret as such.
func (c *collector) line(line string) {
	if heading.MatchString(line) && !isOpaque(line) { // a line of base64 may begin with two slashes
		return
	}
	m := setting.FindStringSubmatch(line)
	if m == nil || strings.HasSuffix(line, "=") {
		c.add(line)
		return
	}
	value := strings.Trim(m[2], `"'`)
	switch {
	case NameIsSecret(m[1]):
		c.add(value)
		fallthrough
	case !IsOpen(m[1], value) && !isWeak(value):
		c.add(line)
	}
	if !NameIsSecret(m[1]) && isOpaque(value) {
		c.add(value)
	}
}

// urls adds the passwords in connection URLs.
func (c *collector) urls(text string) {
	if !strings.Contains(text, "://") {
		return
	}
	for _, m := range userinfo.FindAllStringSubmatch(text, -1) {
		user, password, found := strings.Cut(m[1], ":")
		if !found {
			password = user // a token alone, as in https://TOKEN@host
		}
		c.add(password)
		if plain, err := url.PathUnescape(password); err == nil {
			c.add(plain)
		}
	}
}

// assignments adds what stands under a secret's name in a connection string.
func (c *collector) assignments(text string) {
	if !strings.Contains(text, "=") {
		return
	}
	for _, m := range assigned.FindAllStringSubmatch(text, -1) {
		if !NameIsSecret(m[1]) {
			continue
		}
		c.add(strings.Trim(m[2], `"'`))
		if plain, err := url.QueryUnescape(m[2]); err == nil {
			c.add(plain)
		}
	}
}

// address ends the names of leaves that say where something is.
var address = regexp.MustCompile(`(?i)(^|[_.-])(ur[il]|path|file|ttl|email|project_id)$`)

// leaves adds the texts of a JSON document that is a secret: all but short ones,
// those of open names and addresses, unless they have a secret's name.
func (c *collector) leaves(name string, document any) {
	switch node := document.(type) {
	case map[string]any:
		for key, value := range node {
			if text, ok := value.(string); ok && key == "auth" {
				c.login(text)
			}
			c.leaves(key, value)
		}
	case []any:
		for _, value := range node {
			c.leaves(name, value)
		}
	case string:
		isWhole := len(node) >= long && !IsOpen(name, node) && !address.MatchString(name)
		if isWhole || NameIsSecret(name) || isOpaque(node) || strings.Contains(node, "PRIVATE KEY-----") {
			c.value(node)
		} else {
			c.urls(node)
		}
	}
}

// fileShapes are credentials in files and options that no name with "=" or ":" tells.
var fileShapes = []struct {
	sign    string
	pattern *regexp.Regexp
}{
	{"password", regexp.MustCompile(`(?m)(?:^|\s)password\s+("[^"]+"|\S+)`)}, // .netrc
	{"--", regexp.MustCompile(`(?:^|\s)--?([\w-]*(?:pass|pwd|secret|token|key|auth)[\w-]*)\s+("[^"]*"|'[^']*'|[^\s-]\S*)`)},
	{"</", regexp.MustCompile(`<([\w.:-]+)(?:\s[^<>]*)?>([^<>]+)</`)},
	// Flow YAML.
	{"{", regexp.MustCompile(`[{,]\s*["']?([\w.-]+)["']?\s*:\s*("[^"]*"|'[^']*'|[^\s,}{\[][^,}]*)`)},
}

var (
	// pgpass is a line host:port:database:user:password.
	pgpass = regexp.MustCompile(`(?m)^(?:[^:\n\\]|\\.)*:(?:\d+|\*):(?:[^:\n\\]|\\.)*:(?:[^:\n\\]|\\.)*:(.+?)\s*$`)
	// userAndPassword is a value of one line; not a host with its port.
	userAndPassword = regexp.MustCompile(`^[\w.@+-]+:(\S+)$`)
	unescapedColon  = strings.NewReplacer(`\:`, ":", `\\`, `\`)
)

// files adds the credentials in files of well-known forms.
func (c *collector) files(text string) {
	for _, shape := range fileShapes {
		if !strings.Contains(text, shape.sign) {
			continue
		}
		for _, m := range shape.pattern.FindAllStringSubmatch(text, -1) {
			if len(m) == 2 || NameIsSecret(m[1]) {
				c.add(strings.Trim(m[len(m)-1], `"'`))
			}
		}
	}
	if !strings.Contains(text, ":") {
		return
	}
	for _, m := range pgpass.FindAllStringSubmatch(text, -1) {
		c.add(m[1])
		c.add(unescapedColon.Replace(m[1]))
	}
	if m := userAndPassword.FindStringSubmatch(strings.TrimSpace(text)); m != nil && !strings.HasPrefix(m[1], "//") {
		c.add(m[1])
	}
}

// login adds the password of Docker's base64 of "user:password".
func (c *collector) login(auth string) {
	plain, err := base64.StdEncoding.DecodeString(auth)
	if err != nil {
		return
	}
	c.add(string(plain))
	_, password, _ := strings.Cut(string(plain), ":")
	c.add(password)
}
