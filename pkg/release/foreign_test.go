package release

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// planned plans to apply a chart of one file more than the least.
func planned(t *testing.T, file, content, values string) error {
	t.Helper()
	r, _ := open(t)
	dir := t.TempDir()
	for name, text := range map[string]string{"Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n", "values.yaml": values, "templates/none.txt": ""} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600))
	r.Chart = dir
	_, err := r.Plan(t.Context(), record.Image{Repository: "r.test/a", Digest: "sha256:0"})
	return err
}

// Charts on which Helm has ended its own process.
func TestAChartThatHelmCannotBearIsAnError(t *testing.T) {
	for name, c := range map[string]struct{ file, content string }{
		"a template that includes itself (helm#1912)":             {"templates/a.yaml", `{{ include (print $.Chart.Name "/templates/a.yaml") . | sha256sum }}`},
		"two named templates that include each other (helm#7114)": {"templates/a.yaml", `{{ define "a" }}{{ include "b" . }}{{ end }}{{ define "b" }}{{ include "a" . }}{{ end }}{{ include "a" . }}`},
		"more than there is of a list":                            {"templates/a.yaml", `{{ slice (list 1) 4 2 }}`},
		"metadata that is null (helm#7696)":                       {"Chart.yaml", "null"},
	} {
		t.Run(name, func(t *testing.T) { require.Error(t, planned(t, c.file, c.content, "")) })
	}
}

// endless makes the test below its own child: what overflows there ends the process.
const endless = "STAGECREW_TEST_ENDLESS"

// Go cannot recover from a stack that is too large, so that it must not come to it.
func TestAValueThatIsItsOwnTemplateDoesNotEndTheProcess(t *testing.T) {
	if os.Getenv(endless) == "" {
		if testing.Short() {
			t.Skip("it takes hundreds of megabytes")
		}
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$")
		child.Env = append(os.Environ(), endless+"=1", "TMPDIR="+t.TempDir()) // it removes nothing of its own
		output, err := child.CombinedOutput()
		require.NoError(t, err, "%.2000s", output)
		require.Contains(t, string(output), "without end")
		return
	}
	err := planned(t, "templates/a.yaml", `{{ tpl .Values.x . }}`, `x: "{{ tpl .Values.x . }}"`)
	if record.KindOf(err) == record.KindInput {
		_, _ = os.Stdout.WriteString(err.Error() + "\n")
		os.Exit(0)
	}
	os.Exit(1)
}
