//go:build goexperiment.jsonv2 && !notrivy

package scan

import (
	"context"
	"fmt"
	"sync"

	checks "github.com/aquasecurity/trivy-checks"
	trivydb "github.com/aquasecurity/trivy-db/pkg/db"
	dbtypes "github.com/aquasecurity/trivy-db/pkg/types"
	"github.com/aquasecurity/trivy/pkg/clock"
	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
	"github.com/aquasecurity/trivy/pkg/fanal/applier"
	"github.com/aquasecurity/trivy/pkg/fanal/artifact"
	"github.com/aquasecurity/trivy/pkg/fanal/artifact/image"
	fanal "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/iac/rego"
	"github.com/aquasecurity/trivy/pkg/misconf"
	trivyscan "github.com/aquasecurity/trivy/pkg/scan"
	"github.com/aquasecurity/trivy/pkg/scan/langpkg"
	"github.com/aquasecurity/trivy/pkg/scan/local"
	"github.com/aquasecurity/trivy/pkg/scan/ospkg"
	"github.com/aquasecurity/trivy/pkg/types"
	"github.com/aquasecurity/trivy/pkg/vulnerability"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/scan/limits"
	"github.com/stagecrew/stagecrew/pkg/scan/oci"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// analysis is what an image holds, not yet compared with a database. To Trivy it is an
// artifact that was inspected before.
type analysis struct {
	image     *scanned
	layers    *layerCache
	reference artifact.Reference
}

// scanned is an image with what a scan could not say of it.
type scanned struct {
	*oci.Image
	// missed are the comparisons that could not be made, uncompared the files of the
	// packages of which they were, and unread those that Trivy could not read.
	missed, uncompared, unread []string
	// uncovered say why packages of the operating system were not compared.
	uncovered []string
	// unfitting are VEX statements that took nothing out.
	unfitting []string
}

// Inspect gives what was found.
func (a analysis) Inspect(context.Context) (artifact.Reference, error) { return a.reference, nil }

// Clean has nothing to do.
func (a analysis) Clean(artifact.Reference) error { return nil }

// analyze looks for packages (and secrets) in the layers and the configuration of all
// images.
func (s session) analyze(ctx context.Context) ([]analysis, error) {
	images, err := oci.Open(s.options.Image, s.options.Local, s.images.Options(ctx)...)
	if err != nil {
		return nil, err
	}
	var found []analysis
	err = s.inTurn(ctx, func() error {
		for _, img := range images {
			s.log.Debug("scanning", "image", img.Name())
			a := analysis{image: &scanned{Image: img}, layers: s.layersOf(img)}
			err := limits.Guarded(func() (err error) {
				a.reference, err = s.inspect(ctx, a)
				return err
			})
			a.image.unread = s.missed.Files.Take()
			if problem := img.Trouble(); problem != nil {
				return oci.Unusable(img.Name(), problem)
			}
			if err != nil {
				return record.Unavailable("scan/engine-failed", "analyzing image %q: %w", img.Name(), text.Error(err, 400))
			}
			found = append(found, a)
		}
		return nil
	})
	return found, err
}

func (s session) inspect(ctx context.Context, a analysis) (artifact.Reference, error) {
	option := artifact.Option{
		DisabledAnalyzers: s.unwanted(),
		NoProgress:        true,
		Offline:           true,
		FileChecksum:      true, // for SBOMs; the files are small
	}
	if s.options.Secrets {
		rules, err := writeSecretRules()
		if err != nil {
			return artifact.Reference{}, fmt.Errorf("writing rules for secrets: %w", err)
		}
		option.SecretScannerOption.ConfigPath = rules
	}
	if s.options.Misconfigurations {
		rules, err := rules()
		if err != nil {
			return artifact.Reference{}, fmt.Errorf("compiling rules: %w", err)
		}
		if config := &a.image.Config.Config; config.User == "" {
			config.User = "root" // what no user means; Trivy's rule looks for the word
		}
		option.MisconfScannerOption = misconf.ScannerOption{Namespaces: rego.BuiltinNamespaces(), RegoScanner: rules}
	}
	source, err := image.NewArtifact(a.image, a.layers, option)
	if err != nil {
		return artifact.Reference{}, err
	}
	return source.Inspect(ctx)
}

// rules are Trivy's for how an image is built and run. The others, for clouds and
// clusters, take seconds to compile.
var rules = sync.OnceValues(func() (*rego.Scanner, error) {
	scanner := rego.NewScanner(
		rego.WithEmbeddedPolicies(false),
		rego.WithEmbeddedLibraries(true),
		rego.WithPolicyFilesystem(checks.EmbeddedPolicyFileSystem),
		rego.WithPolicyDirs("checks/docker"),
	)
	return scanner, scanner.LoadPolicies(nil)
})

// unwanted lists the analyzers that are off: lock files, which say what could be
// installed and not what is; configuration files, which say nothing about how this
// image runs; those that need a network or Trivy's Java database; and what the options
// do not ask for.
func (s session) unwanted() []analyzer.Type {
	off := []analyzer.Type{
		analyzer.TypeApkCommand,
		analyzer.TypeLicenseFile,
		analyzer.TypeExecutable,
		analyzer.TypeRpmArchive,
		analyzer.TypeJar,
	}
	if !s.options.Secrets {
		off = append(off, analyzer.TypeSecret, analyzer.TypeImageConfigSecret)
	}
	if !s.options.Misconfigurations {
		off = append(off, analyzer.TypeHistoryDockerfile)
	}
	off = append(off, analyzer.TypeLockfiles...)
	return append(off, analyzer.TypeConfigFiles...)
}

// compare compares what was found with the database.
func (s session) compare(ctx context.Context, base database, found []analysis) ([]types.Report, error) {
	var reports []types.Report
	err := s.inTurn(ctx, func() error {
		if err := trivydb.Init(base.dir, trivydb.WithBoltOptions(readOnly())); err != nil {
			return record.Unavailable("scan/database-unusable", "opening vulnerability database %q: %w", base.dir, text.Error(err, 400))
		}
		defer func() { _ = trivydb.Close() }()
		for _, a := range found {
			var report types.Report
			s.missed.Comparisons.Take()
			s.missed.Systems.Take()
			err := limits.Guarded(func() (err error) {
				if report, err = s.detect(ctx, a); err != nil {
					return err
				}
				if err = s.applyVEX(ctx, &report); err != nil {
					return err
				}
				a.image.unfitting, err = s.unfitting(a.image.Name(), report)
				return err
			})
			if err != nil {
				return record.Unavailable("scan/engine-failed", "comparing image %q: %w", a.image.Name(), text.Error(err, 400))
			}
			a.image.missed, a.image.uncompared = attribute(s.missed.Comparisons.Take(), report)
			a.image.uncovered = uncovered(s.log, base, report, s.missed.Systems.Take())
			reports = append(reports, report)
		}
		return nil
	})
	return reports, err
}

func (s session) detect(ctx context.Context, a analysis) (types.Report, error) {
	wanted := types.Scanners{types.VulnerabilityScanner}
	if s.options.Secrets {
		wanted = append(wanted, types.SecretScanner)
	}
	if s.options.Misconfigurations {
		wanted = append(wanted, types.MisconfigScanner)
	}
	backend := local.NewService(applier.NewApplier(a.layers), ospkg.NewScanner(), langpkg.NewScanner(), vulnerability.NewClient(trivydb.Config{}))
	report, err := trivyscan.NewService(backend, a).ScanArtifact(clock.With(ctx, s.started), types.ScanOptions{
		PkgTypes:            types.PkgTypes,
		PkgRelationships:    fanal.Relationships,
		Scanners:            wanted,
		IncludeDevDeps:      true,
		VulnSeveritySources: []dbtypes.SourceID{"auto"},
	})
	report.Trivy.Version = version()
	return report, err
}
