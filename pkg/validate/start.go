package validate

import (
	"fmt"
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
	node := backstage.NodeArguments(start)
	switch {
	case node == nil:
		wrong = append(wrong, fmt.Sprintf("%q does not start node", start))
		if !slices.ContainsFunc(start, backstage.NamesBackend) {
			wrong = append(wrong, fmt.Sprintf("%q does not name %s", start, backstage.Backend))
		}
	case backstage.IsNode(backstage.Script(node)) && slices.ContainsFunc(node, backstage.NamesBackend):
		wrong = append(wrong, fmt.Sprintf("%q starts node twice: the first one looks for a file %s; leave it out of the command", start, backstage.Script(node)))
	case !backstage.NamesBackend(backstage.Script(node)):
		wrong = append(wrong, fmt.Sprintf("%q does not name %s as what node runs", start, backstage.Backend))
	}
	return verdict("entrypoint", wrong, strings.Join(start, " "))
}
