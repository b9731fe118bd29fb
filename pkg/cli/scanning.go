package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/build"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/report"
	"github.com/stagecrew/stagecrew/pkg/scan"
)

func runScan(ctx context.Context, s *session) error {
	if err := s.givenImage(); err != nil {
		return err
	}
	return s.phase("scan", func() error {
		result, err := s.scan(ctx, s.log, s.read().Image, nil)
		if err != nil {
			return err
		}
		return s.judge(ctx, result)
	})
}

func (s *session) scan(ctx context.Context, log *slog.Logger, image record.Image, local scan.Local) (scan.Result, error) {
	options, err := s.scanOptions(log)
	if err != nil {
		return scan.Result{}, err
	}
	options.Image, options.Local = image, local
	return scan.Run(ctx, options)
}

func (s *session) scanOptions(log *slog.Logger) (scan.Options, error) {
	cache := s.ScanCacheDir
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return scan.Options{}, record.BadInput("config/no-cache-dir", "finding a place for the vulnerability database: %w; give --scan-cache-dir", err)
		}
		cache = filepath.Join(user, "stagecrew", "scan")
	}
	return scan.Options{
		Keychain:          s.images(log).Keychain(),
		Insecure:          s.InsecureRegistries,
		Timeout:           s.ScanTimeout,
		RequireAll:        s.ScanRequireAll,
		Database:          s.ScanDatabase,
		DatabaseFallbacks: s.ScanFallbacks,
		CacheDir:          cache,
		Threshold:         record.Severity(s.ScanThreshold),
		FixedOnly:         s.ScanFixedOnly,
		IgnoreFile:        s.ScanIgnoreFile,
		VEX:               s.ScanVEX,
		Secrets:           s.ScanSecrets,
		Misconfigurations: s.ScanMisconfig,
		MaxDatabaseAge:    s.ScanMaxDatabaseAge,
		Offline:           s.ScanOffline,
		Log:               log,
	}, nil
}

// judge puts the result on the record, writes its reports, and refuses what the
// policy does not accept. The reports are written in either case.
func (s *session) judge(ctx context.Context, result scan.Result) error {
	s.update(func(r *record.Record) { r.Scan = &result.Report })
	var table bytes.Buffer
	if err := result.Write(ctx, &table, scan.FormatTable); err != nil {
		return err
	}
	if _, err := s.stderr.Write(table.Bytes()); err != nil {
		return err
	}
	s.documents = map[string]json.RawMessage{}
	var problems []error
	for _, document := range []struct {
		format     scan.Format
		file, kind string
	}{
		{scan.FormatJSON, s.ScanReports.JSON, ""},
		{scan.FormatSARIF, s.ScanReports.SARIF, ""},
		{scan.FormatCycloneDX, s.ScanReports.CycloneDX, "cyclonedx"},
		{scan.FormatSPDX, s.ScanReports.SPDX, "spdx"},
		{scan.FormatCosignVuln, s.ScanReports.CosignVuln, "vuln"},
	} {
		if document.file == "" && !s.wantsAttested(document.kind) {
			continue
		}
		var text bytes.Buffer
		err := result.Write(ctx, &text, document.format)
		shown := s.redactor.JSON(text.Bytes())
		if err == nil && document.file != "" {
			err = report.WriteText(document.file, shown)
		}
		if err != nil {
			problems = append(problems, err)
			continue
		}
		if document.kind != "" {
			s.documents[document.kind] = shown
		}
	}
	return errors.Join(append(problems, scan.Refuse(result.Report))...)
}

// inspector scans the images of a build, one per platform, while they are pushed.
type inspector struct {
	*session
	results []scan.Result
}

// result joins what was found; false when no scan came to an end.
func (i *inspector) result() (scan.Result, bool) {
	switch len(i.results) {
	case 0:
		return scan.Result{}, false
	case 1:
		return i.results[0], true
	}
	slices.SortFunc(i.results, func(a, b scan.Result) int { return strings.Compare(a.Platform, b.Platform) })
	return scan.Combine(i.read().Image, i.results...), true
}

func (i *inspector) inspect(ctx context.Context, image record.Image, local build.LocalImage) error {
	name := "scan"
	if strings.Contains(i.Platform, ",") {
		config, err := local.ConfigFile()
		if err != nil {
			return fmt.Errorf("reading the image to scan: %w", err)
		}
		name += " " + config.Platform().String()
	}
	return i.aside(name, func(log *slog.Logger) error {
		result, err := i.scan(ctx, log, image, local)
		if err != nil {
			return err
		}
		i.mu.Lock()
		i.results = append(i.results, result)
		i.mu.Unlock()
		return scan.Refuse(result.Report)
	})
}
