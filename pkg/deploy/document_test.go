package deploy

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

//go:generate go test -run TestTheDocumentShowsTheTables -update .

var update = flag.Bool("update", false, "write the generated document")

const document = "../../docs/state-machine.md"

func TestTheDocumentShowsTheTables(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# The state machine

<!-- generated from pkg/deploy/table.go by make generate -->

Each command that changes or judges a release runs through one table. A row says: in this phase, when this happens, go there. A signal
is "stopped" (or "abandoned" while Helm is still at work); a lock that another run has taken over is "lost". "Could not tell" is an error of
the watch or of the API server, which says nothing about the revision; "unproven" is a revision that nothing speaks against, and nothing
for. Nothing else can happen: a test walks every table. A panic takes the way of a revision that failed after the apply, and ends the run
with an error before it.
`)
	for _, c := range []operation{deploying, goingBack, recovering, gating} {
		fmt.Fprintf(&b, "\n## stagecrew %s\n\n| in | when | then |\n|---|---|---|\n", c.name)
		for _, r := range c.table {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", r.in, r.on, r.to)
		}
	}
	if *update {
		require.NoError(t, os.WriteFile(document, []byte(b.String()), 0o644))
	}
	written, err := os.ReadFile(document)
	require.NoError(t, err)
	require.Equal(t, b.String(), string(written), "run make generate")
}
