package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestEvidenceIsKeptAsFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "evidence", "backstage-2")
	files, err := WriteEvidence(dir, record.Evidence{
		Cause:  record.Cause{Code: "rollout/crash-loop", Object: "Pod/a", Message: "exit code 1"},
		Pods:   []record.PodState{{Name: "a", Ready: "0/1", Status: "CrashLoopBackOff", Restarts: 3, Message: "two\nlines"}},
		Events: []record.Event{{Object: "Pod/a", Reason: "BackOff", Count: 4}},
		Logs: []record.Log{
			{Pod: "a", Container: "web", Text: "starting\x1b[2J\n"},
			{Pod: "a", Container: "../web", Previous: true, Text: "panic", Ended: "exit code 1 after 3s"},
		},
	})
	require.NoError(t, err)
	var names []string
	for _, file := range files {
		name, err := filepath.Rel(dir, file)
		require.NoError(t, err)
		names = append(names, name)
	}
	require.Equal(t, []string{"cause.txt", "pods.txt", "events.txt", "evidence.json", "logs/a-web.log", "logs/a-.._web-previous.log"}, names)
	read := func(name string) string {
		content, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		return string(content)
	}
	require.Equal(t, "Pod/a: exit code 1 [rollout/crash-loop]\n", read("cause.txt"))
	require.Len(t, strings.Split(strings.TrimSpace(read("pods.txt")), "\n"), 2)
	require.Equal(t, "starting\\x1b[2J\n", read("logs/a-web.log"))
	require.Equal(t, "panic\n== it ended: exit code 1 after 3s\n", read("logs/a-.._web-previous.log"))
}

func TestChangesAreShownWithTheirDifferences(t *testing.T) {
	var b strings.Builder
	Changes(&b, []record.Change{{Object: "Deployment/web", Action: "update", Diff: "-a\n+b\n"}, {Object: "Service/web", Action: "delete"}})
	require.Equal(t, "update Deployment/web\n    -a\n    +b\ndelete Service/web\n", b.String())
	b.Reset()
	Changes(&b, nil)
	require.Equal(t, "nothing would change\n", b.String())
}
