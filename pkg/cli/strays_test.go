package cli

import (
	"bytes"
	"os"
	"testing"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestALibraryThatEndsTheProcessIsAnErrorWithARecord(t *testing.T) {
	breaks(t)
	var stdout, stderr bytes.Buffer
	testSession("status", config.Settings{}, nil, &stdout, &stderr)
	var panicked *record.Panicked
	require.ErrorAs(t, record.Guard(func() error { logrus.Fatal("no way on"); return nil }), &panicked)
	require.Contains(t, panicked.Value, "a library wants to end the process with code 1")
	require.Contains(t, stderr.String(), "no way on")
}

func TestWhatOtherProgramsWriteComesInWholeLines(t *testing.T) {
	from, to, err := os.Pipe()
	require.NoError(t, err)
	var got writes
	ended := make(chan error)
	go func() { ended <- relay(&got, from) }()
	for _, part := range []string{"one sec", "ret\ntwo\nthe la", "st"} {
		_, err := to.WriteString(part)
		require.NoError(t, err)
	}
	require.NoError(t, to.Close())
	require.NoError(t, <-ended)
	require.Equal(t, "one secret\ntwo\nthe last\n", got.text)
	for _, one := range got.all {
		require.Regexp(t, `\n$`, one, "a secret that is cut in two is not found")
	}
}

// writes keeps what was written, call by call.
type writes struct {
	text string
	all  []string
}

func (w *writes) Write(p []byte) (int, error) {
	w.text, w.all = w.text+string(p), append(w.all, string(p))
	return len(p), nil
}
