package cli

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// cobra calls an argument an unknown command, which says nothing to who gives an image as to
// cosign, or a revision as to helm (spf13/cobra#1276, spf13/cobra#1480, helm/helm#8993).
func TestAnArgumentIsToldWhatIsWantedInItsPlace(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"verify", "ghcr.io/team/portal:1"}, "verify takes no arguments, and got \"ghcr.io/team/portal:1\": --image is perhaps meant; `stagecrew verify --help` lists the settings"},
		{[]string{"rollback", "3"}, "--to is perhaps meant"},
		{[]string{"status", "portal"}, "--release is perhaps meant"},
		{[]string{"deploy", "--dry-run", "false"}, "a switch takes its value behind an equals sign, as --switch=false"},
		{[]string{"init", "portal"}, "its settings are flags"},
		{[]string{"deploy", "--", "--image"}, "got \"--image\": its settings are flags"},
		{[]string{"report"}, "report wants the file of one record, and got 0: `stagecrew report RECORD [flags]`"},
		{[]string{"report", "a", "b"}, "and got 2"},
	} {
		var out, log bytes.Buffer
		require.Equal(t, exitUsage, Main(c.args, nil, &out, &log), c.args)
		require.Contains(t, log.String(), c.want, c.args)
		require.Empty(t, out.String(), c.args)
	}
}

// jumpstarter-dev/jumpstarter#317, buildkite/cli#368.
func TestTheVersionIsAFlagToo(t *testing.T) {
	var byCommand, byFlag, log bytes.Buffer
	require.Zero(t, Main([]string{"version"}, nil, &byCommand, &log))
	require.Zero(t, Main([]string{"--version"}, nil, &byFlag, &log))
	require.Equal(t, byCommand.String(), byFlag.String())
	require.Contains(t, byFlag.String(), "stagecrew ")
}
