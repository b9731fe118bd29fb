// Package config turns flags, STAGECREW_* environment variables and
// stagecrew.yaml into one [Settings] value. Every setting has one name: the flag
// --some-flag is the file's key some-flag and the variable STAGECREW_SOME_FLAG.
// The order is flag, environment, file, default.
package config

import "time"

// Settings holds every setting of every command. A command fills only the ones
// whose flags it defines; see [Define].
type Settings struct {
	Config string // path of the configuration file
	Output Output // form of the result on stdout
	Record string // path the record is written to, "" for none

	Source       string // workspace root to build
	BaseImage    string // image to put the application on
	Repository   string // HOST/PATH to push to
	Platform     string // os/architecture
	VersionLabel string // version of the application, for the image's labels
	Tag          string // tag that moves to the image once it is proven, "" for none

	Image string // REPOSITORY@sha256:…

	ScanDatabase       string        // OCI reference of the vulnerability database
	ScanThreshold      Severity      // findings at or above it block
	ScanFixedOnly      bool          // only findings with a fix block
	ScanCacheDir       string        // where the database is kept between runs
	ScanMaxDatabaseAge time.Duration // 0 for any age

	SignKey              string        // private key: a file, env://NAME or a KMS; "" for keyless
	SignFormat           Format        // how signatures are stored
	SigningConfig        string        // file with the authorities of keyless signatures
	TrustedRoot          string        // file with the roots of keyless signatures
	Attest               []string      // KIND or KIND=FILE; empty for what the run knows
	VerifyKey            string        // public key: a file, env://NAME or a KMS
	VerifyIdentity       string        // identity in the signing certificate
	VerifyIdentityRegexp string        // the same, as a pattern
	VerifyIssuer         string        // issuer of that identity
	RequireAttestations  []string      // kinds that must be attested
	MaxScanAge           time.Duration // of the attested scan; 0 for any age
	VerifyRepository     string        // that the provenance must name; "" for any
	AllowUnsignedUnsafe  bool          // deploy without checking a signature

	Chart           string   // directory or oci:// reference
	Release         string   // name of the Helm release
	Namespace       string   // namespace of the release
	Values          []string // files, the last wins
	Set             []string // key=value, after the files
	ImageValuesPath string   // where the chart takes the image from
	Smoke           string   // file of checks, or "backstage", or "none"
	PublicURL       string   // where users reach the application, "" for nowhere
	Soak            time.Duration
	RolloutRules    []string // CODE=RULE, see pkg/rollout
	LogPatterns     []string // regular expressions, or "backstage"
	EvidenceDir     string   // where evidence is kept
	HistoryMax      int      // revisions to keep
	DryRun          bool     // change nothing
	Timeout         time.Duration
	RollbackTimeout time.Duration
	Kubeconfig      string
	KubeContext     string

	To       int    // revision to roll back to, 0 for the last verified-good one
	ToDigest string // image digest to roll back to
	// ForceBadUnsafe allows a revision that is known bad.
	ForceBadUnsafe bool
	Reason         string // why, for the record

	// Secrets come from the environment only, never from a flag or the file.
	SignPassword []byte // COSIGN_PASSWORD
}
