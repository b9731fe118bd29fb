package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// resolve runs Resolve over all settings with a configuration file of the given text.
func resolve(t *testing.T, file string, environ []string, args ...string) (Settings, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stagecrew.yaml")
	require.NoError(t, os.WriteFile(path, []byte(file), 0o600))
	var s Settings
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	Define(fs, &s)
	require.NoError(t, fs.Parse(append([]string{"--config", path}, args...)))
	return s, Resolve(fs, environ)
}

func TestOrderIsFlagEnvironmentFileDefault(t *testing.T) {
	file := "release: from-file\nnamespace: from-file\nchart: from-file\n"
	env := []string{"STAGECREW_RELEASE=from-env", "STAGECREW_NAMESPACE=from-env", "STAGECREW_CHART=", "HOME=/x"}
	s, err := resolve(t, file, env, "--release", "from-flag")
	require.NoError(t, err)
	require.Equal(t, "from-flag", s.Release)
	require.Equal(t, "from-env", s.Namespace)
	require.Equal(t, "from-file", s.Chart, "an empty variable counts as unset")
	require.Equal(t, "image", s.ImageValuesPath)
	require.Equal(t, 10*time.Minute, s.Timeout)
}

// What an action brings along must not hide the user's file, as STAGECREW_RECORD of
// actions/setup/exec.sh did.
func TestFilesOfAnActionGoWhereASettingSaysOrToItsDirectory(t *testing.T) {
	for name, c := range map[string]struct {
		file         string
		env          []string
		args         []string
		dir          string
		record, kept string
	}{
		"nobody says":            {dir: "/tmp/job", record: "/tmp/job/deploy.json", kept: "/tmp/job/evidence"},
		"the file says":          {dir: "/tmp/job", file: "record: a.json\nevidence-dir: b", record: "a.json", kept: "b"},
		"an empty key":           {dir: "/tmp/job", file: "record:\nevidence-dir: ''", record: "/tmp/job/deploy.json", kept: "/tmp/job/evidence"},
		"the environment says":   {dir: "/tmp/job", file: "record: x", env: []string{"STAGECREW_RECORD=a.json", "STAGECREW_EVIDENCE_DIR=b"}, record: "a.json", kept: "b"},
		"flags say":              {dir: "/tmp/job", file: "record: x", args: []string{"--record", "a.json", "--evidence-dir", "b"}, record: "a.json", kept: "b"},
		"there is no action":     {kept: "stagecrew-evidence"},
		"nor one, and a setting": {file: "record: a.json", record: "a.json", kept: "stagecrew-evidence"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "stagecrew.yaml")
			require.NoError(t, os.WriteFile(path, []byte(c.file), 0o600))
			var s Settings
			flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
			Define(flags, &s)
			require.NoError(t, flags.Parse(append([]string{"--config", path}, c.args...)))
			require.NoError(t, Resolve(flags, append(c.env, DirVariable+"="+c.dir)))
			s.Place(flags, c.dir, "deploy")
			require.Equal(t, c.record, s.Record)
			require.Equal(t, c.kept, s.EvidenceDir)
		})
	}
}

func TestValuesKeepTheirSpelling(t *testing.T) {
	s, err := resolve(t, "tag: 1.10\nvalues: [a.yaml, b.yaml]\nto: 3\nscan-fixed-only: true\nreason:\n", nil)
	require.NoError(t, err)
	require.Equal(t, []string{"1.10"}, s.Tags)
	require.Equal(t, []string{"a.yaml", "b.yaml"}, s.Values)
	require.Equal(t, "3", s.To)
	require.True(t, s.ScanFixedOnly)
	require.Empty(t, s.Reason)
}

func TestAListInTheEnvironmentHasOneValuePerLine(t *testing.T) {
	s, err := resolve(t, "set: [from=file]\n", []string{"STAGECREW_SET=a=1,2\n\nb=3\n"})
	require.NoError(t, err)
	require.Equal(t, []string{"a=1,2", "b=3"}, s.Set)
}

