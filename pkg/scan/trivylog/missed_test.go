package trivylog

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
)

// Trivy goes on without what it cannot read (aquasecurity/trivy#4054); only its log tells.
func TestWhatTrivyPassesOverIsNoted(t *testing.T) {
	for name, c := range map[string]struct {
		log                func(*slog.Logger)
		comparisons, files []string
	}{
		"a version that it does not understand": {
			func(l *slog.Logger) {
				l.Debug("Version matching error", "error", "version error (x.y): malformed version")
			},
			[]string{"Version matching error error=version error (x.y): malformed version"}, nil,
		},
		"a constraint of an advisory": {
			func(l *slog.Logger) { l.Warn("Failed to parse version constraint", "constraint", ">>1") },
			[]string{"Failed to parse version constraint constraint=>>1"}, nil,
		},
		"a file that it could not read": {
			func(l *slog.Logger) {
				l.Debug("Analysis error", "err", "failed to parse var/lib/dpkg/status: unexpected EOF")
			},
			nil, []string{"var/lib/dpkg/status"},
		},
		"test data of a package": {
			func(l *slog.Logger) {
				l.Debug("Analysis error", "err", "failed to parse app/node_modules/x/test/package.json: EOF")
			}, nil, nil,
		},
		"what says nothing of that": {func(l *slog.Logger) { l.Info("Detecting vulnerabilities...", "version", "12") }, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var missed Missed
			c.log(slog.New(bridge{slog.New(slog.DiscardHandler), &missed}))
			require.Equal(t, len(c.files) > 0, missed.Files.Any())
			require.Equal(t, c.comparisons, missed.Comparisons.Take())
			require.Equal(t, c.files, missed.Files.Take())
			require.Empty(t, missed.Files.Take(), "it begins anew")
		})
	}
}

func TestOfManyLinesAFewAreKeptEachOnce(t *testing.T) {
	var missed Missed
	log := slog.New(bridge{slog.New(slog.DiscardHandler), &missed})
	for i := range 2 * MaxMissed {
		log.Debug("Version matching error", "package", fmt.Sprint(i))
		log.Debug("Version matching error", "package", "0")
	}
	require.Len(t, missed.Comparisons.Take(), MaxMissed)
}

func TestTrivysLogIsOursAndLegibleMeanwhile(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	before := slog.Default()
	restore := Redirect(log, &Missed{})
	slog.Debug("not for people")
	slog.Warn("a\n::error::b", "path", "x\x1b[0m")
	restore()
	require.Same(t, before, slog.Default())
	require.NotContains(t, out.String(), "not for people")
	require.Contains(t, out.String(), "level=WARN")
	require.Contains(t, out.String(), "from=trivy")
	require.NotContains(t, out.String(), "\x1b")
	require.Equal(t, 1, bytes.Count(out.Bytes(), []byte("\n")))
}
