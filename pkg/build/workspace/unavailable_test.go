package workspace

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/build/tree/treetest"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/retry"
)

// A dropped connection is no fault of the workspace (apache/superset#40874, knex/knex#6468).
// The lines are what npm 11, Yarn 4 and Yarn 1 print.
func TestARegistryOfPackagesThatDoesNotAnswerIsKnownByTheInstallersWords(t *testing.T) {
	for line, want := range map[string]bool{
		"npm error code ECONNRESET":   true,
		"npm ERR! code EAI_AGAIN":     true,
		"npm error code E503":         true,
		"npm error code E429":         true,
		"npm error code E404":         false,
		"npm error code E401":         false,
		"npm error code EUSAGE":       false,
		"npm error code ERESOLVE":     false,
		"connect ECONNREFUSED ::1:80": false,
		"➤ YN0001: │ RequestError: connect ECONNREFUSED 127.0.0.1:9":                             true,
		"➤ YN0001: │ RequestError: getaddrinfo ENOTFOUND npm.example.com":                        true,
		"➤ YN0035: │   Response Code: 503 (Service Unavailable)":                                 true,
		"➤ YN0035: │   Response Code: 404 (Not Found)":                                           false,
		"➤ YN0001: │ Error: spawn git ENOENT":                                                    false,
		`error An unexpected error occurred: "https://npm.example.com/x: connect ECONNREFUSED".`: true,
		`error An unexpected error occurred: "https://npm.example.com/x: Not found".`:            false,
		`error Error: https://npm.example.com/x.tgz: ESOCKETTIMEDOUT`:                            true,
	} {
		require.Equal(t, want, fromNetwork.MatchString(line), line)
	}
}

func TestAnInstallIsTriedAgainWhenTheNetworkFails(t *testing.T) {
	was := installWaits
	installWaits = retry.Policy{Attempts: 3, First: time.Millisecond, Longest: time.Millisecond}
	t.Cleanup(func() { installWaits = was })
	for _, c := range []struct {
		name, breaksFor string
		attempts        int
		kind            record.Kind
	}{
		{"once", "1", 2, record.KindUnknown},
		{"for good", "9", 3, record.KindUnavailable},
	} {
		t.Run(c.name, func(t *testing.T) {
			programs := t.TempDir()
			script := "#!/bin/sh\necho x >>" + programs + "/said\n[ $(wc -l <" + programs + "/said) -gt " + c.breaksFor + " ] && exit 0\necho 'npm error code ECONNRESET' >&2\nexit 1\n"
			require.NoError(t, os.WriteFile(filepath.Join(programs, "npm"), []byte(script), 0o755))
			t.Setenv("PATH", programs+":/usr/bin:/bin")
			dir := treetest.Write(t, map[string]string{"package.json": "{}", "package-lock.json": "{}"})
			root, err := os.OpenRoot(dir)
			require.NoError(t, err)
			defer root.Close()
			m := managerOf(root)
			err = m.installIn(t.Context(), dir, root, m.all, Installing{Log: slog.New(slog.DiscardHandler)})
			require.Equal(t, c.kind, record.KindOf(err), "%v", err)
			text, err := os.ReadFile(filepath.Join(programs, "said"))
			require.NoError(t, err)
			require.Equal(t, c.attempts, strings.Count(string(text), "x"))
		})
	}
}

// What was fetched has no file of the source in it: yarnpkg/berry#2349, #1142.
func TestFilesOfTheSourceAreAskedForWhereTheyMayBeMissing(t *testing.T) {
	for words, told := range map[string]bool{
		"➤ YN0018: │ near@file:vendor/near#vendor/near::hash=1&locator=root%40workspace%3A.: The remote archive doesn't match the expected checksum": true,
		"➤ YN0018: │ d3-path@npm:1.0.9: The remote archive doesn't match the expected checksum":                                                      false,
		"npm error enoent ENOENT: no such file or directory, open 'scripts/postinstall.js'":                                                          true,
		"npm error 404 Not Found": false,
	} {
		err := advise(record.BadInput("build/command", "running: %w", errors.New(words)))
		require.Equal(t, told, strings.Contains(err.Error(), "--install-input"), words)
		require.Equal(t, "build/command", record.CodeOf(err))
	}
}
