package pipeline

import (
	"cmp"

	"github.com/stagecrew/stagecrew/pkg/config"
)

// commit is the one that this run is about: the setting's, or in GitHub Actions the one
// that is checked out. "" on a laptop where none was given.
func (h Host) commit(c config.Settings) string {
	checkedOut, _ := h.Actions.Commit(h.source(c))
	return cmp.Or(c.Revision, checkedOut)
}

// source is the folder whose commit counts.
func (Host) source(c config.Settings) string { return cmp.Or(c.Source, ".") }
