package redact

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
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

// Values gives the texts and numbers under secret-like names in a document of maps
// and lists, such as the values of a chart, also of pairs {name: N, value: V}; the
// passwords in its connection URLs; and what is secret in texts that are documents.
func Values(document any) []string {
	var w walker
	w.walk(false, document)
	return w.found
}

type walker struct{ found []string }

// walk adds what is secret in a node; secret says that it is within something that
// is.
func (w *walker) walk(secret bool, node any) {
	switch node := node.(type) {
	case map[string]any:
		label, pair := pairOf(node)
		for key, child := range node {
			inner := secret
			switch {
			case pair != "" && key == label, isKeyName(node, key):
				continue
			case pair != "" && key == "value":
				key = pair
			}
			if child, ok := child.(string); ok && IsOpen(key, child) || NameIsOpen(key) && !ok || notSecret.MatchString(key) {
				inner = false
			}
			w.walk(NameIsSecret(key) || inner, child)
		}
	case []any:
		for _, child := range node {
			w.walk(secret, child)
		}
	case string:
		w.text(secret, node)
	case int, int64, uint64, float64, json.Number:
		if secret {
			w.found = append(w.found, written(node))
		}
	}
}

// isKeyName reports whether a field of Kubernetes names a key and holds none: of a
// label (topologyKey, an affinity's term), of a taint, or of an entry of a ConfigMap or
// Secret that a variable is taken from.
func isKeyName(node map[string]any, field string) bool {
	switch field {
	case "topologyKey", "secretKeyRef", "configMapKeyRef":
		return true
	case "key":
		_, operator := node["operator"].(string)
		_, effect := node["effect"].(string)
		return operator || effect
	}
	return false
}

// pairOf reads the name in a pair as {name: SMTP_PASSWORD, value: X}, and which key
// has it.
func pairOf(node map[string]any) (label, name string) {
	if _, found := node["value"]; !found {
		return "", ""
	}
	for _, label := range []string{"name", "key"} {
		if name, ok := node[label].(string); ok {
			return label, name
		}
	}
	return "", ""
}

func (w *walker) text(secret bool, text string) {
	if secret {
		w.found = append(w.found, text)
		return
	}
	c := collector{seen: map[string]bool{}}
	c.urls(text)
	switch {
	case isOpaque(text) && !isPlace(text), strings.Contains(text, "PRIVATE KEY-----"):
		c.value(text)
	case strings.Contains(text, "\n"):
		c.settings(text)
	}
	w.found = append(w.found, c.found...)
}

// written is a number as a person writes it.
func written(n any) string {
	if f, ok := n.(float64); ok {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return fmt.Sprint(n)
}

// settings adds what stands under secret-like names in the lines of a text that is
// no secret as such.
func (c *collector) settings(text string) {
	for line := range strings.Lines(text) {
		m := setting.FindStringSubmatch(strings.TrimSpace(line))
		if m != nil && NameIsSecret(m[1]) {
			c.add(strings.Trim(m[2], `"'`))
		}
	}
	c.assignments(text)
}

// Assignment gives the secrets of settings NAME=VALUE as Helm's --set takes them:
// of a secret-like name the whole, and each part between commas, which may be what
// was meant to be one value.
func Assignment(text string) []string {
	name, value, found := strings.Cut(text, "=")
	if !found {
		return nil
	}
	secret := NameIsSecret(name) || pairIsSecret(text)
	var all []string
	for _, part := range append(strings.Split(value, ","), unescaped(value)...) {
		inner, after, ok := strings.Cut(part, "=")
		if ok {
			secret = secret || NameIsSecret(inner)
			all = append(all, after)
		}
		all = append(all, part)
	}
	if !secret {
		c := collector{seen: map[string]bool{}}
		c.urls(value)
		return c.found
	}
	return append(all, value)
}

// pairOfSet is the half of a pair that names it, as in a[0].name=SMTP_PASSWORD.
var pairOfSet = regexp.MustCompile(`(?:^|[.,\]}{])(?:name|key)=([^,=]+)`)

// pairIsSecret reports whether settings name a secret as the name of a pair.
func pairIsSecret(text string) bool {
	return slices.ContainsFunc(pairOfSet.FindAllStringSubmatch(text, -1), func(m []string) bool {
		return NameIsSecret(m[1]) && strings.Contains(text, "value=")
	})
}

// unescaped splits at the commas that stand for themselves.
func unescaped(value string) []string {
	const comma = "\x00"
	parts := strings.Split(strings.ReplaceAll(value, `\,`, comma), ",")
	for i := range parts {
		parts[i] = strings.ReplaceAll(parts[i], comma, ",")
	}
	return parts
}
