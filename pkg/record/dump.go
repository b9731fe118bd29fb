package record

import (
	"fmt"
	"time"
)

// Dump is a dump of the databases of a release, as it lies in a volume.
type Dump struct {
	ID    string `json:"id"`    // when it was begun: "20260214-101500"
	Claim string `json:"claim"` // the PersistentVolumeClaim
	Path  string `json:"path"`  // the folder in it: "portal/20260214-101500"
	// Image is the one whose databases these are, as REPOSITORY@DIGEST.
	Image string `json:"image"`
	// Begin and End are those of the dump: each database is as it was at one moment in
	// between, and each at another one.
	Begin time.Time `json:"begin"`
	End   time.Time `json:"end"`
	Bytes int64     `json:"bytes"`
	// Encrypted says that only the owner of the age identity can read it.
	Encrypted bool             `json:"encrypted,omitzero"`
	Databases []DumpedDatabase `json:"databases"`
	// Removed are older dumps that had to make place, by their ID.
	Removed []string `json:"removed,omitempty"`
}

// DumpedDatabase is one database in a dump.
type DumpedDatabase struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"` // of the dump, compressed
	Tables int    `json:"tables,omitzero"`
	Rows   int64  `json:"rows,omitzero"`
}

// LostWrites counts what was written to a table after the dump that was put back.
type LostWrites struct {
	Database string `json:"database"`
	Table    string `json:"table"` // with its schema: "public.final_entities"
	Inserted int64  `json:"inserted"`
	Updated  int64  `json:"updated"`
	Deleted  int64  `json:"deleted"`
}

// String names the table and counts: "backstage_plugin_catalog public.search: 3 rows inserted, 1 updated, 0 deleted".
func (l LostWrites) String() string {
	return fmt.Sprintf("%s %s: %d rows inserted, %d updated, %d deleted", l.Database, l.Table, l.Inserted, l.Updated, l.Deleted)
}
