package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/gha"
	"github.com/stagecrew/stagecrew/pkg/pipeline"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/report"
)

// maxRecord is above what any record is.
const maxRecord = 64 << 20

// reportCommand shows the record of an earlier run. Secrets were taken out when it was
// written.
func reportCommand(environ []string, stdout, stderr io.Writer, code *int) *cobra.Command {
	var asHTML bool
	cmd := &cobra.Command{
		Use: "report RECORD", Short: "show the record of a run as a summary or as a page",
		Long: "Report reads a file that --record has written and prints its summary as Markdown or, with --html, one page of HTML that needs nothing else.",
		Args: oneRecord,
		RunE: func(_ *cobra.Command, args []string) error {
			if err := showRecord(args[0], asHTML, guarded(environ, stdout)); err != nil {
				err = coded(err)
				fmt.Fprintf(stderr, "stagecrew report: %s\n", stray(environ, err.Error()))
				*code = exitCode(record.VerdictError, err)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asHTML, "html", false, "print a page of HTML")
	return cmd
}

// guarded is stdout, in a step of GitHub Actions without what the runner would obey.
func guarded(environ []string, stdout io.Writer) io.Writer {
	return gha.New(config.Lookup(environ), stdout).Guarded(stdout)
}

func showRecord(file string, asHTML bool, stdout io.Writer) error {
	content, err := files.Read(file, maxRecord)
	if err != nil {
		return badRecord("reading the record: %w", err)
	}
	var rec record.Record
	if err := json.Unmarshal(content, &rec); err != nil {
		return badRecord("reading %s: it is no record of stagecrew: %w", file, err)
	}
	if rec.Schema != record.RecordSchema {
		return badRecord("reading %s: its schema is %q, and this program reads %s", file, rec.Schema, record.RecordSchema)
	}
	rec.LooksOnly = pipeline.Commands()[rec.Command].Effect == pipeline.Nothing
	document := []byte(report.Summary(rec))
	if asHTML {
		if document, err = report.Page(rec, pictures(file)); err != nil {
			return err
		}
	}
	_, err = stdout.Write(document)
	return err
}

const (
	// maxPicture is above what a window of a browser comes to, and maxPictures bounds all
	// that a page holds, in bytes: a record may name one as often as it likes.
	maxPicture, maxPictures = 8 << 20, 64 << 20
)

// pictures reads what a record names: from beside the record, where an artifact has both
// and the runner's folders are gone (QualityOps/wdio-timeline-reporter#42,
// Hazyzh/jest-html-reporters#54), or from where it was written.
func pictures(document string) func(path string) []byte {
	left := int64(maxPictures)
	return func(path string) []byte {
		for _, place := range append(beside(filepath.Dir(document), path), path) {
			if content, err := files.Read(place, min(maxPicture, left)); err == nil {
				left -= int64(len(content))
				return content
			}
		}
		return nil
	}
}

// maxBelow is how many folders of a path are kept when it is looked for beside a record:
// DIR/RELEASE/pictures/NAME.
const maxBelow = 4

// beside are the places below a folder where what had the path may lie, with the most of
// its own folders first.
func beside(dir, path string) (places []string) {
	parts := strings.Split(filepath.ToSlash(filepath.Clean(path)), "/")
	for n := min(maxBelow, len(parts)); n > 0; n-- {
		if below := filepath.Join(parts[len(parts)-n:]...); filepath.IsLocal(below) {
			places = append(places, filepath.Join(dir, below))
		}
	}
	return places
}

func badRecord(format string, args ...any) error {
	return record.BadInput("config/record", format, args...)
}
