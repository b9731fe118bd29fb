// Package config turns flags, STAGECREW_* environment variables and
// stagecrew.yaml into one [Settings] value. Every setting has one name: the flag
// --some-flag is the file's key some-flag and the variable STAGECREW_SOME_FLAG.
// The order is flag, environment, file, default.
package config

import "time"

// ScanReports are the files of a scan's reports, "" for none.
type ScanReports struct{ JSON, SARIF, CycloneDX, SPDX, CosignVuln string }

// Settings holds every setting of every command. A command fills only the ones
// whose flags it defines; see [Define].
type Settings struct {
	Config string // path of the configuration file
	Output Output // form of the result on stdout
	Record string // path the record is written to, "" for none

	Source       string // workspace root to build
	BaseImage    string // image to put the application on
	Repository   string // HOST/PATH to push to
	Platform     string // os/architecture, several with commas
	VersionLabel string // version of the application, for the image's labels and tags
	Revision     string // commit that is built, for the image's labels and tags
	Branch       string // branch that gives a tag, "" for none

	Builder         Builder
	Prepare         bool     // install, compile and bundle first
	InstallFlags    []string // for the package manager
	InstallInputs   []string // further files that the install reads
	InstallScripts  []string // packages whose install scripts may run, or *
	BuildEnv        []string // variables that the programs of the build get, too
	BuildInclude    []string // further files for the image
	DependencyTrees []string // PLATFORM=DIR
	CacheRepository string   // where layers of dependencies are kept
	NoCache         bool
	Dockerfile      string   // path in the source
	DockerfileStage string   // stage to build
	BuildArgs       []string // KEY=VALUE
	BuildSecrets    []string // id=NAME,src=FILE or id=NAME,env=VARIABLE
	BuildTool       string   // docker or buildctl
	Labels          []string // KEY=VALUE
	SourceURL       string   // for the image's labels
	PushAttempts    int      // of each request
	// InsecureRegistries are HOST or HOST:PORT that may be asked without encryption.
	InsecureRegistries []string

	Tags         []string // further tags that move to the image once it is proven
	ToRepository string   // HOST/PATH to promote to

	Image string // REPOSITORY@sha256:…

	ScanDatabase       string        // OCI reference of the vulnerability database
	ScanThreshold      Severity      // findings at or above it block
	ScanFixedOnly      bool          // only findings with a fix block
	ScanCacheDir       string        // where the database is kept between runs
	ScanMaxDatabaseAge time.Duration // 0 for any age
	ScanTimeout        time.Duration // of the whole scan
	ScanRequireAll     bool          // refuse an image of which packages could not be compared
	ScanFallbacks      []string      // further databases
	ScanOffline        bool          // do not ask for a newer database
	ScanIgnoreFile     string        // findings to ignore
	ScanVEX            []string      // statements about what does not matter
	ScanSecrets        bool          // look for credentials, too
	ScanMisconfig      bool          // check the image's configuration, too
	ScanReports        ScanReports   // files to write

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
	RequireDigests  bool     // no image of the chart by a tag
	AllowDelete     []string // KIND/NAME that may go although data or pods go with them
	Smoke           string   // file of checks, or "backstage", or "none"
	PublicURL       string   // where users reach the application, "" for nowhere
	SmokeServices   []string // NAME or NAME:PORT, to be asked instead of what is found
	Soak            Soak
	RolloutRules    []string // CODE=RULE, see pkg/rollout
	LogPatterns     []string // regular expressions, or "backstage"
	EvidenceDir     string   // where evidence is kept
	HistoryMax      int      // revisions to keep
	DryRun          bool     // change nothing
	Timeout         time.Duration
	RollbackTimeout time.Duration
	Kubeconfig      string
	KubeContext     string
	APIPatience     time.Duration // for an API server that does not answer

	To       int    // revision to roll back to, 0 for the last verified-good one
	ToDigest string // image digest to roll back to
	// ForceBadUnsafe allows a revision that is known bad.
	ForceBadUnsafe bool
	Reason         string // why, for the record

	// Secrets come from the environment only, never from a flag or the file.
	SignPassword     []byte // COSIGN_PASSWORD
	VerdictKey       []byte // STAGECREW_VERDICT_KEY
	RegistryUsername string // REGISTRY_USERNAME
	RegistryPassword string // REGISTRY_PASSWORD
}
