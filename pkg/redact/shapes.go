package redact

import (
	"regexp"
	"strings"
)

// shape is a credential that tells by its look.
type shape struct {
	sign    string // every one has it
	pattern *regexp.Regexp
	group   int // what of it is secret
}

var known = []shape{
	{"eyJ", regexp.MustCompile(`\beyJ[\w-]{5,}\.[\w-]+(?:\.[\w-]*)?`), 0}, // JWT
	{"gh", regexp.MustCompile(`\bgh[pousr]_\w{20,}`), 0},
	{"github_pat_", regexp.MustCompile(`\bgithub_pat_\w{20,}`), 0},
	{"glpat-", regexp.MustCompile(`\bglpat-[\w-]{16,}`), 0},
	{"IA", regexp.MustCompile(`\bA(?:KIA|SIA)[0-9A-Z]{16}\b`), 0},
	{"xox", regexp.MustCompile(`\bxox[a-z]-[\w-]{10,}`), 0},
	{"PRIVATE KEY-----", regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)`), 0},
	{"://", regexp.MustCompile(`://[^/\s:@"'<>]*:([^/\s"'<>]+)@`), 1}, // a URL with a password
}

// shapes finds credentials that were not named.
func shapes(text string) (found []span) {
	for _, s := range known {
		if !strings.Contains(text, s.sign) {
			continue
		}
		for _, at := range s.pattern.FindAllStringSubmatchIndex(text, -1) {
			if from, to := at[2*s.group], at[2*s.group+1]; from < to {
				found = append(found, span{from, to})
			}
		}
	}
	return found
}
