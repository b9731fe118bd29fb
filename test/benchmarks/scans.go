package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// formats are those of the reports: stagecrew's flag, trivy's --format.
func formats() [][2]string {
	return [][2]string{
		{"--scan-json", "json"}, {"--scan-sarif", "sarif"}, {"--scan-cyclonedx", "cyclonedx"}, {"--scan-spdx", "spdx-json"}, {"--scan-cosign-vuln", "cosign-vuln"},
	}
}

// scanner is one of the two with its cache, in which the database lies in a folder.
type scanner struct {
	name, what, cache, database string

	scan func(ctx context.Context, image, cache string) error
}

func (l *lab) scans(ctx context.Context) (comparison, error) {
	built, err := l.build(ctx, l.repository("scanned"))
	if err != nil {
		return comparison{}, err
	}
	ours := scanner{"stagecrew", "`stagecrew scan` with a table and five reports", filepath.Join(l.dir, "scan-stagecrew"), "databases", l.scanOnce}
	theirs := scanner{"trivy", "`trivy image`, once for each of the five reports and the table", filepath.Join(l.dir, "scan-trivy"), "db", l.trivyAll}
	if err := l.scanOnce(ctx, built.image, ours.cache); err != nil {
		return comparison{}, err
	}
	if err := l.trivyDatabase(ctx, theirs.cache); err != nil {
		return comparison{}, err
	}
	known := func(s scanner) side {
		return side{Name: s.name + ", layers known", What: s.what, Against: 2, run: func(ctx context.Context) (outcome, error) {
			var out outcome
			err := l.clock(&out, func() error { return s.scan(ctx, built.image, s.cache) })
			return out, err
		}}
	}
	unknown := func(s scanner) side {
		return side{Name: s.name, What: s.what, run: func(ctx context.Context) (outcome, error) {
			cache := filepath.Join(l.dir, l.fresh("scan-cache"))
			if err := os.CopyFS(filepath.Join(cache, s.database), os.DirFS(filepath.Join(s.cache, s.database))); err != nil {
				return outcome{}, fmt.Errorf("copying the database: %w", err)
			}
			var out outcome
			err := l.clock(&out, func() error { return s.scan(ctx, built.image, cache) })
			return out, err
		}}
	}
	return comparison{
		Title: "Scan with all reports, database warm",
		Notes: "The image is pulled by both. In the first two rows nothing is known of its layers when the scan begins, in the other two an earlier scan has left what it found in them; " +
			"each pair is compared by itself.",
		rehearse: true,
		Sides:    []side{unknown(ours), unknown(theirs), known(ours), known(theirs)},
	}, nil
}

func (l *lab) scanOnce(ctx context.Context, image, cache string) error {
	home, err := l.home()
	if err != nil {
		return err
	}
	args := []string{"scan", "--image", image, "--scan-database", setting("E2E_DATABASE"), "--scan-cache-dir", cache}
	for _, f := range formats() {
		args = append(args, f[0], filepath.Join(home, f[1]))
	}
	_, err = l.stagecrew(ctx, surroundings{home: home}, args...)
	return err
}

func (l *lab) trivyDatabase(ctx context.Context, cache string) error {
	home, err := l.home()
	if err != nil {
		return err
	}
	_, err = l.command(ctx, home, tool("trivy"), "image", "--cache-dir", cache, "--download-db-only", "--db-repository", setting("E2E_DATABASE"))
	return err
}

func (l *lab) trivyAll(ctx context.Context, image, cache string) error {
	for _, f := range append(formats(), [2]string{"", "table"}) {
		if err := l.trivyOnce(ctx, image, cache, f[1]); err != nil {
			return err
		}
	}
	return nil
}

// trivyOnce asks for the same decision as stagecrew's default: nothing high or critical.
func (l *lab) trivyOnce(ctx context.Context, image, cache, format string) error {
	home, err := l.home()
	if err != nil {
		return err
	}
	_, err = l.command(ctx, home, tool("trivy"), "image", "--cache-dir", cache, "--skip-db-update", "--skip-java-db-update", "--skip-version-check", "--disable-telemetry", "--offline-scan",
		"--scanners", "vuln", "--severity", "HIGH,CRITICAL", "--exit-code", "1", "--format", format, "--output", filepath.Join(home, "report"), image)
	return err
}
