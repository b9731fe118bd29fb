package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/hostile"
)

func TestTheTableOfPodsStandsBelowTheLog(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(&out)
	s.width = 60
	s.show(record.Progress{Pods: []record.PodState{{Name: "web-1", New: true, Ready: "0/1", Status: "ErrImagePull", Seconds: 65, Message: strings.Repeat("long ", 20) + "\x1b[2J"}}})
	table := out.String()
	require.Contains(t, table, "web-1")
	require.Contains(t, table, "1m5s")
	for line := range strings.Lines(table) {
		require.LessOrEqual(t, len([]rune(line)), 60, "a line that wraps could not be erased")
	}
	out.Reset()
	_, err := s.Write([]byte("a line\n"))
	require.NoError(t, err)
	require.Equal(t, "\x1b[2A\x1b[Ja line\n"+table, out.String(), "erased, the line, drawn again")
	out.Reset()
	s.clear()
	s.clear()
	require.Equal(t, "\x1b[2A\x1b[J", out.String())

	out.Reset()
	s = newScreen(&out)
	s.show(record.Progress{Pods: []record.PodState{{Name: "web-1"}}})
	require.Empty(t, out.String(), "no terminal, no table")
}

// A pod's status is whatever its kubelet, or who may write it, says.
func TestTheTableOfPodsIsOneLineForEachPodWhateverItSays(t *testing.T) {
	for _, words := range hostile.Texts() {
		pod := record.PodState{Name: words, Ready: words, Status: words, Message: words}
		for _, width := range []int{80, jobLogWidth} {
			table := podTable(record.Progress{Pods: []record.PodState{pod, pod}}, width)
			require.Equal(t, 3, strings.Count(table, "\n"), words)
			require.Zero(t, hostile.Steers(table), words)
		}
	}
}

// A process that hangs after a signal still leaves its record.
func TestARunThatMustEndLeavesTheRecordOfWhatItDid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "record.json")
	var out bytes.Buffer
	s := testSession("deploy", config.Settings{Common: config.Common{Record: path, Output: config.OutputText}}, nil, &out, &out)
	s.Sketch(func(r *record.Record) {
		r.Release = &record.Release{Name: "web", Namespace: "prod", Revision: 3}
		r.Phases = []record.Phase{{Name: "apply", Result: "ok"}}
	})
	require.Equal(t, exitCancelled, s.abort())
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	var rec record.Record
	require.NoError(t, json.Unmarshal(content, &rec))
	require.Equal(t, record.VerdictCancelled, rec.Verdict)
	require.Equal(t, 3, rec.Release.Revision)
	require.Len(t, rec.Phases, 1)
	require.Contains(t, rec.Advice, "stagecrew recover")

	s = testSession("deploy", config.Settings{}, nil, &out, &out)
	require.Zero(t, s.finish(nil))
	require.Zero(t, s.abort(), "it has ended by itself")
}

// What is twice as wide wraps earlier (nao1215/prompt#21, commontoolsinc/labs#7051), and a
// terminal may become narrower.
func TestTheTableFitsTheTerminalAsItIs(t *testing.T) {
	for line, want := range map[string]string{
		"abcdefghijkl": "abcdefghi", "abc": "abc", "日本語日本語日本語": "日本語日", "🚀🚀🚀🚀🚀🚀": "🚀🚀🚀🚀", "äöü": "äöü", "": "",
	} {
		require.Equal(t, want, fit(line, 10), line)
	}
	var out bytes.Buffer
	s := newScreen(&out)
	s.width, s.size = 60, func() int { return 20 }
	s.line(strings.Repeat("x", 100))
	require.Equal(t, strings.Repeat("x", 19)+"\n", out.String())
}