func TestBadInputNamesKeyValueAndWhatIsAllowed(t *testing.T) {
	cases := map[string]struct {
		file string
		env  string
		want string
	}{
		"unknown variable, near":   {env: "STAGECREW_TIMEOUTT=5m", want: "environment variable STAGECREW_TIMEOUTT: no such setting; did you mean STAGECREW_TIMEOUT?"},
		"unknown variable, far":    {env: "STAGECREW_COLOUR_SCHEME=x", want: "allowed are STAGECREW_CONFIG, STAGECREW_OUTPUT"},
		"unknown key":              {file: "relase: x", want: "key relase: no such setting; did you mean release?"},
		"a name in camel case":     {file: "imageValuesPath: x", want: "key imageValuesPath: no such setting; did you mean image-values-path?"},
		"kubectl's name":           {file: "context: x", want: "key context: no such setting; did you mean kube-context?"},
		"helm's atomic":            {file: "atomic: true", want: "line 1: key atomic: no such setting; a release that fails its checks is rolled back without it"},
		"helm's wait":              {env: "STAGECREW_WAIT=true", want: "environment variable STAGECREW_WAIT: no such setting; it always waits"},
		"helm's, in camel case":    {file: "rollbackOnFailure: true", want: "key rollbackOnFailure: no such setting; a release that fails its checks is rolled back without it"},
		"half a name":              {file: "regexp: x", want: "key regexp: no such setting; did you mean verify-identity-regexp?"},
		"a part of several":        {file: "dump: x", want: "key dump: no such setting; did you mean dump-claim or dump-image or dump-keep or dump-recipient or dump-identity?"},
		"a short name is no typo":  {file: "on: x", want: "key on: no such setting; allowed are config, output"},
		"a list for a name":        {file: "release: a\n? [a, b]\n: x", want: "line 2: want the name of a setting before the colon"},
		"a tab":                    {file: "release: a\nset:\n\t- a=b", want: "line 3 begins with a tab, and YAML is indented by spaces"},
		"a control character":      {file: "release: a\nchart: \x01b", want: "stagecrew.yaml: line 2: yaml: control characters are not allowed"},
		"the first line":           {file: "release: @a", want: "stagecrew.yaml: line 1: yaml: found character that cannot start any token"},
		"unknown enum value":       {env: "STAGECREW_OUTPUT=xml", want: `environment variable STAGECREW_OUTPUT: invalid value "xml": allowed are text, json`},
		"unknown severity in file": {file: "scan-threshold: SEVERE", want: `key scan-threshold: invalid value "SEVERE": allowed are UNKNOWN, LOW, MEDIUM, HIGH, CRITICAL`},
		"unparsable duration":      {env: "STAGECREW_TIMEOUT=5", want: `environment variable STAGECREW_TIMEOUT: invalid value "5": allowed are 0 and durations with a unit, such as 90s or 5m`},
		"a negative duration":      {env: "STAGECREW_TIMEOUT=-5m", want: `environment variable STAGECREW_TIMEOUT: invalid value "-5m": allowed are 0 and durations`},
		"a negative patience":      {file: "api-patience: -1s", want: `key api-patience: invalid value "-1s": allowed are 0 and durations`},
		"a negative rollback time": {file: "rollback-timeout: -1s", want: `key rollback-timeout: invalid value "-1s": allowed are 0 and durations`},
		"a negative number":        {file: "history-max: -1", want: `key history-max: invalid value "-1": allowed are whole numbers from 0`},
		"a kind without a name":    {file: "allow-delete: [Deployment/web, ALL, Secret]", want: `key allow-delete: invalid value "Secret": allowed are KIND/NAME, such as PersistentVolumeClaim/data, and all`},
		"no digest":                {file: "to-digest: v1.2", want: `key to-digest: invalid value "v1.2": allowed are sha256: and 64 lower-case hexadecimal digits`},
		"a URL for a registry":     {file: "insecure-registry: http://localhost:5000", want: `key insecure-registry: invalid value "http://localhost:5000": allowed are HOST and HOST:PORT`},
		"two targets":              {file: "to: 3\nto-digest: sha256:aa", want: "--to and --to-digest both name what to go back to"},
		"unparsable boolean":       {env: "STAGECREW_SCAN_FIXED_ONLY=jein", want: `invalid value "jein"`},
		"a list for one value":     {file: "release: [a, b]", want: "key release: invalid value \"a b\": one value is allowed"},
		"a check switched off":     {file: "allow-unsigned-unsafe: true", want: "stagecrew.yaml: line 1: key allow-unsigned-unsafe: a setting that switches a check off is not taken from a file; give the flag --allow-unsigned-unsafe or the variable STAGECREW_ALLOW_UNSIGNED_UNSAFE"},
		"and set to no":            {file: "force-bad-unsafe: false", want: "key force-bad-unsafe: a setting that switches a check off"},
		"a mapping for a value":    {file: "release: {name: a}", want: "key release: want a plain value or a list of them, not a mapping"},
		"a key twice":              {file: "release: a\nrelease: b", want: "line 2: key release is given twice"},
		"not a mapping":            {file: "- a", want: "want a mapping of settings"},
		"not YAML":                 {file: "release: [", want: "stagecrew.yaml: yaml:"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := resolve(t, c.file, []string{c.env})
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestAllProblemsAreReportedAtOnce(t *testing.T) {
	_, err := resolve(t, "relase: x", []string{"STAGECREW_OUTPUT=xml", "STAGECREW_TIMEOUT=soon"}, "--soak", "long", "--history-max=many")
	require.ErrorContains(t, err, "relase")
	require.ErrorContains(t, err, `--soak: invalid value "long": allowed are auto and a duration such as 90s`)
	require.ErrorContains(t, err, `--history-max: invalid value "many": allowed are whole numbers from 0`)
	require.ErrorContains(t, err, "xml")
	require.ErrorContains(t, err, "soon")
}

// A file of a pull request was told in 97 MB of log, after minutes.
func TestOfAnyNumberOfProblemsTheFirstAreTold(t *testing.T) {
	many := func(line string) string {
		var b strings.Builder
		for i := range 5_000 {
			fmt.Fprintf(&b, line+"\n", i)
		}
		return b.String()
	}
	for name, c := range map[string]struct{ file, want string }{
		"settings that nobody knows": {many("zq%dw: 1"), "and 4980 more of this kind"},
		"one setting":                {many("release: %d"), "and 4979 more of this kind"},
		"values for one":             {"release:\n" + many("- %d"), "one value is allowed"},
		"a long value":               {"timeout: " + strings.Repeat("9", 900_000), "999…"},
		"a long name":                {"? " + strings.Repeat("x", 900_000) + "\n: 1", "xxx…: no such setting"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := resolve(t, c.file, nil)
			require.ErrorContains(t, err, c.want)
			require.Less(t, len(err.Error()), 80_000)
		})
	}
}

func TestAnExplicitFileMustExist(t *testing.T) {
	var s Settings
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	Define(fs, &s.Common)
	require.NoError(t, fs.Parse([]string{"--config", filepath.Join(t.TempDir(), "nowhere.yaml")}))
	require.ErrorContains(t, Resolve(fs, nil), "nowhere.yaml")
}

func TestSettingsOfOtherCommandsAreLeftAlone(t *testing.T) {
	var s Settings
	fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
	Define(fs, &s.Cluster)
	require.NoError(t, fs.Parse(nil))
	require.NoError(t, Resolve(fs, []string{"STAGECREW_TAG=v1", "STAGECREW_RELEASE=r"}))
	require.Equal(t, "r", s.Release)
}

func TestWhatSwitchesACheckOffComesFromWhoRunsIt(t *testing.T) {
	for _, name := range Names() {
		if !strings.HasSuffix(name, "-unsafe") {
			continue
		}
		s, err := resolve(t, name+": true", nil)
		require.ErrorContains(t, err, name)
		require.False(t, s.AllowUnsignedUnsafe || s.ForceBadUnsafe, "although it is an error")
		_, err = resolve(t, "", []string{Variable(name) + "=true"})
		require.NoError(t, err)
		_, err = resolve(t, "", nil, "--"+name)
		require.NoError(t, err)
	}
}

// TestTheConfigurationIsARegularFile: a pipe that nobody writes to took every signal
// but the last one away.
func TestTheConfigurationIsARegularFile(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "stagecrew.yaml")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	link := filepath.Join(t.TempDir(), "link.yaml")
	require.NoError(t, os.Symlink(pipe, link))
	for _, path := range []string{pipe, link, "/dev/zero", "/dev/null", t.TempDir()} {
		var s Settings
		fs := pflag.NewFlagSet("test", pflag.ContinueOnError)
		Define(fs, &s.Common)
		require.NoError(t, fs.Parse([]string{"--config", path}))
		require.ErrorContains(t, Resolve(fs, nil), "is no regular file", path)
	}
}
