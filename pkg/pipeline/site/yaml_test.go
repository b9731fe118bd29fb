package site

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAsJSON_WhatIsWrittenIsWhatCounts(t *testing.T) {
	for text, want := range map[string]string{
		// nodeca/js-yaml#37, ptarjan/online-yaml-parser#12, tomasz-c/nft-blackhole#4.
		"{on: 1, y: 2, No: 3, 1: 4, null: 5, 2024-01-01: 6}": `{"1":4,"2024-01-01":6,"No":3,"null":5,"on":1,"y":2}`,
		"country: NO\nanswer: yes\nis: true\nnot: False":     `{"answer":"yes","country":"NO","is":true,"not":false}`,
		"a: 2024-01-01\nb: 010\nc: 1.5\nd: '5'\ne: ~":        `{"a":"2024-01-01","b":8,"c":1.5,"d":"5","e":null}`,
		"a: &x {b: 1}\nc: {<<: *x, d: 2}":                    `{"a":{"b":1},"c":{"b":1,"d":2}}`,
		"---\na: 1\n---\n# nothing more\n":                   `{"a":1}`,
		"\ufeffa: 1\r\nb: c\r\n":                             `{"a":1,"b":"c"}`,
		"# nothing":                                          "null", "": "null", "[a, 1]": `["a",1]`,
	} {
		got, err := asJSON([]byte(text))
		require.NoError(t, err, text)
		require.JSONEq(t, want, string(got), text)
	}
	for text, want := range map[string]string{
		"a: 1\n---\nb: 2": "it has several documents, and one is read",
		"a: !env HOST":    "line 1: key a: the tag !env is not known here",
		"a: 1\na: 2":      `mapping key "a" already defined at line 1`,
		"a:\n\t- b":       "line 2 begins with a tab, and YAML is indented by spaces",
		"a: &a [*a]":      "value contains itself",
		"a: .nan":         "unsupported value",
		"a: [":            "yaml: line ",
		"? {a: b}\n: c":   "",
	} {
		_, err := asJSON([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
}
