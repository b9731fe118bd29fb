package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// What users of other programs reported about settings.
func TestWhatOthersReportedIsReadAsItIsWritten(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		env  []string
		args []string
		want func(s *Settings)
	}{
		// docker/build-push-action#879: what follows a # was taken for a comment.
		"a # in a line": {env: []string{"STAGECREW_BUILD_ARG=A=pre#post\n#B=c # d\n"}, want: func(s *Settings) { s.BuildArgs = []string{"A=pre#post", "#B=c # d"} }},
		// spf13/viper#380 and grafana/k6#1006: flag and variable split at different commas.
		"commas in a variable": {env: []string{"STAGECREW_SET=a={1,2}\n"}, want: func(s *Settings) { s.Set = []string{"a={1,2}"} }},
		"commas in a flag":     {args: []string{"--set", "a={1,2}"}, want: func(s *Settings) { s.Set = []string{"a={1,2}"} }},
		// kelseyhightower/envconfig#76 and metrico/gigapipe#476: True was false, and "false" was true.
		"True":            {env: []string{"STAGECREW_DRY_RUN=True"}, want: func(s *Settings) { s.DryRun = true }},
		"a boolean false": {file: "dry-run: true", env: []string{"STAGECREW_DRY_RUN=false"}, want: func(*Settings) {}},
		// MultiQC/MultiQC#2136 and github/codeql-variant-analysis-action#845: 1.10 became 1.1, and a commit a float.
		"a version that looks like a number": {file: "version-label: 1.10", want: func(s *Settings) { s.VersionLabel = "1.10" }},
		"a commit that looks like a number":  {file: "revision: 4225332178759948e04347560002921719079454", want: func(s *Settings) { s.Revision = "4225332178759948e04347560002921719079454" }},
		// andrewlock/NetEscapades.Configuration#19 and ddev/ddev#1677: files of Windows.
		"a byte order mark": {file: "\ufeffrelease: web\n", want: func(s *Settings) { s.Release = "web" }},
		"carriage returns":  {file: "release: web\r\nset:\r\n  - a=b\r\n", env: []string{"STAGECREW_TAG=a\r\nb\r\n"}, want: func(s *Settings) { s.Release, s.Set, s.Tags = "web", []string{"a=b"}, []string{"a", "b"} }},
		// DataDog/datadog-agent#3330: an empty variable or key is none at all.
		"nothing given": {file: "timeout:\nvalues: [null]\nchart: ~", env: []string{"STAGECREW_TIMEOUT=", "STAGECREW_VALUES=\n\n"}, want: func(*Settings) {}},
		// FairwindsOps/rok8s-scripts#165, chainguard-images/images#2183: a variable of a script that is empty.
		"an empty flag":              {file: "values: ['', a.yaml]", args: []string{"--set", "", "--tag", ""}, want: func(s *Settings) { s.Values, s.Set, s.Tags = []string{"a.yaml"}, []string{}, []string{} }},
		"an anchor and alias":        {file: "release: &name web\nnamespace: *name\nset: [*name]", want: func(s *Settings) { s.Release, s.Namespace, s.Set = "web", "web", []string{"web"} }},
		"a tag that changes nothing": {file: "release: !!str 12\nhistory-max: !!int \"3\"\ntag: !!seq [!!str 1.10]\nchart: ! web\nnamespace: !!null", want: func(s *Settings) { s.Release, s.HistoryMax, s.Tags, s.Chart = "12", 3, []string{"1.10"}, "web" }},
		"a document's start":         {file: "---\nrelease: web\n", want: func(s *Settings) { s.Release = "web" }},
		// olitheolix/square#86, kubernetes-sigs/kwok#343: one that is empty.
		"and its end": {file: "release: web\n---\n# the end\n", want: func(s *Settings) { s.Release = "web" }},
	} {
		t.Run(name, func(t *testing.T) {
			want, err := resolve(t, "", nil)
			require.NoError(t, err)
			c.want(&want)
			got, err := resolve(t, c.file, c.env, c.args...)
			require.NoError(t, err)
			got.Config, want.Config = "", ""
			require.Equal(t, want, got)
		})
	}
}

func TestWhatOthersReportedIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ file, env, want string }{
		// roboll/helmfile#863 and apache/devlake#1683: 60 of what?
		"a duration without a unit in the file":     {file: "timeout: 60", want: `key timeout: invalid value "60": allowed are 0 and durations with a unit, such as 90s or 5m`},
		"a duration without a unit in the variable": {env: "STAGECREW_API_PATIENCE=10", want: `invalid value "10": allowed are 0 and durations with a unit`},
		// csstaub/hue-scene-keeper#12 and spf13/viper#1318: what follows --- did nothing.
		"two documents": {file: "release: a\n---\nrelease: b\n", want: "it has several documents, and one is read"},
		// pgsty/mc#31: what is no boolean must say what is.
		"a boolean of YAML 1.1": {file: "dry-run: yes", want: `key dry-run: invalid value "yes": allowed are true and false`},
		"a switch":              {env: "STAGECREW_PREPARE=on", want: `invalid value "on": allowed are true and false`},
		// mikefarah/yq#570: YAML 1.2 has no merge keys.
		"a merge key": {file: "<<: {release: a}", want: "key <<"},
		// ansible/vscode-ansible#704, home-assistant's !secret in redhat-developer/vscode-yaml#476:
		// a key that is "$ANSIBLE_VAULT;1.1…", or the name of a secret, was taken for the value.
		"a value of another program":      {file: "sign-key: !secret release_key", want: "line 1: key sign-key: the tag !secret is not known here"},
		"a list of another program":       {file: "release: a\ntag: !reference [a, b]", want: "line 2: key tag: the tag !reference is not known here"},
		"one of a list":                   {file: "tag:\n  - a\n  - !Ref b", want: "key tag: the tag !Ref is not known here"},
		"a value that is written encoded": {file: "release: !!binary d2Vi", want: "the tag !!binary is not known here"},
		"a tag that the value denies":     {file: "history-max: !!int three", want: `allowed are whole numbers from 0`},
		// spf13/viper#675: the last of two keys won.
		"a key that is quoted the second time": {file: "release: a\n\"release\": b", want: "line 2: key release is given twice"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := resolve(t, c.file, []string{c.env})
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestAZeroDurationNeedsNoUnit(t *testing.T) {
	s, err := resolve(t, "timeout: 0\nmax-scan-age: 0", nil, "--soak", "0")
	require.NoError(t, err)
	require.Equal(t, []time.Duration{0, 0, 0}, []time.Duration{s.Timeout, s.MaxScanAge, time.Duration(s.Soak)})
}

// StackStorm/st2#3249, node-config/node-config#45: nothing of it counted, and nobody said so.
func TestAFileOfTheOtherNameIsNotPassedOver(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("stagecrew.yml", []byte("release: web"), 0o600))
	read := func(args ...string) (Settings, error) {
		var s Settings
		flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
		Define(flags, &s)
		require.NoError(t, flags.Parse(args))
		return s, Resolve(flags, nil)
	}
	_, err := read()
	require.ErrorIs(t, err, ErrFile)
	require.ErrorContains(t, err, "stagecrew.yml is not read: call it stagecrew.yaml, or give --config stagecrew.yml")
	s, err := read("--config", "stagecrew.yml")
	require.NoError(t, err)
	require.Equal(t, "web", s.Release)
	require.NoError(t, os.WriteFile("stagecrew.yaml", []byte("release: app"), 0o600))
	s, err = read()
	require.NoError(t, err)
	require.Equal(t, "app", s.Release)
}

// node-config/node-config#304: whoever stands in a folder of the repository.
func TestAFileInAFolderAboveIsNamed(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "repo", ".git"), 0o700))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "repo", "deploy", "prod"), 0o700))
	for _, folder := range []string{"", "repo"} {
		require.NoError(t, os.WriteFile(filepath.Join(root, folder, "stagecrew.yaml"), nil, 0o600))
	}
	var s Settings
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	Define(flags, &s)
	above := func(folder string, environ ...string) string {
		t.Chdir(filepath.Join(root, folder))
		return strings.TrimPrefix(Above(flags, environ), root)
	}
	require.Equal(t, "/repo/stagecrew.yaml", above("repo/deploy/prod"))
	require.Empty(t, above("repo"))
	require.Empty(t, above("repo/deploy", "STAGECREW_CONFIG=x"))
	require.NoError(t, os.Remove(filepath.Join(root, "repo", "stagecrew.yaml")))
	require.Empty(t, above("repo/deploy"), "that of another repository is none of ours")
}
