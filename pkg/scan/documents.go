//go:build goexperiment.jsonv2 && !notrivy

package scan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/aquasecurity/trivy/pkg/clock"
	trivyreport "github.com/aquasecurity/trivy/pkg/report"
	"github.com/aquasecurity/trivy/pkg/report/cyclonedx"
	"github.com/aquasecurity/trivy/pkg/report/predicate"
	"github.com/aquasecurity/trivy/pkg/report/spdx"
	"github.com/aquasecurity/trivy/pkg/types"

	"github.com/stagecrew/stagecrew/pkg/scan/limits"
)

// document writes one of Trivy's reports, whole or not at all.
func (r Result) document(ctx context.Context, w io.Writer, format Format) error {
	report, at := r.whole()
	if at.IsZero() {
		return fmt.Errorf("writing %s report: %w", format, errors.New("nothing was scanned"))
	}
	var content bytes.Buffer
	err := limits.Guarded(func() error { return writer(&content, format, &report).Write(clock.With(ctx, at), report) })
	if err == nil {
		_, err = content.WriteTo(w)
	}
	if err != nil {
		return fmt.Errorf("writing %s report: %w", format, err)
	}
	return nil
}

func writer(w io.Writer, format Format, report *types.Report) trivyreport.Writer {
	switch format {
	case FormatSARIF:
		escapePaths(report)
		plainWords(report)
		return &trivyreport.SarifWriter{Output: w, Version: version()}
	case FormatCycloneDX:
		onlyPackages(report)
		return cyclonedx.NewWriter(w, version())
	case FormatSPDX:
		onlyPackages(report)
		return spdx.NewWriter(w, version(), types.FormatSPDXJSON)
	case FormatCosignVuln:
		withoutPackages(report)
		return predicate.NewVulnWriter(w, version())
	default:
		return trivyreport.JSONWriter{Output: w, ShowSuppressed: true}
	}
}

// onlyPackages leaves out what an SBOM is not about: findings change with the database,
// while the SBOM of a digest stays the same.
func onlyPackages(report *types.Report) {
	for i, r := range report.Results {
		report.Results[i] = types.Result{Target: r.Target, Class: r.Class, Type: r.Type, Packages: r.Packages}
	}
}

func withoutPackages(report *types.Report) {
	for i := range report.Results {
		report.Results[i].Packages = nil
	}
}

// whole gives the report of an image, or one for all images of an index. It is a copy,
// because Trivy's writers change what they write.
func (r Result) whole() (types.Report, time.Time) {
	if len(r.Platforms) == 0 {
		report := r.inventory.report
		report.Results = slices.Clone(report.Results)
		for i := range report.Results {
			report.Results[i].Packages = slices.Clone(report.Results[i].Packages)
		}
		return report, r.inventory.at
	}
	all, when := r.Platforms[0].whole()
	all.ArtifactName = r.Report.Image.String()
	all.ArtifactID = ""
	all.Metadata = types.Metadata{RepoDigests: []string{all.ArtifactName}}
	all.Results = nil
	for _, p := range r.Platforms {
		one, _ := p.whole()
		if all.Metadata.OS == nil {
			all.Metadata.OS = one.Metadata.OS
		}
		for _, result := range one.Results {
			if result.Class != types.ClassOSPkg {
				result.Target += " (" + p.Platform + ")"
			}
			all.Results = append(all.Results, result)
		}
	}
	return all, when
}
