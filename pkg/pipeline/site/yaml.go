package site

import (
	"encoding/json"

	"go.yaml.in/yaml/v3"

	"github.com/stagecrew/stagecrew/pkg/yamlfile"
)

// asJSON makes JSON of a YAML document as people write and editors read it, by YAML 1.2:
// NO is a text, and so is each key, as on or y, and a date (nodeca/js-yaml#37,
// tomasz-c/nft-blackhole#4). A key that is given twice is an error, and so is a second
// document, which would not count.
func asJSON(text []byte) ([]byte, error) {
	document, err := yamlfile.Document(text)
	if err != nil {
		return nil, err
	}
	written(document)
	var value any
	if err := document.Decode(&value); err != nil {
		return nil, err
	}
	return json.Marshal(value)
}

// written makes texts of keys and dates.
func written(node *yaml.Node) {
	isText := func(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() != "!!merge" }
	for i, child := range node.Content {
		isKey := node.Kind == yaml.MappingNode && i%2 == 0 && isText(child)
		if isKey || child.Kind == yaml.ScalarNode && child.ShortTag() == "!!timestamp" {
			child.Tag = "!!str"
		}
		written(child)
	}
}
