package checks

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"github.com/stagecrew/stagecrew/pkg/smoke/form"
)

//go:generate go test -run TestTheSchemaSaysWhatAFileMayHold -update .

var update = flag.Bool("update", false, "write the generated schema")

const (
	schemaFile = "../../../docs/smoke.schema.json"
	document   = "../../../docs/smoke.md"
)

// sections are the parts of the document with a table of each object's keys.
var sections = map[string]string{"suite": "## The file", "check": "## A check", "expect": "## What an answer must be", "browser": "## In a browser"}

// meanings are what the document says of the keys of an object.
func meanings(t *testing.T, kind string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(document)
	require.NoError(t, err)
	_, section, found := strings.Cut(string(text), sections[kind]+"\n")
	require.True(t, found, sections[kind])
	section, _, _ = strings.Cut(section, "\n## ")
	words := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| (.*?) \\|(?: (.*?) ?\\|)?$").FindAllStringSubmatch(section, -1) {
		words[row[1]] = row[2]
		if row[3] != "" {
			words[row[1]] += "; default: " + row[3]
		}
	}
	return words
}

// schemaOf is the schema of an object, from what the parser knows and the document says.
func schemaOf(t *testing.T, p *form.Parser, kind string, required ...string) form.Schema {
	t.Helper()
	words := meanings(t, kind)
	properties := form.Schema{}
	for _, f := range p.Objects[kind].Fields {
		require.Contains(t, words, f.Key, "docs/smoke.md, %s: no row for the key", sections[kind])
		property := form.Schema{"description": strings.ReplaceAll(words[f.Key], "`", "")}
		for key, value := range f.Shape.Schema {
			property[key] = value
		}
		properties[f.Key] = property
		delete(words, f.Key)
	}
	require.Empty(t, words, "docs/smoke.md, %s: a row for a key that there is not", sections[kind])
	made := form.Schema{"type": "object", "additionalProperties": false, "properties": properties}
	if len(required) > 0 {
		made["required"] = required
	}
	return made
}

func schemaOfAFile(t *testing.T) []byte {
	t.Helper()
	p := form.New()
	readSuite(p, map[string]any{"checks": []any{map[string]any{}}})
	file, check := schemaOf(t, p, "suite", "checks"), schemaOf(t, p, "check", "name", "path")
	property := func(s form.Schema, key string) form.Schema { return s["properties"].(form.Schema)[key].(form.Schema) } // made above
	expectation := schemaOf(t, p, "expect")
	maps.Copy(property(expectation, "browser"), schemaOf(t, p, "browser"))
	maps.Copy(property(check, "expect"), expectation)
	checks := property(file, "checks")
	checks["items"], checks["minItems"], checks["maxItems"] = check, 1, maxChecks
	file["$schema"], file["title"] = "https://json-schema.org/draft/2020-12/schema", "Smoke checks of stagecrew"
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	require.NoError(t, encoder.Encode(file))
	return text.Bytes()
}

// A key without a row in docs/smoke.md, or one that the schema lacks, fails here.
func TestTheSchemaSaysWhatAFileMayHold(t *testing.T) {
	text := schemaOfAFile(t)
	if *update {
		require.NoError(t, os.WriteFile(schemaFile, text, 0o644))
	}
	written, err := os.ReadFile(schemaFile)
	require.NoError(t, err)
	require.Equal(t, string(text), string(written), "run make generate")
}

func TestTheSchemaAcceptsWhatParseAccepts(t *testing.T) {
	compiler := jsonschema.NewCompiler()
	description, err := jsonschema.UnmarshalJSON(bytes.NewReader(schemaOfAFile(t)))
	require.NoError(t, err)
	require.NoError(t, compiler.AddResource("smoke.json", description))
	compiled, err := compiler.Compile("smoke.json")
	require.NoError(t, err)
	content, err := os.ReadFile(document)
	require.NoError(t, err)
	files := map[string]bool{
		`{consecutive: 1.5, checks: [{name: a, path: /}]}`: false,
		`{checks: []}`:                                   false,
		`{checks: [{name: a}]}`:                          false,
		`{checks: [{name: a, path: /, pth: /}]}`:         false,
		`{checks: [{name: a, path: /, method: DELETE}]}`: false,
		`{checks: [{name: a, path: /, expect: {status: [200, 3XX], json: {a: null}}}]}`: true,
		`{checks: [{name: a, path: /, expect: {status: 99}}]}`:                          false,
		`{checks: [{name: a, path: /, expect: {bodyRegex: []}}]}`:                       false,
		`{checks: [{name: a, path: /, expect: {maxLatency: 1.5s}}]}`:                    true,
		`{checks: [{name: a, path: /, expect: {maxLatency: 5}}]}`:                       false,
		`{checks: [{name: a, path: /, expect: {code: 200}}]}`:                           false,
	}
	for _, block := range regexp.MustCompile("(?ms)^```yaml( wrong)?\n(.*?)^```$").FindAllStringSubmatch(string(content), -1) {
		files[block[2]] = block[1] == ""
	}
	for text, good := range files {
		document, err := yaml.YAMLToJSONStrict([]byte(text))
		require.NoError(t, err)
		_, err = Parse(document)
		require.Equal(t, good, err == nil, "Parse: %s: %v", text, err)
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
		require.NoError(t, err)
		require.Equal(t, good, compiled.Validate(value) == nil, "the schema: %s", text)
	}
}
