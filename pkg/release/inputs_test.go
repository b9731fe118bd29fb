package release

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestOptions_CheckInputs_EverythingThatIsWrongAtOnce(t *testing.T) {
	dir := t.TempDir()
	good, broken, several := filepath.Join(dir, "good.yaml"), filepath.Join(dir, "broken.yaml"), filepath.Join(dir, "several.yaml")
	require.NoError(t, os.WriteFile(good, []byte("---\na: 1\n---\n# nothing more\n"), 0o600))
	require.NoError(t, os.WriteFile(several, []byte("a: 1\n---\nb: 2\n"), 0o600))
	require.NoError(t, os.WriteFile(broken, []byte("a: [\n"), 0o600))
	tagged := filepath.Join(dir, "tagged.yaml")
	require.NoError(t, os.WriteFile(tagged, []byte("a: 1\ndb:\n  password: !vault secret/db\n"), 0o600))
	for name, c := range map[string]struct {
		options Options
		want    []string
	}{
		"no such chart":        {Options{Chart: "nowhere"}, []string{"loading chart nowhere"}},
		"a chart that is none": {Options{Chart: dir}, []string{"loading chart", "[release/chart]"}},
		"everything": {Options{Values: []string{"nowhere.yaml", broken, good}, Set: []string{"nokey", "b=1", "alsonokey"}},
			[]string{"--chart: a chart is missing", "open nowhere.yaml: no such file", broken, `key "nokey" has no value`, `key "alsonokey" has no value`}},
		// helm/helm#2952, haproxytech/helm-charts#1, anycable/anycable-helm#26, kubestellar/console#1076.
		"commas in values": {Options{Values: []string{good}, Set: []string{"a=1", "greeting=hello, world", " world", "nokey"}}, []string{`key " world" has no value; a comma within a value is written \,`, `key "nokey" has no value [release/values]`}},
		// A chart of a repository, as `helm repo add` makes it known; files with a comma, as Helm splits them.
		"as helm takes it": {Options{Chart: "bitnami/nginx", Values: []string{"a.yaml,b.yaml"}}, []string{"loading chart bitnami/nginx: there is no such folder or packed chart; one of a chart repository is fetched first", "open a.yaml,b.yaml: no such file or directory: each file is a --values of its own"}},
		// helm/helm#13097, vllm-project/semantic-router#3090.
		"what Helm would leave out": {Options{Values: []string{several}}, []string{"several.yaml has several documents, of which Helm 3 reads the first only"}},
		// buildkite/agent#1283, redhat-developer/vscode-yaml#703: Helm gives the chart "secret/db".
		"a value of another program":                       {Options{Values: []string{tagged}}, []string{"tagged.yaml: line 3: key password: the tag !vault is not known here"}},
		"what a registry and a server have is asked later": {Options{Chart: "oci://registry.invalid/chart", Values: []string{"https://values.invalid/a.yaml"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.options.CheckInputs()
			if c.want == nil {
				require.NoError(t, err)
			}
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
				require.Equal(t, record.KindInput, record.KindOf(err))
			}
		})
	}
}

// `--values <(sops --decrypt values.yaml)` is a pipe, and can be read once.
func TestOptions_CheckInputs_AFileOfValuesIsReadOnce(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	go func() { _ = os.WriteFile(pipe, []byte("replicas: 3\n"), 0o600) }()
	r, _ := open(t)
	r.Values = []string{pipe}
	require.NoError(t, r.CheckInputs())
	_, merged, err := r.prepare(t.Context(), image("one").Image())
	require.NoError(t, err)
	require.EqualValues(t, 3, merged["replicas"])
}
