package migrations

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
)

const (
	// SaidLabel is the label of an image, and the annotation of a workload, by which a
	// team says what the image does to its database, see [Word].
	SaidLabel = "stagecrew.dev/migrations"
	// ListLabel is the label of an image that was built here: a [List].
	ListLabel = "stagecrew.dev/migration-files"
)

// Word is what a team says of an image.
type Word string

// The words.
const (
	SaysNone        Word = "none"         // it changes nothing that older images mind
	SaysForwardOnly Word = "forward-only" // older images do not run on what it leaves, and there is no way back
	SaysReversible  Word = "reversible"   // older images do not run on what it leaves, until it is taken back
)

// Choices are all words, the worst last.
func (Word) Choices() []record.Choice {
	return []record.Choice{
		{Value: string(SaysNone), Meaning: "older images run on what it leaves"},
		{Value: string(SaysReversible), Meaning: "they do not, until it is taken back"},
		{Value: string(SaysForwardOnly), Meaning: "they do not, and nothing takes it back"},
	}
}

// maxLabel bounds the label of an image, in bytes. A Backstage with 13 plugins has 4 kB.
const maxLabel = 1 << 20

// List are the migrations of an image that says them in a label. It holds for exactly
// the layers that it names: an image that was made from another one inherits its labels.
type List struct {
	// Layers are the DiffIDs of the uppermost layers, all that the build has put on the
	// base image.
	Layers []string `json:"layers"`
	Files  Set      `json:"files"`
}

// Label is the list as the text of a label.
func (l List) Label() (string, error) {
	text, err := json.Marshal(l)
	if err == nil && len(text) > maxLabel {
		err = fmt.Errorf("the list of migrations has %d bytes, the limit is %d", len(text), maxLabel)
	}
	return string(text), err
}

// ReadList reads the label of an image with these layers, the lowest first. It reports
// whether there is one that holds for them.
func ReadList(label string, diffIDs []string) (List, bool) {
	var l List
	if label == "" || len(label) > maxLabel || json.Unmarshal([]byte(label), &l) != nil {
		return List{}, false
	}
	below := len(diffIDs) - len(l.Layers)
	if len(l.Layers) == 0 || below < 0 || !slices.Equal(diffIDs[below:], l.Layers) {
		return List{}, false
	}
	inOrder := Set{}
	inOrder.Join(l.Files)
	l.Files = inOrder
	return l, true
}

// Say joins a team's word on the next image with what the files of both images tell. The
// worse counts: a file that was added is a fact, and a word can be old.
func Say(word Word, from string, files record.Migrations) record.Migrations {
	files.Said = string(word)
	said := fmt.Sprintf("%s says %s", from, word)
	switch {
	case word == SaysNone && files.Rollback == record.RollbackUnknown:
		files.Rollback, files.Why = record.RollbackFree, said
	case word == SaysNone && files.Rollback == record.RollbackNeedsDatabase:
		files.Why += "; although " + said
	case word != SaysNone:
		if files.Rollback == record.RollbackNeedsDatabase {
			said = strings.Join([]string{said, files.Why}, "; ")
		}
		files.Rollback, files.Why = record.RollbackNeedsDatabase, said
	}
	return files
}
