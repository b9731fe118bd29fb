package redact

import (
	"regexp"
	"slices"
	"strings"
)

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
