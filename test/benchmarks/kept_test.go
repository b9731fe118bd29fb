package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnotherComparisonLeavesThoseOfTheDocumentAsTheyAre(t *testing.T) {
	file := filepath.Join(t.TempDir(), "benchmarks.md")
	require.NoError(t, measured().writeDocument(file))
	whole := document(measured(), nil)

	// On a machine that has the document and no results.
	one := measured()
	delete(one.Comparisons, "a")
	require.NoError(t, one.writeDocument(file))

	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, whole, string(text))
}

func TestAComparisonThatIsMeasuredAgainReplacesTheEarlierOne(t *testing.T) {
	again := measured()
	again.Comparisons["b"] = comparison{Title: "Again", Notes: "Nothing.", Sides: []side{{Name: "one", What: "`one`", Runs: []measure{{Seconds: 7}}}}}
	text := document(again, keptOf(document(measured(), nil), again.Conditions))
	require.Contains(t, text, "## (b) Again\n")
	require.NotContains(t, text, "## (b) Later\n")
	require.Equal(t, text, document(again, keptOf(text, again.Conditions)), "nothing is there twice")
}

func TestWhatWasMeasuredElsewhereSaysSoOnce(t *testing.T) {
	here := conditions{"4 processors", "BuildKit 1.2.3"}
	text := document(&results{Conditions: here, Comparisons: map[string]comparison{}}, keptOf(document(measured(), nil), here))
	require.Contains(t, text, "4 processors; BuildKit 1.2.3.\n")
	require.Contains(t, text, "- other: `other`\n\nMeasured earlier, on another machine or with other versions: 2 processors; BuildKit 1.2.3.\n")

	there := conditions{"8 processors", "BuildKit 1.2.3"}
	again := document(&results{Conditions: there, Comparisons: map[string]comparison{}}, keptOf(text, there))
	require.Contains(t, again, "other versions: 2 processors; BuildKit 1.2.3.\n")
	require.NotContains(t, again, "4 processors")
}

func TestADocumentWithoutComparisonsKeepsNone(t *testing.T) {
	require.Empty(t, keptOf("", conditions{}))
	require.Empty(t, keptOf("# Benchmarks\n\n## Growth\n\nText.\n", conditions{}))
	none, err := readKept(filepath.Join(t.TempDir(), "missing.md"), conditions{})
	require.NoError(t, err)
	require.Empty(t, none)
}

func TestTheCommittedDocumentIsReadAsItWasWritten(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "benchmarks.md"))
	require.NoError(t, err)
	found := conditionsLine.FindStringSubmatch(string(text))
	require.Len(t, found, 2)
	sections := keptOf(string(text), conditions{})
	for _, letter := range []string{"a", "b", "c", "d"} {
		require.Contains(t, sections, letter)
		require.Contains(t, sections[letter], "\n- stagecrew: `stagecrew ")
	}
}
