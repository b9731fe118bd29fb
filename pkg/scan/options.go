// Package scan compares the packages in an image with a vulnerability database
// and says whether a policy accepts what it found.
//
// It runs Trivy's engine in this process; it is the only package that imports
// Trivy. Trivy needs Go's json experiment: without GOEXPERIMENT=jsonv2, and with the
// tag notrivy, by which other packages' tests link faster, the package has the same
// interface, and [Scan] says how to build it in.
//
// Compared are OS packages and installed language packages (node_modules, Python
// site-packages, gems, Go and Rust binaries, …). Java archives are not, as they
// would need a second database. Nothing is downloaded but the image and the
// vulnerability database, and nothing is reported to anyone. What was found in a
// layer is kept in the cache, so that a layer is read once and not for each image
// that has it.
package scan

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/scan/oci"
)

// Options says what to scan, against which database, and what to accept.
type Options struct {
	// Image is the image by digest; a multi-platform index is scanned on all its
	// platforms.
	Image record.Image
	// Images talks to registries. A connection on which nothing moves ends after a minute
	// unless it says otherwise.
	Images registry.Access
	// Timeout bounds the whole scan; 0 is no limit.
	Timeout time.Duration
	// AllowIncomplete are patterns with ** of files in the image, such as
	// app/node_modules/NAME/package.json: a package there may be unreadable, or of a
	// version that cannot be compared. Otherwise that is an error (scan/incomplete).
	AllowIncomplete []string
	// RequireAll makes every comparison that could not be made an error, those of
	// AllowIncomplete and those for an advisory's own version, too. Otherwise they are
	// counted in the report.
	RequireAll bool
	// Local, when given, has the bytes of Image, so that nothing is pulled. They are
	// checked against the digest.
	Local oci.Local
	// Database is the OCI reference of a vulnerability database in Trivy's format,
	// by tag or digest. Empty means Trivy's public one: its mirror at
	// mirror.gcr.io/aquasec/trivy-db:2, then ghcr.io/aquasecurity/trivy-db:2.
	// A digest pins the database: once it is in the cache, no registry is asked.
	Database string
	// DatabaseFallbacks are further references, tried in order when the ones before
	// cannot be reached or used.
	DatabaseFallbacks []string
	// CacheDir is a directory that keeps databases and what was found in layers
	// between runs; required. It is created if needed and may be shared by scans that
	// run at the same time. Whoever can write there decides what a scan finds.
	CacheDir string
	// Threshold is the lowest severity that blocks; empty means [DefaultThreshold].
	Threshold record.Severity
	// FixedOnly lets vulnerabilities pass for which no fixed version exists.
	FixedOnly bool
	// IgnoreFile is a file of findings to ignore, in the format of Trivy's
	// .trivyignore.yaml, where each entry needs a statement (why) and expired_at (a
	// date), or of its .trivyignore.
	IgnoreFile string
	// VEX are files with statements about what does not affect the image, as OpenVEX
	// or CSAF documents.
	VEX []string
	// Secrets also looks for credentials in the files and the configuration of the
	// image, but not in what seems to be its base image.
	Secrets bool
	// Misconfigurations also checks the image's configuration, such as its user and
	// how it was built, by the rules that are built into Trivy.
	Misconfigurations bool
	// MaxDatabaseAge refuses databases made longer ago; 0 accepts any age.
	MaxDatabaseAge time.Duration
	// Offline uses the database of an earlier run in CacheDir and does not ask for
	// a newer one. The image is still pulled.
	Offline bool
	// memory is what the process may take meanwhile, in bytes; 0 is memoryLimit.
	memory int64
	// Log gets progress and Trivy's warnings; nil discards them.
	Log *slog.Logger
}

// Validate reports everything that is wrong with the options, with the code
// scan/bad-options. The image may be missing: it is known later than the rest.
func (o Options) Validate() error { return badOptions(o.problems()) }

// check is Validate for options that must be complete.
func (o Options) check() error {
	problems := o.problems()
	if _, err := record.ParseImage(o.Image.String()); err != nil {
		problems = append([]error{err}, problems...)
	}
	return badOptions(problems)
}

func badOptions(problems []error) error {
	if err := record.Problems(problems...); err != nil {
		return record.BadInput("scan/bad-options", "%w", err)
	}
	return nil
}

func (o Options) problems() []error {
	var problems []error
	for _, reference := range o.databases() {
		if _, err := name.ParseReference(reference); err != nil {
			problems = append(problems, fmt.Errorf("parsing database reference %q: %w", reference, err))
		}
	}
	if o.CacheDir == "" {
		problems = append(problems, errors.New("no cache directory given for the vulnerability database"))
	}
	if !slices.Contains(record.Severities(), o.threshold()) {
		problems = append(problems, fmt.Errorf("threshold %q is none of %q", o.Threshold, record.Severities()))
	}
	if o.Timeout < 0 {
		problems = append(problems, fmt.Errorf("timeout %s is negative", o.Timeout))
	}
	if o.MaxDatabaseAge < 0 {
		problems = append(problems, fmt.Errorf("maximal database age %s is negative", o.MaxDatabaseAge))
	}
	return problems
}

// DefaultThreshold is that of --scan-threshold, too.
const DefaultThreshold = record.SeverityHigh

func (o Options) threshold() record.Severity { return cmp.Or(o.Threshold, DefaultThreshold) }

func (o Options) databases() []string {
	// The mirror first: ghcr.io limits how often anonymous clients may ask
	// (aquasecurity/trivy-action#389).
	first := []string{"mirror.gcr.io/aquasec/trivy-db:2", "ghcr.io/aquasecurity/trivy-db:2"}
	if o.Database != "" {
		first = []string{o.Database}
	}
	return append(first, o.DatabaseFallbacks...)
}

func (o Options) log() *slog.Logger {
	if o.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Log
}
