package rollout

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestTheTellingLineOfALog(t *testing.T) {
	const gone = `failed to try resolving symlinks in path "/var/log/pods/x/web/1.log": no such file or directory`
	for name, c := range map[string]struct {
		logs []string
		want string
	}{
		"an error before its stack":              {[]string{"starting\nError: Cannot find module 'x'\n    at main.js:1\n"}, "Error: Cannot find module 'x'"},
		"the message of a JSON line":             {[]string{`{"level":"error","message":"Plugin 'app' failed: TypeError"}`}, "Plugin 'app' failed: TypeError"},
		"else the last line":                     {[]string{"one\ntwo\n\n"}, "two"},
		"nothing":                                {[]string{""}, ""},
		"the previous log is gone":               {[]string{"starting\n", gone}, "starting"},
		"the container runs again and is silent": {[]string{"", "TypeError: x is undefined\n"}, "TypeError: x is undefined"},
		"an error before a mere last line":       {[]string{"starting again\n", "one\nError: no\n"}, "Error: no"},
		"both are gone":                          {[]string{gone, gone}, ""},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, significantLine(c.logs...)) })
	}
}

func TestHowAContainerEnded(t *testing.T) {
	at := metav1.NewTime(noon)
	for want, end := range map[string]corev1.ContainerStateTerminated{
		"code 1":                        {ExitCode: 1, Reason: "Error"},
		"code 0 (Completed)":            {Reason: "Completed"},
		"code 143 (SIGTERM)":            {ExitCode: 143, Reason: "Error"},
		"code 137 (SIGKILL, OOMKilled)": {ExitCode: 137, Reason: "OOMKilled"},
		"code 255":                      {ExitCode: 255, Reason: "Error"},
		"code 1 (signal 40)":            {ExitCode: 1, Signal: 40},
		"code 1 after 3s; it said: Error: no space": {ExitCode: 1, StartedAt: at, FinishedAt: metav1.NewTime(noon.Add(3 * time.Second)), Message: "hm\nError: no space\n"},
	} {
		require.Equal(t, want, describeExit(end))
	}
}

func TestAMessageIsOneLineWithoutControlCharacters(t *testing.T) {
	require.Equal(t, "probe failed: a b  [31mred", shorten("probe failed: a\nb\t\x1b[31mred\n"))
}
