package rollout

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/rollout/wording"
)

func FuzzLogPatterns(f *testing.F) {
	f.Add(`(?i)error: .*`, "Error: x\nexec /a: exec format error")
	f.Add(`(a+)+$`, strings.Repeat("a", 100)+"b")
	f.Fuzz(func(t *testing.T, pattern, log string) {
		l, err := newLogs(Options{LogPatterns: []string{pattern}})
		if err != nil {
			return
		}
		for line := range strings.Lines(log) {
			found, _ := l.match(line)
			require.LessOrEqual(t, len(found.Text), wording.MaxLine+len(" … "))
		}
		_ = lastBytes(log, 10)
	})
}
