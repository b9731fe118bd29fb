package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"

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
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := showRecord(args[0], asHTML, guarded(environ, stdout)); err != nil {
				fmt.Fprintf(stderr, "stagecrew report: %s\n", stray(environ, err.Error()))
				*code = exitUsage
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

// maxPicture is above what a window of a browser comes to.
const maxPicture = 8 << 20

// pictures reads what a record names: from where this runs, or from beside the record,
// where an artifact has both.
func pictures(document string) func(path string) []byte {
	return func(path string) []byte {
		for _, place := range []string{path, filepath.Join(filepath.Dir(document), path)} {
			if content, err := files.Read(place, maxPicture); err == nil {
				return content
			}
		}
		return nil
	}
}

func badRecord(format string, args ...any) error {
	return record.BadInput("config/record", format, args...)
}
