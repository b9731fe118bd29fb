package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func measured() *results {
	return &results{Conditions: conditions{"2 processors", "BuildKit 1.2.3"}, Comparisons: map[string]comparison{
		"b": {Title: "Later", Notes: "Nothing is sent.", Sides: []side{{Name: "one", What: "`one`", Runs: []measure{{Seconds: 1}}}}},
		"a": {Title: "Build", Notes: "Each run changes a file.", Load: 0.25, Sides: []side{
			{Name: "stagecrew", What: "`stagecrew build`", Runs: []measure{{1, 0.5, 1000, 1000}, {2, 2.5, 3000, 3000}, {3, 1.5, 2000, 2000}}},
			{Name: "other", What: "`other`", Runs: []measure{{10, 4, 5000, 1000}, {30, 5, 5000, 1000}, {10, 6, 5000, 1000}}},
		}},
	}}
}

func TestTheDocumentHasMediansAndTheRatiosOfPairs(t *testing.T) {
	text := document(measured(), nil)

	require.Contains(t, text, "2 processors; BuildKit 1.2.3.")
	require.Contains(t, text, "## (a) Build\n\nEach run changes a file. Runs of each side: 3; load of the machine before: 0.2.\n\n"+
		"|  | seconds | times as long | all seconds | CPU s | sent MB | new MB |\n| --- | --- | --- | --- | --- | --- | --- |\n"+
		"| stagecrew | 2.00 | 1.0 | 1.00 2.00 3.00 | 1.50 | 0.002 | 0.002 |\n"+
		"| other | 10.00 | 10.0 | 10.00 30.00 10.00 | 5.00 | 0.005 | 0.001 |\n\n- stagecrew: `stagecrew build`\n- other: `other`\n")
	require.Contains(t, text, "\n\n|  | seconds | times as long | all seconds |\n", "no bytes where none were sent, and no processors where they are not known")
	require.Contains(t, text, "## What changes brought\n")
	require.Contains(t, text, "## Growth\n")
}

func TestResultsAreKeptUntilTheConditionsChange(t *testing.T) {
	file, markdown := filepath.Join(t.TempDir(), "bin", "results.json"), filepath.Join(t.TempDir(), "benchmarks.md")
	require.NoError(t, measured().write(file, markdown))

	again, err := load(file)
	require.NoError(t, err)
	require.Equal(t, measured(), again)
	again.under(conditions{"2 processors", "BuildKit 1.2.3"})
	require.Len(t, again.Comparisons, 2)
	again.under(conditions{"2 processors", "BuildKit 1.2.4"})
	require.Empty(t, again.Comparisons)
	require.ErrorContains(t, again.writeDocument(markdown), "measure first")
}

func TestTheDocumentCanBeMadeAgainWithoutAStage(t *testing.T) {
	dir := t.TempDir()
	o := options{warm: 1, cold: 1, table: true, results: filepath.Join(dir, "results.json"), document: filepath.Join(dir, "benchmarks.md")}
	require.NoError(t, measured().write(o.results, o.document))
	require.NoError(t, os.Remove(o.document))

	require.NoError(t, run(t.Context(), o))

	text, err := os.ReadFile(o.document)
	require.NoError(t, err)
	require.Equal(t, document(measured(), nil), string(text))
}

func TestOptionsThatMeasureNothingAreRefused(t *testing.T) {
	good := options{warm: 1, cold: 1, results: "r", document: "d"}
	require.NoError(t, good.check())
	for name, spoil := range map[string]func(*options){
		"no pairs":          func(o *options) { o.cold = 0 },
		"nowhere to write":  func(o *options) { o.results = "" },
		"an unknown letter": func(o *options) { o.only = "az" },
	} {
		t.Run(name, func(t *testing.T) {
			o := good
			spoil(&o)
			require.Error(t, o.check())
		})
	}
}

func TestTheConditionsNameEachToolThatIsPinned(t *testing.T) {
	c, err := conditionsOf(t.Context(), filepath.Join("..", ".."))
	require.NoError(t, err)
	require.Regexp(t, `^BuildKit \d+\.\d+\.\d+, buildx \d+\.\d+\.\d+, Trivy \d+\.\d+\.\d+, cosign \d+\.\d+\.\d+, Node\.js \d+\S*, npm \d+\S*, Go 1\.\d+`, c.Versions)
	require.Regexp(t, `^\d+ processors`, c.Machine)
}
