package validate

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// checkStart looks at what the container would be started with: the entry point and
// the command behind it. Node has to be started once, with the backend: where the
// entry point is Node already, as in images of distroless, a command that begins with
// node makes it look for a file of that name (GoogleContainerTools/distroless#1558).
func checkStart(c v1.Config) record.Check {
	start := slices.Concat(c.Entrypoint, c.Cmd)
	var wrong []string
	node := nodeArguments(start)
	switch {
	case node == nil:
		wrong = append(wrong, fmt.Sprintf("%q does not start node", start))
		if !slices.ContainsFunc(start, namesBackend) {
			wrong = append(wrong, fmt.Sprintf("%q does not name %s", start, backstage.Backend))
		}
	case isNode(script(node)) && slices.ContainsFunc(node, namesBackend):
		wrong = append(wrong, fmt.Sprintf("%q starts node twice: the first one looks for a file %s; leave it out of the command", start, script(node)))
	case !namesBackend(script(node)):
		wrong = append(wrong, fmt.Sprintf("%q does not name %s as what node runs", start, backstage.Backend))
	}
	return verdict("entrypoint", wrong, strings.Join(start, " "))
}

func namesBackend(s string) bool { return strings.Contains(s, backstage.Backend) }

func isNode(program string) bool {
	return path.Base(program) == "node" || path.Base(program) == "nodejs"
}

// nodeArguments gives what Node is started with, not nil where it is, whatever program
// or script starts it.
func nodeArguments(argv []string) []string {
	for i := 0; i < len(argv); i++ {
		rest := argv[i+1:]
		switch base := path.Base(argv[i]); {
		case isNode(base):
			return append([]string{}, rest...)
		case slices.Contains([]string{"gosu", "su-exec"}, base):
			i++ // a user, often of that name
		case slices.Contains([]string{"sh", "bash", "ash", "dash"}, base) && len(rest) > 1 && shellText.MatchString(rest[0]):
			return shellArguments(rest[1], rest[2:])
		case base == officialScript && len(rest) > 0 && (strings.HasPrefix(rest[0], "-") || namesBackend(rest[0])):
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
		if node := nodeArguments(argv); node != nil {
			return node
		}
	}
	return nil
}

// withValue are options of Node whose value is the next argument.
var withValue = []string{"-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions", "--title", "--inspect-port", "--disable-warning"}

// script is what Node runs: its first argument that is no option.
func script(arguments []string) string {
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
