package images

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/stagecrew/stagecrew/pkg/files"
)

// store keeps what layers hold, also for later runs in a file for each. What it cannot
// keep or read is as if it had never been there.
type store struct {
	dir  string // "" for none
	rule string // which files were noted
	read sync.Map
}

// format changes with what counts as a migration, and with the form of the files.
const format = "1"

// rule stands for the patterns in the names of files.
func rule(patterns []string) string {
	sum := sha256.Sum256([]byte(format + "\n" + strings.Join(patterns, "\n")))
	return hex.EncodeToString(sum[:8])
}

// maxKept bounds a file, in bytes.
const maxKept = 32 << 20

func (s *store) path(digest v1.Hash) string {
	return filepath.Join(s.dir, digest.Algorithm+"-"+digest.Hex+"-"+s.rule+".json")
}

// get gives what is known of a layer, nil for nothing.
func (s *store) get(digest v1.Hash) *layer {
	if known, there := s.read.Load(digest); there {
		return known.(*layer)
	}
	if s.dir == "" {
		return nil
	}
	text, err := files.ReadRegular(s.path(digest), maxKept)
	l := &layer{}
	if err != nil || json.Unmarshal(text, l) != nil {
		return nil
	}
	return l
}

func (s *store) put(digest v1.Hash, l *layer) {
	s.read.Store(digest, l)
	text, err := json.Marshal(l)
	if s.dir == "" || err != nil || os.MkdirAll(s.dir, 0o700) != nil {
		return
	}
	_ = files.Replace(s.path(digest), text, 0o600)
}
