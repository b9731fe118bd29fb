package charts_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

//go:generate go test -run TestTheTable|TestTheDefaultsRender -update .

// The README has a row for each value, with the default and the first sentence of its
// comment.
func TestTheTableOfValuesIsInTheREADME(t *testing.T) {
	text, err := os.ReadFile("backstage/values.yaml")
	require.NoError(t, err)
	var document yaml.Node
	require.NoError(t, yaml.Unmarshal(text, &document))
	var table strings.Builder
	table.WriteString("\n| value | default | meaning |\n|---|---|---|\n")
	rows(t, &table, "", document.Content[0])
	inTheREADME(t, "values", table.String())
}

// rows writes those of a mapping. A mapping without further comments is one row.
func rows(t *testing.T, table *strings.Builder, prefix string, node *yaml.Node) {
	t.Helper()
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		path, meaning := prefix+key.Value, sentence(key.HeadComment)
		if value.Kind == yaml.MappingNode && value.Style&yaml.FlowStyle == 0 {
			if meaning != "" {
				fmt.Fprintf(table, "| `%s` | | %s |\n", path, meaning)
			}
			rows(t, table, path+".", value)
			continue
		}
		var content any
		require.NoError(t, value.Decode(&content))
		text, err := json.Marshal(content)
		require.NoError(t, err)
		fmt.Fprintf(table, "| `%s` | `%s` | %s |\n", path, strings.ReplaceAll(string(text), "|", `\|`), meaning)
	}
}

// sentence is the first one of the last paragraph of a comment.
func sentence(comment string) string {
	comment = comment[strings.LastIndex(comment, "\n\n")+1:]
	var words []string
	for line := range strings.Lines(comment) {
		words = append(words, strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "#"))...)
	}
	text := strings.Join(words, " ")
	if end := strings.Index(text, ". "); end >= 0 {
		text = text[:end+1]
	}
	return strings.ReplaceAll(text, "|", `\|`)
}

// A value that the schema does not know cannot be set, and one that only the schema
// knows does nothing.
func TestTheSchemaAndTheValuesHaveTheSameKeys(t *testing.T) {
	var schema, values map[string]any
	for file, into := range map[string]*map[string]any{"backstage/values.schema.json": &schema, "backstage/values.yaml": &values} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.NoError(t, yaml.Unmarshal(text, into), file)
	}
	same(t, "", schema, values, schema["definitions"].(map[string]any))
}

func same(t *testing.T, path string, schema, values, definitions map[string]any) {
	t.Helper()
	known, closed := schema["properties"].(map[string]any)
	if !closed {
		return // any key may stand here
	}
	for key := range values {
		require.Contains(t, known, key, "%s%s is not in the schema", path, key)
	}
	for key, next := range known {
		if key == "global" {
			continue // for charts that have this one as a part
		}
		value, there := values[key]
		// Both of these are Kubernetes' own, and may be left out.
		require.True(t, there || key == "requests" || key == "limits", "%s%s is not in values.yaml", path, key)
		inner, _ := next.(map[string]any)
		if name, found := strings.CutPrefix(fmt.Sprint(inner["$ref"]), "#/definitions/"); found {
			inner, _ = definitions[name].(map[string]any)
		}
		if mapping, ok := value.(map[string]any); ok {
			same(t, path+key+".", inner, mapping, definitions)
		}
	}
}
