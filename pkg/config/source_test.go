package config

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

const inlineText = SettingsVariable + "="

func TestSettingsOfAnActionCountBeforeTheFileAndAfterItsInputs(t *testing.T) {
	file := "release: file\nnamespace: file\nchart: file\ntag: [file]\n"
	s, err := resolve(t, file, []string{inlineText + "release: inline\nnamespace: inline\ntag: [v1, 1.10]\n", "STAGECREW_RELEASE=input"})
	require.NoError(t, err)
	require.Equal(t, []string{"input", "inline", "file"}, []string{s.Release, s.Namespace, s.Chart})
	require.Equal(t, []string{"v1", "1.10"}, s.Tags, "one of them counts, and not both")
}

func TestNoSettingsOfAnActionAreNone(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing but a comment\n", "release:\n"} {
		s, err := resolve(t, "release: file", []string{inlineText + text})
		require.NoError(t, err, text)
		require.Equal(t, "file", s.Release)
	}
}

func TestErrorsInSettingsOfAnActionNameTheirLine(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"an unknown key":           {"release: a\n\nrelase: x", "input settings: line 3: key relase: no such setting; did you mean release?"},
		"the name of an input":     {"labels: a=b", "input settings: line 1: key labels: no such setting; did you mean label?"},
		"a bad value":              {"release: a\ntimeout: soon", `input settings: line 2: key timeout: invalid value "soon"`},
		"a key twice":              {"release: a\nrelease: b", "input settings: line 2: key release is given twice"},
		"an indented key":          {"release: a\n  namespace: b", "input settings: yaml: line 2:"},
		"a tab":                    {"release: a\n\ttag: b", "input settings: line 2 begins with a tab, and YAML is indented by spaces: yaml: line 2:"},
		"command line flags":       {"--release a", "input settings: line 1: want a mapping of settings"},
		"one value per line":       {"release=a\nchart=b", "input settings: line 1: want a mapping of settings"},
		"a mapping":                {"release:\n  name: a", "input settings: line 2: key release: want a plain value"},
		"several documents":        {"release: a\n---\nchart: b", "input settings: it has several documents"},
		"a check switched off":     {"allow-unsigned-unsafe: true", "input settings: line 1: key allow-unsigned-unsafe: a setting that switches a check off"},
		"the name of another file": {"config: other.yaml", "input settings: line 1: key config: a file does not name itself"},
		"settings in settings":     {"settings: |\n  release: a", "input settings: line 1: key settings: no such setting"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := resolve(t, "", []string{inlineText + c.text})
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestUnreadableSettingsOfAnActionAreAsAnUnreadableFile(t *testing.T) {
	_, err := resolve(t, "relase: x", []string{inlineText + "release: ["})
	require.ErrorIs(t, err, ErrFile, "what the stages miss may stand there")
	require.ErrorContains(t, err, "relase", "what is wrong elsewhere is told, too")
}

// trivy's severity is a list of those that are shown (aquasecurity/trivy-action, input
// severity, default UNKNOWN,LOW,MEDIUM,HIGH,CRITICAL).
func TestAListOfSeveritiesUpToTheMostSevereIsItsLowest(t *testing.T) {
	for text, want := range map[string]record.Severity{
		"CRITICAL": record.SeverityCritical, "CRITICAL,HIGH": record.SeverityHigh, "high, critical": record.SeverityHigh,
		"UNKNOWN,LOW,MEDIUM,HIGH,CRITICAL": record.SeverityUnknown, "MEDIUM": record.SeverityMedium,
	} {
		s, err := resolve(t, "", []string{"STAGECREW_SCAN_THRESHOLD=" + text})
		require.NoError(t, err, text)
		require.Equal(t, want, s.ScanThreshold, text)
	}
	for _, text := range []string{"CRITICAL,MEDIUM", "HIGH,HIGH", "LOW,MEDIUM", "CRITICAL,SEVERE", ","} {
		_, err := resolve(t, "", []string{"STAGECREW_SCAN_THRESHOLD=" + text})
		require.ErrorContains(t, err, "allowed are UNKNOWN, LOW, MEDIUM, HIGH, CRITICAL", text)
	}
}

// What cannot be read as settings is repeated in the error, of a file that the link leads to:
// starhaven-io/pinprick#313, rjmurillo/ai-agents#5089, starslingdev/skills#37.
func TestALinkOfTheRepositoryLeadsToNothingElse(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "credentials")
	require.NoError(t, os.WriteFile(outside, []byte("a-key-of-somebody: x\n"), 0o600))
	top := t.TempDir()
	app := filepath.Join(top, "apps", "portal")
	require.NoError(t, os.MkdirAll(app, 0o755))
	require.NoError(t, os.Mkdir(filepath.Join(top, ".git"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(top, "shared.yaml"), []byte("release: shared\n"), 0o600))
	t.Chdir(app)
	link := func(to string) {
		_ = os.Remove(DefaultFile)
		require.NoError(t, os.Symlink(to, DefaultFile))
	}
	resolved := func(env ...string) (string, error) {
		var s Settings
		flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
		Define(flags, &s)
		err := Resolve(flags, env)
		return s.Release, err
	}

	for _, to := range []string{"../../shared.yaml", filepath.Join(top, "shared.yaml")} {
		link(to)
		got, err := resolved()
		require.NoError(t, err, "one file for several applications of a repository")
		require.Equal(t, "shared", got)
	}
	for _, environ := range [][]string{nil, {"STAGECREW_CONFIG=stagecrew.yaml"}} {
		link(outside)
		_, err := resolved(environ...)
		require.ErrorIs(t, err, ErrFile)
		require.ErrorContains(t, err, "stagecrew.yaml is a link to "+outside+", which is not in this repository")
		require.NotContains(t, err.Error(), "a-key-of-somebody")
	}
	_, err := resolved("STAGECREW_CONFIG=" + outside)
	require.ErrorContains(t, err, "a-key-of-somebody", "who names it may read it")

	link("gone.yaml")
	_, err = resolved()
	require.ErrorContains(t, err, "no such file", "it is there, and leads nowhere")
}
