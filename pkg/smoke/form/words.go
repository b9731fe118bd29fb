package form

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/agext/levenshtein"

	"github.com/stagecrew/stagecrew/pkg/smoke/shown"
)

// Show gives a JSON value for a message.
func Show(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return "something that is no JSON"
	}
	return shown.Line(string(text), 60)
}

// Decode reads one JSON value and leaves its numbers as they are written.
func Decode(text []byte) (document any, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&document); err != nil {
		return nil, err
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more after the first JSON value")
	}
	return document, nil
}

// maxTypo is how many letters may differ for a word to count as a typing error.
const maxTypo = 2

// nearest is the known word that may have been meant, "" when none is near.
func nearest(word string, known []string) string {
	best, distance := "", maxTypo+1
	for _, k := range known {
		if d := levenshtein.Distance(strings.ToLower(word), strings.ToLower(k), nil); d < distance && d < len(k)/2+1 {
			best, distance = k, d
		}
	}
	return best
}
