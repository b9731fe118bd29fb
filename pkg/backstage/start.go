package backstage

import (
	"path"
	"regexp"
	"slices"
	"strings"
)

// Start fits the command to the entry point of a base image, so that Node is started once
// and with the backend. An entry point that is Node itself, with options or without
// (GoogleContainerTools/distroless#1558), needs no node; what a base starts of its own,
// and a shell that would not pass the command on, is left out.
func Start(entrypoint, command []string) (entry, cmd []string) {
	for i := 0; i < len(entrypoint); i++ {
		rest := entrypoint[i+1:]
		switch {
		case IsNode(entrypoint[i]) && Script(rest) == "":
			return entrypoint, command[1:]
		case IsNode(entrypoint[i]) || isShell(entrypoint[i:]) && !passesOn(rest[1:]):
			return slices.Clip(entrypoint[:i]), command
		case takesUser(path.Base(entrypoint[i])):
			i++ // a user, often of that name
		}
	}
	return entrypoint, command
}

// passesOn reports whether the text of a shell runs its arguments; the first of them is
// the shell's name.
func passesOn(text []string) bool {
	return len(text) > 1 && strings.Contains(text[0], "$@")
}

// isShell reports whether words are a shell and the option after which it is given what
// to do.
func isShell(words []string) bool {
	return len(words) > 1 && slices.Contains([]string{"sh", "bash", "ash", "dash"}, path.Base(words[0])) && shellText.MatchString(words[1])
}

// takesUser reports whether a program runs what follows as the user it is told first.
func takesUser(program string) bool { return program == "gosu" || program == "su-exec" }

// NamesBackend reports whether a word of a command names the backend.
func NamesBackend(word string) bool { return strings.Contains(word, Backend) }

// IsNode reports whether a program is Node, by its name.
func IsNode(program string) bool {
	return path.Base(program) == "node" || path.Base(program) == "nodejs"
}

// NodeArguments gives what Node is started with, not nil where it is, whatever program
// or script starts it.
func NodeArguments(argv []string) []string {
	for i := 0; i < len(argv); i++ {
		rest := argv[i+1:]
		switch base := path.Base(argv[i]); {
		case IsNode(base):
			return append([]string{}, rest...)
		case takesUser(base):
			i++ // a user, often of that name
		case isShell(argv[i:]) && len(rest) > 1:
			return shellArguments(rest[1], rest[2:])
		case base == officialScript && len(rest) > 0 && (strings.HasPrefix(rest[0], "-") || NamesBackend(rest[0])):
			return rest
		}
	}
	return nil
}

// officialScript is the entry point of Node's official images, which starts node with
// a command that is no program.
const officialScript = "docker-entrypoint.sh"

var (
	// shellText is the option after which a shell is given what to do.
	shellText = regexp.MustCompile(`^-[a-z]*c$`)
	// between two commands of a shell
	between = regexp.MustCompile(`&&|\|\||[;|&\n]`)
)

// shellArguments looks for Node among the commands of a shell; "$@" are its further
// arguments, behind its name.
func shellArguments(text string, further []string) []string {
	for command := range strings.SplitSeq(between.ReplaceAllString(text, "\n"), "\n") {
		var argv []string
		for _, word := range strings.Fields(command) {
			if word = strings.Trim(word, `"'`); word == "$@" && len(further) > 0 {
				argv = append(argv, further[1:]...)
			} else {
				argv = append(argv, word)
			}
		}
		if node := NodeArguments(argv); node != nil {
			return node
		}
	}
	return nil
}

// withValue are options of Node whose value is the next argument.
var withValue = []string{"-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions", "--title", "--inspect-port", "--disable-warning"}

// Script is what Node runs: its first argument that is no option.
func Script(arguments []string) string {
	for i := 0; i < len(arguments); i++ {
		switch one := arguments[i]; {
		case slices.Contains(withValue, one):
			i++
		case one == "--" && i+1 < len(arguments):
			return arguments[i+1]
		case !strings.HasPrefix(one, "-"):
			return one
		}
	}
	return ""
}
