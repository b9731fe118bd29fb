package pipeline

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"go.yaml.in/yaml/v3"

	"github.com/stagecrew/stagecrew/pkg/files"
)

// asJSON makes JSON of a YAML document as people write and editors read it, by YAML 1.2:
// NO is a text, and so is each key, as on or y, and a date (nodeca/js-yaml#37,
// tomasz-c/nft-blackhole#4). A key that is given twice is an error, and so is a second
// document, which would not count.
func asJSON(text []byte) ([]byte, error) {
	var document yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&document); err != nil && !errors.Is(err, io.EOF) {
		return nil, files.YAMLError(text, err)
	}
	for {
		var next yaml.Node
		err := decoder.Decode(&next)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, files.YAMLError(text, err)
		}
		if len(next.Content) == 0 || next.Content[0].ShortTag() != "!!null" {
			return nil, files.ErrSeveral
		}
	}
	written(&document)
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
