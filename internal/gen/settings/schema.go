package main

import (
	"bytes"
	"encoding/json"

	"github.com/stagecrew/stagecrew/pkg/config"
)

// Where the schema is published, for editors.
const schemaURL = "https://raw.githubusercontent.com/stagecrew/stagecrew/main/docs/stagecrew.schema.json"

// object keeps the order of its fields: those of a file that people read.
type object struct {
	Schema      string     `json:"$schema,omitempty"`
	ID          string     `json:"$id,omitempty"`
	Title       string     `json:"title,omitempty"`
	Description string     `json:"description,omitempty"`
	Ref         string     `json:"$ref,omitempty"`
	Type        any        `json:"type,omitempty"`
	Const       *int       `json:"const,omitempty"`
	Enum        []any      `json:"enum,omitempty"`
	Pattern     string     `json:"pattern,omitempty"`
	Minimum     *int       `json:"minimum,omitempty"`
	Items       *object    `json:"items,omitempty"`
	AnyOf       []object   `json:"anyOf,omitempty"`
	Properties  properties `json:"properties,omitempty"`
	// Additional properties are errors: a misspelt setting would do nothing.
	Additional *bool      `json:"additionalProperties,omitempty"`
	Defs       properties `json:"$defs,omitempty"`
}

// properties are written in the order of the documentation.
type properties []property

type property struct {
	name   string
	schema object
}

// MarshalJSON writes an object.
func (p properties) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	for i, one := range p {
		text, err := encode(one.schema)
		if err != nil {
			return nil, err
		}
		b.WriteString([]string{"{", ","}[min(i, 1)] + `"` + one.name + `":`)
		b.Write(text)
	}
	b.WriteString("}")
	return b.Bytes(), nil
}

func encode(value any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSpace(b.Bytes()), err
}

// schema is that of stagecrew.yaml, in JSON Schema 2020-12.
func schema() ([]byte, error) {
	no := false
	root := object{
		Schema: "https://json-schema.org/draft/2020-12/schema", ID: schemaURL, Title: "stagecrew.yaml",
		Description: "Settings of stagecrew. A key that is empty counts as not given.", Type: []string{"object", "null"}, Additional: &no, Defs: definitions(),
	}
	for _, s := range config.All() {
		if s.InFile {
			root.Properties = append(root.Properties, property{s.Name, describe(s)})
		}
	}
	text, err := encode(root)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		return nil, err
	}
	b.WriteString("\n")
	return b.Bytes(), nil
}

// duration is what Go reads as one.
const duration = `^([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h))*$`

// definitions are the forms of values. null counts as not given.
func definitions() properties {
	text, null := []string{"string", "number", "null"}, object{Type: "null"}
	zero := 0
	time := []object{{Type: "string", Pattern: duration}, {Const: &zero}, null}
	return properties{
		{string(config.KindText), object{Type: text}},
		{string(config.KindBool), object{Type: []string{"boolean", "null"}}},
		{string(config.KindNumber), object{Type: []string{"integer", "null"}, Minimum: &zero}},
		{string(config.KindDuration), object{AnyOf: time}},
		{string(config.KindSoak), object{AnyOf: append([]object{{Enum: []any{"auto"}}}, time...)}},
		{"list", object{Type: append(text, "array"), Items: &object{Type: text}}},
	}
}

// describe is the schema of one key.
func describe(s config.Setting) object {
	one := object{Description: s.Text("or a list")}
	kind := string(s.Kind())
	switch {
	case s.Kind() == config.KindEnum:
		for _, c := range s.Choices {
			one.Enum = append(one.Enum, c.Value)
		}
		one.Enum = append(one.Enum, nil)
		return one
	case s.IsList():
		kind = "list"
	}
	one.Ref = "#/$defs/" + kind
	if s.IsList() && s.Pattern != "" {
		one.Items = &object{Pattern: s.Pattern}
	}
	one.Pattern = s.Pattern
	if s.Least > 0 {
		one.Minimum = &s.Least
	}
	return one
}
