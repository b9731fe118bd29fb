// Package scan compares the packages in an image with a vulnerability database
// and says whether a policy accepts what it found.
//
// It runs Trivy's engine in this process; it is the only package that imports
// Trivy. Trivy needs Go's json experiment: without GOEXPERIMENT=jsonv2 the package
// has the same interface, and [Scan] says how to build it in.
//
// Compared are OS packages and installed language packages (node_modules, Python
// site-packages, gems, Go and Rust binaries, …). Java archives are not, as they
// would need a second database. Nothing is downloaded but the image and the
// vulnerability database, and nothing is reported to anyone.
package scan

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// Options says what to scan, against which database, and what to accept.
type Options struct {
	// Image is the image by digest; a multi-platform index is scanned on all its
	// platforms. It is pulled with the credentials of Docker's configuration.
	Image pipeline.Image
	// Database is the OCI reference of a vulnerability database in Trivy's format,
	// by tag or digest. Empty means Trivy's public one: its mirror at
	// mirror.gcr.io/aquasec/trivy-db:2, then ghcr.io/aquasecurity/trivy-db:2.
	Database string
	// CacheDir is a directory that keeps databases between runs; required. It is
	// created if needed and may be shared by scans that run at the same time.
	CacheDir string
	// Threshold is the lowest severity that blocks; empty means HIGH.
	Threshold pipeline.Severity
	// FixedOnly lets findings pass for which no fixed version exists.
	FixedOnly bool
	// MaxDatabaseAge refuses databases made longer ago; 0 accepts any age.
	MaxDatabaseAge time.Duration
	// Offline uses the database of an earlier run in CacheDir and does not ask for
	// a newer one. The image is still pulled.
	Offline bool
	// Log gets progress and Trivy's warnings; nil discards them.
	Log *slog.Logger
}

// Validate reports everything that is wrong with the options, with the code
// scan/bad-options.
func (o Options) Validate() error {
	var problems []error
	if _, err := pipeline.ParseImage(o.Image.String()); err != nil {
		problems = append(problems, err)
	}
	for _, reference := range o.databases() {
		if _, err := name.ParseReference(reference); err != nil {
			problems = append(problems, fmt.Errorf("parsing database reference %q: %w", reference, err))
		}
	}
	if o.CacheDir == "" {
		problems = append(problems, errors.New("no cache directory given for the vulnerability database"))
	}
	if !slices.Contains(pipeline.Severities(), o.threshold()) {
		problems = append(problems, fmt.Errorf("threshold %q is none of %q", o.Threshold, pipeline.Severities()))
	}
	if o.MaxDatabaseAge < 0 {
		problems = append(problems, fmt.Errorf("maximal database age %s is negative", o.MaxDatabaseAge))
	}
	if err := errors.Join(problems...); err != nil {
		return pipeline.BadInput("scan/bad-options", "%w", err)
	}
	return nil
}

func (o Options) threshold() pipeline.Severity {
	if o.Threshold == "" {
		return pipeline.SeverityHigh
	}
	return o.Threshold
}

func (o Options) databases() []string {
	if o.Database != "" {
		return []string{o.Database}
	}
	// The mirror first: ghcr.io limits how often anonymous clients may ask
	// (aquasecurity/trivy-action#389).
	return []string{"mirror.gcr.io/aquasec/trivy-db:2", "ghcr.io/aquasecurity/trivy-db:2"}
}

func (o Options) log() *slog.Logger {
	if o.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Log
}
