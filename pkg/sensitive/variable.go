package sensitive

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A variable logs in somewhere when its name ends in one of these words, or in key
// after one of the others: MAX_TOKENS, TOKEN_URL, PASSWORD_FILE and CC are none
// (goodwithtech/dockle#130, #159, #250, madhuakula/docker-security-checker#2).
var (
	secretWords = []string{"token", "secret", "secrets", "passwd", "password", "passphrase", "pass", "pwd", "apikey", "npmrc", "credential", "credentials", "pat"}
	keyWords    = []string{"api", "access", "secret", "private", "encryption", "account", "storage", "signing", "master", "auth"}
	authWords   = []string{"npm", "docker", "registry", "basic"}
)

// publicName is the name of one that is known to everybody: the official images of
// Python and WordPress have the fingerprint of a GPG key (goodwithtech/dockle#130).
var publicName = regexp.MustCompile(`(?i)gpg|pgp|public|fingerprint`)

func isSecretName(name string) bool {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return r == '_' || r == '-' || r == '.' })
	if len(words) == 0 || publicName.MatchString(name) {
		return false
	}
	last, before := words[len(words)-1], ""
	if len(words) > 1 {
		before = words[len(words)-2]
	}
	return slices.Contains(secretWords, last) ||
		last == "key" && slices.Contains(keyWords, before) || last == "base" && before == "key" ||
		last == "auth" && slices.Contains(authWords, before)
}

// Variable reports whether a variable of an image holds a secret, by its name or by
// its value. A value that stands for another one, switches something, or that people
// write where none is needed, is none.
func Variable(name, value string) bool {
	value = strings.Trim(value, `"'`)
	if Text(value) {
		return true
	}
	return isSecretName(name) && isSecretValue(value)
}

// Text reports whether a text logs in somewhere, whatever it is called.
func Text(text string) bool {
	return holdsToken([]byte(text)) || strings.Contains(text, string(keyHead)) || gitLogin.MatchString(text)
}

var (
	// fillers are values that people write where a program wants one that is not needed.
	fillers = []string{"", "true", "false", "yes", "no", "none", "null", "undefined", "unset", "dummy", "placeholder", "redacted"}
	// somewhere is the path of a file.
	somewhere = regexp.MustCompile(`^/(app|etc|home|mnt|opt|root|run|secrets?|srv|tmp|usr|var|vault)/`)
)

func isSecretValue(value string) bool {
	_, notNumber := strconv.ParseInt(value, 10, 32)
	blackened := len(value) >= 3 && strings.Trim(value, "*xX.") == ""
	return notNumber != nil && !blackened && !isReference(value) && !somewhere.MatchString(value) && !slices.Contains(fillers, strings.ToLower(value))
}

// commandLogin is a command that writes a login of npm or Yarn.
var commandLogin = regexp.MustCompile(`(?i)(?::_authToken|:_password|:_auth|npmAuthToken|npmAuthIdent)["']?\s*[=: ]\s*["']?([^\s"'\\]+)`)

// Step says what the history of an image tells of one of its steps that is a secret:
// the build's arguments (RUN |1 NPM_TOKEN=… /bin/sh -c …, ARG), variables (ENV), or
// what stands in a command. It names them, without their values.
func Step(createdBy string) (found []string) {
	text := strings.TrimSpace(strings.TrimPrefix(createdBy, "/bin/sh -c #(nop)"))
	for _, kind := range []string{"ARG", "ENV"} {
		if rest, ok := strings.CutPrefix(text, kind+" "); ok {
			return secretsIn(kind, strings.TrimSpace(rest))
		}
	}
	command := strings.TrimPrefix(text, "RUN ")
	if rest, ok := strings.CutPrefix(command, "|"); ok {
		_, rest, _ = strings.Cut(rest, " ") // their number
		var arguments string
		arguments, command = cutCommand(rest)
		found = secretsIn("ARG", arguments)
	}
	if login := commandLogin.FindStringSubmatch(command); login != nil && !isReference(login[1]) || Text(command) {
		found = append(found, "a command")
	}
	return found
}

// cutCommand separates the arguments of a build from the command that had them.
func cutCommand(text string) (arguments, command string) {
	for _, shell := range []string{" /bin/", " /usr/bin/", " cmd "} {
		if at := strings.Index(text, shell); at >= 0 {
			return text[:at], text[at:]
		}
	}
	return text, ""
}

var assignment = regexp.MustCompile(`(^| )[A-Za-z_][A-Za-z0-9_.]*=`)

// secretsIn reads NAME=value NAME=value, where a value goes on to the next name, or
// the older form NAME value.
func secretsIn(kind, text string) (found []string) {
	starts := assignment.FindAllStringIndex(text, -1)
	if len(starts) == 0 || starts[0][0] > 0 {
		name, value, _ := strings.Cut(text, " ")
		text, starts = name+"="+value, [][]int{{0}}
	}
	for i, at := range starts {
		end := len(text)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		name, value, _ := strings.Cut(strings.TrimSpace(text[at[0]:end]), "=")
		if Variable(name, value) {
			found = append(found, kind+" "+name)
		}
	}
	return found
}
