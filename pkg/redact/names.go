package redact

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// secretName is a part of a name whose value is secret. The words are those of
// settings, JSON keys, query parameters and headers.
var secretName = regexp.MustCompile(`(?i)pass(word|wd|phrase|code)?s?$|passw|passphrase|pwd|secret|token|api[_.-]?key|access[_.-]?key|private[_.-]?key|` +
	`signing[_.-]?key|encryption[_.-]?key|auth(orization)?$|credential|cookie|session[_.-]?(id|key)|signature|jwt|dsn|connection[_.-]?(string|ur[il])|` +
	`conn[_.-]?str|database[_.-]?ur[il]|webhook|salt|(^|[_.-])(key|keys|pat|pin|sas)$|[a-z]Key$`)

// notSecret ends the names of settings that only speak of a secret.
var notSecret = regexp.MustCompile(`(?i)(secret|key|token|credential|credentials)[_.-]?(name|ref|path|file|type|id|ttl|expiry|enabled|length|mount|url|uri|key)$|existing[_.-]?secret|pull[_.-]?secrets?$|` +
	`secretKeyRef|configMapKeyRef|useExisting|publicKey|public[_.-]key|enable`)

// NameIsSecret reports whether a setting of this name holds a credential.
func NameIsSecret(name string) bool {
	return secretName.MatchString(name) && !notSecret.MatchString(name)
}

// openNames are the last words of names whose values are no secret even within a
// Secret: a person must be able to read which user could not reach which host.
var openNames = []string{"user", "username", "login", "host", "hostname", "port", "database", "db", "dbname", "name", "namespace", "region", "zone",
	"scheme", "protocol", "sslmode", "env", "environment", "level", "type", "enabled", "timeout", "mode", "size", "count", "version", "adapter", "driver", "dialect", "schema"}

var (
	camel     = regexp.MustCompile(`([a-z0-9])([A-Z])`)
	separator = regexp.MustCompile(`[^A-Za-z0-9]+`)
)

// IsOpen reports whether a value of this name may be shown although it is a part of
// a Secret: its name says so, and it looks like what the name says.
func IsOpen(name, value string) bool { return NameIsOpen(name) && isPlain(value) }

// maxOpen is longer than a user, a host or a mode is.
const maxOpen = 64

// isPlain reports whether a value is one short line that holds no setting, no
// credentials and no key.
func isPlain(value string) bool {
	value = strings.TrimSpace(value)
	if len(value) > maxOpen || strings.ContainsAny(value, "=\r\n\t") || isToken(value) || len(shapes(value)) > 0 {
		return false
	}
	_, after, found := strings.Cut(value, ":")
	_, err := netip.ParseAddr(value)
	return !found || err == nil || len(after) <= len("65535") && strings.Trim(after, "0123456789") == ""
}

// isToken reports whether a value looks as if it was made by a machine: no user or host
// is named so.
func isToken(value string) bool {
	return isOpaque(value) || len(value) >= long && kinds(value) == 4 && strings.ContainsAny(value, "!#$%&*+?^~|/\\(){}[]<>,;") ||
		len(value) >= 16 && kinds(value) == 3 && !strings.ContainsAny(value, ".-_@ ")
}

// fileName is the name of a file with settings or data in it.
var fileName = regexp.MustCompile(`(?i)\.(env|db|login)$`)

// NameIsOpen reports whether a value of this name may be shown although it is a
// part of a Secret, see also [IsOpen].
func NameIsOpen(name string) bool {
	if fileName.MatchString(name) {
		return false
	}
	words := separator.Split(strings.ToLower(camel.ReplaceAllString(name, "${1}_${2}")), -1)
	last := words[len(words)-1]
	return !NameIsSecret(name) && slices.Contains(openNames, last)
}

// common are words that stand for nothing secret wherever they are.
var common = func() map[string]bool {
	words := map[string]bool{}
	for word := range strings.FieldsSeq(`true false yes none null undefined nil enabled disabled enable disable default auto always never
		admin administrator root user users guest test tests testing tester debug info warn warning error errors fatal trace verbose production prod staging stage
		develop development local localhost global postgres postgresql mysql mariadb redis mongo mongodb sqlite database databases backend frontend backstage
		portal app apps application server service services client http https require required prefer optional allow public private internal external
		secret secrets password passwords passwd token tokens credential credentials value values string number name names username
		host port path file files config data main master primary replica kubernetes cluster default-scheduler helm docker registry image images
		github gitlab google azure amazon basic bearer json yaml text utf8 utf-8 ascii base64 plain standard normal build deploy deployment release
		rollback gate smoke scan sign verify status preflight recover watch apply good refused rolled-back cancelled unknown pending failed running ready
		pods node nodes event events container containers revision manifest chart charts
		baseline survey evidence regate hurry soak settle attest promote validate preflight applying`) {
		words[word] = true
	}
	return words
}()

// isCommon reports whether a value can be no secret: a word or a small number.
func isCommon(value string) bool {
	return common[strings.ToLower(value)] || len(value) <= 5 && strings.Trim(value, "0123456789") == ""
}
