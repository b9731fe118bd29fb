package cli

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// program starts a command line in a process of its own, through a shell that does
// something before. It ignores no hang-up, also where the tests do (nohup make test): what
// a process has a handler for is as at first in what it starts.
func program(t *testing.T, before string, args ...string) *exec.Cmd {
	t.Helper()
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(hangups) })
	cmd := exec.Command("sh", append([]string{"-c", before + ` exec "$0" "$@"`, os.Args[0]}, args...)...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), asProgram+"=1", "GITHUB_ACTIONS=")
	return cmd
}

// Ctrl-C ends tee before the program that it reads from, and the next line of the log must
// not be its end (paradigmxyz/reth#23411, estk/log4rs#31).
func TestARunGoesOnWhenNobodyReadsItsLogAnyMore(t *testing.T) {
	for command, goesOn := range map[string]bool{"deploy": true, "build": true, "status": false} {
		from, to, err := os.Pipe()
		require.NoError(t, err)
		require.NoError(t, from.Close())
		kept := filepath.Join(t.TempDir(), "record.json")
		cmd := program(t, "", command, "--record", kept, "--release", "web")
		if command == "build" {
			cmd = program(t, "", command, "--record", kept, "--repository", "UPPER CASE")
		}
		cmd.Stderr = to
		err = cmd.Run()
		require.NoError(t, to.Close())
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, command)
		if !goesOn {
			require.Equal(t, syscall.SIGPIPE, exit.Sys().(syscall.WaitStatus).Signal(), "%s ends with its reader", command)
			continue
		}
		require.Equal(t, exitUsage, exit.ExitCode(), command)
		require.FileExists(t, kept, command)
	}
}

// A terminal or a connection that is gone is no reason to leave without a word
// (borgbackup/borg#1593, ninja-build/ninja#964); nohup is one to go on.
func TestAHangUpEndsARunLikeOtherSignalsUnlessItIsIgnored(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer server.Close()
	for _, before := range []string{"", `trap "" HUP;`} {
		dir := t.TempDir()
		kept, kubeconfig := filepath.Join(dir, "record.json"), filepath.Join(dir, "kubeconfig")
		require.NoError(t, os.WriteFile(kubeconfig, fmt.Appendf(nil, `{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}], users: [{name: u}],
clusters: [{name: c, cluster: {server: "http://%s"}}]}`, server.Addr()), 0o600))
		cmd := program(t, before, "recover", "--release", "web", "--namespace", "prod", "--smoke", "none", "--kubeconfig", kubeconfig, "--record", kept)
		require.NoError(t, cmd.Start())
		asked, err := server.Accept() // and never answered
		require.NoError(t, err)
		require.NoError(t, cmd.Process.Signal(syscall.SIGHUP))
		if before != "" {
			time.Sleep(time.Second)
			require.NoFileExists(t, kept, "it is still at work")
			require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		}
		var exit *exec.ExitError
		require.ErrorAs(t, cmd.Wait(), &exit)
		require.Equal(t, exitCancelled, exit.ExitCode())
		require.NoError(t, asked.Close())
		var rec record.Record
		content, err := os.ReadFile(kept)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(content, &rec))
		require.Equal(t, record.VerdictCancelled, rec.Verdict)
	}
}
