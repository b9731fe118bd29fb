//go:build goexperiment.jsonv2

package scan

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	trivydb "github.com/aquasecurity/trivy-db/pkg/db"
	dbtypes "github.com/aquasecurity/trivy-db/pkg/types"
	"github.com/aquasecurity/trivy/pkg/cache"
	"github.com/aquasecurity/trivy/pkg/fanal/analyzer"
	"github.com/aquasecurity/trivy/pkg/fanal/applier"
	"github.com/aquasecurity/trivy/pkg/fanal/artifact"
	"github.com/aquasecurity/trivy/pkg/fanal/artifact/image"
	fanal "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/scan/langpkg"
	"github.com/aquasecurity/trivy/pkg/scan/local"
	"github.com/aquasecurity/trivy/pkg/scan/ospkg"
	"github.com/aquasecurity/trivy/pkg/types"
	"github.com/aquasecurity/trivy/pkg/vulnerability"
	trivyos "github.com/aquasecurity/trivy/pkg/x/os"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// inventory is what was found in one image.
type inventory struct {
	packages int
	findings []pipeline.Finding
}

// turn is the right to use what Trivy keeps in variables of the process.
type turn struct {
	// swept: an earlier scan removed Trivy's temporary directory.
	swept bool
}

// engine holds the one turn while nobody scans.
var engine = newEngine()

func newEngine() chan turn {
	e := make(chan turn, 1)
	e <- turn{}
	return e
}

// analyze takes the turn and runs Trivy's engine on one image.
func analyze(ctx context.Context, base database, img *watchedImage, log *slog.Logger) (inventory, error) {
	var mine turn
	select {
	case mine = <-engine:
	case <-ctx.Done():
		return inventory{}, fmt.Errorf("waiting for another scan: %w", ctx.Err())
	}
	defer func() { engine <- mine }()
	defer redirect(log)()
	if err := mine.prepare(); err != nil {
		return inventory{}, pipeline.Unavailable("scan/engine-failed", "making a temporary directory: %w", err)
	}
	defer mine.sweep(log)
	if err := trivydb.Init(base.dir, trivydb.WithBoltOptions(readOnly())); err != nil {
		return inventory{}, pipeline.Unavailable("scan/database-unusable", "opening vulnerability database %q: %w", base.dir, foreign(err))
	}
	defer func() { _ = trivydb.Close() }()
	var response types.ScanResponse
	err := guarded(func() (err error) {
		response, err = inspect(ctx, img)
		return err
	})
	if problem := img.problem.Load(); problem != nil {
		return inventory{}, unusable(img.name, *problem)
	}
	if err != nil {
		return inventory{}, pipeline.Unavailable("scan/engine-failed", "analyzing image %q: %w", img.name, foreign(err))
	}
	warn(log, base, response)
	return collect(img, response)
}

// prepare makes Trivy's temporary directory again, which Trivy itself does only once
// in a process. It must not exist: somebody else could have taken the name.
func (t turn) prepare() error {
	dir := trivyos.TempDir()
	if !t.swept {
		return nil
	}
	return os.Mkdir(dir, 0o700)
}

func (t *turn) sweep(log *slog.Logger) {
	t.swept = true
	if err := trivyos.Cleanup(); err != nil {
		log.Warn("removing the scanner's temporary files", "error", err)
	}
}

// inspect finds the packages of an image and compares them.
func inspect(ctx context.Context, img fanal.Image) (types.ScanResponse, error) {
	memory := cache.NewMemoryCache()
	source, err := image.NewArtifact(img, memory, artifact.Option{
		DisabledAnalyzers: unwanted(),
		NoProgress:        true,
		Offline:           true,
	})
	if err != nil {
		return types.ScanResponse{}, err
	}
	found, err := source.Inspect(ctx)
	if err != nil {
		return types.ScanResponse{}, err
	}
	service := local.NewService(applier.NewApplier(memory), ospkg.NewScanner(), langpkg.NewScanner(), vulnerability.NewClient(trivydb.Config{}))
	return service.Scan(ctx, found.Name, found.ID, found.BlobIDs, types.ScanOptions{
		PkgTypes:            types.PkgTypes,
		PkgRelationships:    fanal.Relationships,
		Scanners:            types.Scanners{types.VulnerabilityScanner},
		IncludeDevDeps:      true,
		VulnSeveritySources: []dbtypes.SourceID{"auto"},
	})
}

// unwanted lists the analyzers that are off: lock files, which say what could be
// installed and not what is; secrets, licenses and misconfiguration, which are not
// asked for; and those that need a network or Trivy's Java database.
func unwanted() []analyzer.Type {
	off := []analyzer.Type{
		analyzer.TypeApkCommand,
		analyzer.TypeSecret,
		analyzer.TypeLicenseFile,
		analyzer.TypeHistoryDockerfile,
		analyzer.TypeExecutable,
		analyzer.TypeRpmArchive,
		analyzer.TypeJar,
	}
	off = append(off, analyzer.TypeLockfiles...)
	return append(off, analyzer.TypeConfigFiles...)
}

// collect turns Trivy's results into ours. An image in which nothing was recognised
// was not scanned: it may be hidden from the analyzers, or simply the wrong one.
func collect(img *watchedImage, response types.ScanResponse) (inventory, error) {
	var all inventory
	for _, result := range response.Results {
		all.packages += len(result.Packages)
		for _, v := range result.Vulnerabilities {
			all.findings = append(all.findings, finding(img, response.OS, result, v))
		}
	}
	if all.packages == 0 {
		return inventory{}, pipeline.Unavailable("scan/nothing-to-scan", "scanning image %q: no package was recognised in it, so nothing could be compared; check that it is the right image and that its package lists (such as /var/lib/dpkg or package.json files) are in it", img.name)
	}
	return all, nil
}

func finding(img *watchedImage, system fanal.OS, result types.Result, v types.DetectedVulnerability) pipeline.Finding {
	const short, long = 120, 240
	where := result.Target
	switch {
	case result.Class == types.ClassOSPkg:
		where = string(system.Family) + " " + system.Name
	case v.PkgPath != "":
		where = v.PkgPath
	}
	if img.platform != "" {
		where = img.platform + ": " + where
	}
	purl := ""
	if v.PkgIdentifier.PURL != nil {
		purl = v.PkgIdentifier.PURL.String()
	}
	severity := pipeline.Severity(v.Severity) //nolint:staticcheck // Trivy's own choice among the vendors, as its table shows it
	if rank(severity) < 0 {
		severity = pipeline.SeverityUnknown
	}
	return pipeline.Finding{
		ID:           clean(v.VulnerabilityID, short),
		Severity:     severity,
		Package:      clean(v.PkgName, short),
		PURL:         clean(purl, long),
		Version:      clean(v.InstalledVersion, short),
		FixedVersion: clean(v.FixedVersion, short),
		Target:       clean(where, long),
		Title:        clean(v.Title, long),
	}
}
