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
	if heading.MatchString(line) {
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

// leaves adds the texts of a JSON document: what has a secret's name, and what
// looks like a key.
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
		if NameIsSecret(name) || isOpaque(node) || strings.Contains(node, "PRIVATE KEY-----") {
			c.value(node)
		} else {
			c.urls(node)
		}
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

// Values gives the texts under secret-like names in a document of maps and lists,
// such as the values of a chart, and the passwords in its connection URLs.
func Values(document any) []string {
	var found []string
	var walk func(secret bool, node any)
	walk = func(secret bool, node any) {
		switch node := node.(type) {
		case map[string]any:
			for key, value := range node {
				walk(NameIsSecret(key) || secret && !NameIsOpen(key) && !notSecret.MatchString(key), value)
			}
		case []any:
			for _, value := range node {
				walk(secret, value)
			}
		case string:
			if secret {
				found = append(found, node)
				return
			}
			c := collector{seen: map[string]bool{}}
			c.urls(node)
			if isOpaque(node) || strings.Contains(node, "PRIVATE KEY-----") {
				c.value(node)
			}
			found = append(found, c.found...)
		}
	}
	walk(false, document)
	return found
}

// Assignment gives the secrets of a setting NAME=VALUE as Helm's --set takes it:
// of a secret-like name the whole, and each part between commas, which may be what
// was meant to be one value.
func Assignment(text string) []string {
	name, value, found := strings.Cut(text, "=")
	if !found {
		return nil
	}
	secret := NameIsSecret(name)
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

// unescaped splits at the commas that stand for themselves.
func unescaped(value string) []string {
	const comma = "\x00"
	parts := strings.Split(strings.ReplaceAll(value, `\,`, comma), ",")
	for i := range parts {
		parts[i] = strings.ReplaceAll(parts[i], comma, ",")
	}
	return parts
}
