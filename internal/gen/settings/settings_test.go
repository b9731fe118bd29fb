package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/stagecrew/stagecrew/pkg/config"
)

const root = "../../.."

// compiled is the published schema, which says itself which version it has.
func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, "docs", "stagecrew.schema.json"))
	require.NoError(t, err)
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	require.NoError(t, compiler.AddResource(schemaURL, document))
	schema, err := compiler.Compile(schemaURL)
	require.NoError(t, err)
	return schema
}

// resolve is what the program says of a configuration file.
func resolve(t *testing.T, text string) error {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stagecrew.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	var s config.Settings
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	config.Define(flags, &s)
	require.NoError(t, flags.Parse([]string{"--config", path}))
	return config.Resolve(flags, nil)
}

func validate(t *testing.T, schema *jsonschema.Schema, text string) error {
	t.Helper()
	var document any
	require.NoError(t, yaml.Unmarshal([]byte(text), &document), text)
	return schema.Validate(document)
}

func TestTheExampleIsWhatSchemaAndProgramAccept(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(root, "docs", "stagecrew.example.yaml"))
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(content), "# yaml-language-server: $schema="+schemaURL+"\n"))
	require.NoError(t, validate(t, compiled(t), string(content)))
	require.NoError(t, resolve(t, string(content)))
}

func TestSchemaAndProgramAgree(t *testing.T) {
	schema := compiled(t)
	for _, text := range []string{
		"", "# nothing but a comment", "release:", "tag: 1.10", "tag: [1.10, latest]", "values: a.yaml", "values: []", "values: [a.yaml, null]", "timeout: 1h30m", "timeout: 0",
		"soak: auto", "soak: 90s", "soak: 0", "soak:", "dry-run: true", "dry-run:", "history-max: 5", "history-max: 0", "dump-keep: 1", "scan-threshold: LOW", "builder: layers",
		"allow-delete: [PersistentVolumeClaim/data, all]", "allow-delete: ALL", "require-attestation: [vuln]",
	} {
		require.NoError(t, resolve(t, text), text)
		require.NoError(t, validate(t, schema, text), text)
	}
	for _, text := range []string{
		"relase: x", "config: other.yaml", "allow-unsigned-unsafe: true", "force-bad-unsafe: false", "timeout: 10", "timeout: ten", "timeout: -5m", "soak: long", "soak: -1s", "dry-run: jein",
		"history-max: -1", "push-attempts: 0", "dump-keep: 0", "history-max: many", "history-max: 1.5", "scan-threshold: SEVERE", "builder: docker", "release: [a, b]", "release: {name: a}", "values: [[a]]", "values: {a: b}",
		"allow-delete: [Secret]", "allow-delete: Secret", "- a", "text",
	} {
		require.Error(t, resolve(t, text), text)
		require.Error(t, validate(t, schema, text), text)
	}
}

// A setting that is missing somewhere, and a file that somebody changed by hand.
func TestWhatIsGeneratedIsUpToDate(t *testing.T) {
	fresh := t.TempDir()
	files, err := filepath.Glob(root + "/actions/*/*")
	require.NoError(t, err)
	files = append(files, root+"/action.yml", root+"/actions/README.md", root+"/docs/settings.md", root+"/docs/stagecrew.schema.json")
	relative := func(file string) string { return strings.TrimPrefix(file, root+"/") }
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		path := filepath.Join(fresh, relative(file))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, content, 0o600))
	}
	require.NoError(t, run(fresh))
	for _, file := range files {
		want, err := os.ReadFile(filepath.Join(fresh, relative(file)))
		require.NoError(t, err)
		have, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, string(want), string(have), "%s is stale: run make generate", relative(file))
	}
}
