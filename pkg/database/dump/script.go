package dump

import (
	"cmp"
	_ "embed"
	"strconv"
	"strings"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// The scripts of the Jobs. They want a POSIX shell, awk, and PostgreSQL's own tools.
var (
	//go:embed common.sh
	common string
	//go:embed dump.sh
	dumping string
	//go:embed find.sh
	finding string
	//go:embed restore.sh
	restoring string
)

// report is what the lines of a script say.
type report struct {
	dump record.Dump
	lost []record.LostWrites
	// replaced are the names under which restored databases are kept as they were before.
	replaced []string
	// failed is the code of what went wrong, with a message; "" when nothing did.
	failed, why string
	done        bool
}

// codes are those of the scripts.
var codes = map[string]string{
	"no-tools": "database/no-tools", "version": "database/version", "wrong-password": record.CodeWrongPassword, "not-let-in": "database/not-let-in", "unreachable": "database/unreachable", "no-rights": "database/no-rights",
	"no-space": "database/no-space", "volume": "database/volume", "not-whole": "database/not-whole", "none": "database/no-dump", "no-identity": "database/no-identity", "cannot-restore": "database/cannot-restore", "failed": "database/dump-failed",
}

const (
	mark = "stagecrew\t"
	// maxLost bounds how many tables with lost writes a record names.
	maxLost = 200
	maxText = 800
)

// read reads the log of a script. Names in it are those of databases and tables.
func read(log string) (r report) {
	for line := range strings.Lines(log) {
		words, found := strings.CutPrefix(strings.TrimSuffix(line, "\n"), mark)
		if found {
			r.line(strings.Split(words, "\t"))
		}
	}
	return r
}

func (r *report) line(words []string) {
	words = append(words, make([]string, 6)...)
	switch words[0] {
	case "database":
		r.dump.Databases = append(r.dump.Databases, record.DumpedDatabase{Name: words[1], Bytes: number(words[2]), Tables: int(number(words[3])), Rows: number(words[4])})
	case "lost":
		if len(r.lost) < maxLost {
			r.lost = append(r.lost, record.LostWrites{Database: words[1], Table: words[2], Inserted: number(words[3]), Updated: number(words[4]), Deleted: number(words[5])})
		}
	case "replaced":
		r.replaced = append(r.replaced, words[1])
	case "removed":
		r.dump.Removed = append(r.dump.Removed, words[1])
	case "failed":
		r.failed, r.why = cmp.Or(codes[words[1]], codes["failed"]), text.Line(words[2], maxText)
	case "done":
		r.done, r.dump.ID, r.dump.Begin, r.dump.End, r.dump.Bytes = true, words[1], moment(words[2]), moment(words[3]), number(words[4])
	}
}

func number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}

func moment(s string) time.Time {
	t, _ := time.Parse(time.RFC3339, s)
	return t
}
