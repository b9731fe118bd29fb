package pipeline

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/scan"
)

// scanStage scans each image that it is offered, writes the reports and refuses what
// the policy does not accept. It hands on what can be attested.
func scanStage(s *slice) (func(context.Context, inputs) (map[string]json.RawMessage, error), error) {
	options, err := s.scanOptions()
	if err == nil {
		err = errors.Join(options.Validate(), options.CheckInputs())
	}
	if err != nil {
		return nil, err
	}
	job := scanning{strings.Contains(s.settings.Platform, ","), options, s.phaseBeside}
	wanted := reports(s.settings.ScanReports, s.settings.Attest, s.makes(signature))
	return func(ctx context.Context, in inputs) (map[string]json.RawMessage, error) {
		way := offered.of(in)
		results, refusal := job.all(ctx, way.queue)
		// A part of the platforms says nothing, unless it says no.
		if refusal != nil && record.KindOf(refusal) != record.KindRefused || len(results) == 0 {
			return nil, refusal
		}
		result := combined(way.made(), results)
		made, err := weigh(ctx, s.host, result, wanted, func(d document, text []byte) {
			if d.format == scan.FormatSARIF {
				s.upload(result.Report.Image, text)
			}
		})
		return made, cmp.Or(err, refusal)
	}, nil
}

func (s *slice) scanOptions() (scan.Options, error) {
	c := s.settings.Scan
	cache := c.ScanCacheDir
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return scan.Options{}, record.BadInput("config/no-cache-dir", "finding a place for the vulnerability database: %w; give --scan-cache-dir", err)
		}
		cache = filepath.Join(user, "stagecrew", "scan")
	}
	return scan.Options{
		Images:            s.images(),
		Timeout:           c.ScanTimeout,
		RequireAll:        c.ScanRequireAll,
		AllowIncomplete:   c.ScanIncomplete,
		Database:          c.ScanDatabase,
		DatabaseFallbacks: c.ScanFallbacks,
		CacheDir:          cache,
		Threshold:         c.ScanThreshold,
		FixedOnly:         c.ScanFixedOnly,
		IgnoreFile:        c.ScanIgnoreFile,
		VEX:               c.ScanVEX,
		Secrets:           c.ScanSecrets,
		Misconfigurations: c.ScanMisconfig,
		MaxDatabaseAge:    c.ScanMaxDatabaseAge,
		Offline:           c.ScanOffline,
	}, nil
}

// scanning scans the images that are offered.
type scanning struct {
	several bool // platforms
	options scan.Options
	phase   func(name string, work func(*slog.Logger) error) error
}

// all scans what is offered, side by side, and gives the results that there are. The
// first error ends the others.
func (s scanning) all(ctx context.Context, queue <-chan offer) ([]scan.Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var results []scan.Result
	var mu sync.Mutex
	var tasks sync.WaitGroup
	one := func(o offer) {
		result, err := s.one(ctx, o)
		mu.Lock()
		defer mu.Unlock()
		if result != nil {
			results = append(results, *result)
		}
		if err != nil {
			cancel(err)
			return
		}
		close(o.seen)
	}
	for open := true; open; {
		var o offer
		select {
		case o, open = <-queue:
			if open {
				tasks.Go(func() {
					if err := record.Guard(func() error { one(o); return nil }); err != nil {
						cancel(err)
					}
				})
			}
		case <-ctx.Done():
			open = false
		}
	}
	tasks.Wait()
	return results, context.Cause(ctx)
}

// one gives a result also with the error that refuses it.
func (s scanning) one(ctx context.Context, o offer) (done *scan.Result, err error) {
	name := "scan"
	if o.local != nil && s.several {
		config, err := o.local.ConfigFile()
		if err != nil {
			return nil, fmt.Errorf("reading the image to scan: %w", err)
		}
		name += " " + config.Platform().String()
	}
	err = s.phase(name, func(log *slog.Logger) error {
		options := s.options
		options.Image, options.Log = o.image, log
		if o.local != nil {
			options.Local = o.local
		}
		result, err := scan.Run(ctx, options)
		if err != nil {
			return err
		}
		done = &result
		return scan.Refuse(result.Report)
	})
	return done, err
}

// combined joins the results of the platforms; it does not depend on which scan ended
// first.
func combined(whole record.Image, results []scan.Result) scan.Result {
	if len(results) == 1 {
		return results[0]
	}
	slices.SortFunc(results, func(a, b scan.Result) int { return strings.Compare(a.Platform, b.Platform) })
	return scan.Combine(whole, results...)
}

// document is a form of the result: for a file, to be attested, or both.
type document struct {
	format scan.Format
	file   string
	kind   string // of attestation, "" for none
}

// reports are the forms that are wanted. What is not signed is not made to be
// attested.
func reports(files config.ScanReports, attest []string, isSigned bool) []document {
	all := []document{
		{scan.FormatJSON, files.JSON, ""},
		{scan.FormatSARIF, files.SARIF, ""},
		{scan.FormatCycloneDX, files.CycloneDX, string(record.AttestCycloneDX)},
		{scan.FormatSPDX, files.SPDX, string(record.AttestSPDX)},
		{scan.FormatCosignVuln, files.CosignVuln, string(record.AttestVuln)},
	}
	for i, d := range all {
		if d.kind == "" || !isSigned || !wantsAttested(attest, d.kind) && d.file == "" {
			all[i].kind = ""
		}
	}
	return slices.DeleteFunc(all, func(d document) bool { return d.file == "" && d.kind == "" })
}

// wantsAttested reports whether the report of this kind is to be signed: one that
// --attest names or, without it, those that every scan has.
func wantsAttested(attest []string, kind string) bool {
	return len(attest) == 0 && kind != string(record.AttestSPDX) || slices.Contains(attest, kind)
}

// weigh puts the result on the record, writes its reports, and refuses what the
// policy does not accept. The reports are written in either case, and written is told of each
// that has a file.
func weigh(ctx context.Context, host Host, result scan.Result, wanted []document, written func(document, []byte)) (map[string]json.RawMessage, error) {
	host.Ledger.Update(func(r *record.Record) { r.Scan = &result.Report })
	var table bytes.Buffer
	if err := result.Write(ctx, &table, scan.FormatTable); err != nil {
		return nil, err
	}
	if err := host.Console.Findings(table.Bytes()); err != nil {
		return nil, err
	}
	made := map[string]json.RawMessage{}
	var problems []error
	for _, d := range wanted {
		text, err := write(ctx, host, result, d)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if d.kind != "" {
			made[d.kind] = text
		}
		if d.file != "" {
			written(d, text)
		}
	}
	return made, errors.Join(append(problems, scan.Refuse(result.Report))...)
}

// write gives one form of the result as it may be shown, and writes its file.
func write(ctx context.Context, host Host, result scan.Result, d document) ([]byte, error) {
	var text bytes.Buffer
	if err := result.Write(ctx, &text, d.format); err != nil {
		return nil, err
	}
	shown := host.Secrets.JSON(text.Bytes())
	if d.file == "" {
		return shown, nil
	}
	return shown, files.Write(d.file, shown, 0o644) // for everybody to read
}
