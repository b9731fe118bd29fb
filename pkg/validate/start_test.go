package validate

import (
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestTheStartIsWhatTheContainerWouldRun(t *testing.T) {
	for _, c := range []struct {
		name       string
		entry, cmd []string
		want       string // "" for a start that works
	}{
		{"as the official image", []string{"docker-entrypoint.sh"}, []string{"node", "packages/backend", "--config", "app-config.yaml"}, ""},
		{"the official script starts node itself", []string{"docker-entrypoint.sh"}, []string{"packages/backend", "--config", "app-config.yaml"}, ""},
		{"options for the official script", []string{"/usr/local/bin/docker-entrypoint.sh"}, []string{"--no-node-snapshot", "packages/backend"}, ""},
		{"no entry point", nil, []string{"/usr/local/bin/node", "/app/packages/backend"}, ""},
		{"distroless", []string{"/nodejs/bin/node"}, []string{"packages/backend", "--config", "app-config.yaml"}, ""},
		{"options with values", []string{"node"}, []string{"--require", "./instrumentation.js", "--no-node-snapshot", "packages/backend"}, ""},
		{"an init", []string{"/usr/bin/tini", "--"}, []string{"node", "packages/backend"}, ""},
		{"another user by gosu", []string{"gosu", "node"}, []string{"node", "packages/backend"}, ""},
		{"a tool that starts it", []string{"dd-trace-run", "node"}, []string{"packages/backend"}, ""},
		{"a shell", nil, []string{"/bin/sh", "-c", "cd /app && exec node packages/backend --config app-config.yaml"}, ""},
		{"a shell that passes on", []string{"sh", "-ec", "echo hi; exec \"$@\"", "--"}, []string{"node", "packages/backend"}, ""},

		// GoogleContainerTools/distroless#1558, #152, #1637
		{"distroless with node again", []string{"/nodejs/bin/node"}, []string{"node", "packages/backend"}, "starts node twice: the first one looks for a file node"},
		{"node again behind an option", []string{"node", "--no-node-snapshot"}, []string{"/usr/local/bin/node", "packages/backend"}, "starts node twice"},
		{"a shell as node's script", []string{"node"}, []string{"/bin/sh", "-c", "node packages/backend"}, "does not name packages/backend as what node runs"},
		{"the command of a shell's entry point", []string{"/bin/sh", "-c", "node"}, []string{"packages/backend"}, "does not name packages/backend as what node runs"},
		{"another script", nil, []string{"node", "index.js", "packages/backend"}, "does not name packages/backend as what node runs"},
		{"node alone", []string{"docker-entrypoint.sh"}, []string{"node"}, "does not name packages/backend"},
		{"nothing", nil, nil, "does not start node"},
		{"a package manager", nil, []string{"yarn", "start"}, "does not start node"},
	} {
		t.Run(c.name, func(t *testing.T) {
			check := checkStart(v1.Config{Entrypoint: c.entry, Cmd: c.cmd})
			if c.want == "" {
				require.Equal(t, record.CheckPassed, check.Result, check.Detail)
				return
			}
			require.Equal(t, record.CheckFailed, check.Result)
			require.Contains(t, check.Detail, c.want)
		})
	}
}
