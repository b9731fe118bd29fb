package verdict

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"hash"
	"strconv"
	"strings"
	"time"
)

// Record is what Helm keeps of one revision, as far as a verdict speaks of it.
type Record struct {
	Namespace, Name string // of the release
	Number          int    // of the revision
	Description     string
	Deployed        time.Time
	Chart           string // name and version
	Values          map[string]any
	Manifest        string
	Hooks           []Hook
	Labels          map[string]string
}

// Hook is one of a revision's hooks.
type Hook struct {
	Kind, Name, Path, Manifest string
	Weight                     int
	Events                     []string
	Deletes                    []string // when it is deleted
}

// plain are values as they are after they were stored.
func plain(values map[string]any) any {
	var stored any
	text, err := json.Marshal(values)
	if err != nil || json.Unmarshal(text, &stored) != nil {
		return nil
	}
	return stored
}

// Digest is the digest of all that a revision applies: its manifest and hooks.
func Digest(stored Record) string {
	h := sha256.New()
	put(h, stored.Manifest)
	for _, hook := range stored.Hooks {
		put(h, hook.Kind, hook.Name, hook.Path, hook.Manifest, strconv.Itoa(hook.Weight))
		for _, event := range hook.Events {
			put(h, "event", event)
		}
		for _, policy := range hook.Deletes {
			put(h, "delete", policy)
		}
	}
	return sum(h)
}

// put writes texts so that no two lists of texts look the same.
func put(h hash.Hash, texts ...string) {
	for _, text := range texts {
		_ = binary.Write(h, binary.BigEndian, uint64(len(text)))
		_, _ = h.Write([]byte(text))
	}
}

// sum is the whole digest in the letters that a label takes.
func sum(h hash.Hash) string {
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(h.Sum(nil)))
}
