// Package config turns flags, STAGECREW_* environment variables and
// stagecrew.yaml into one [Settings] value. Every setting has one name: the flag
// --some-flag is the file's key some-flag and the variable STAGECREW_SOME_FLAG.
// The order is flag, environment, file, default.
//
// A setting is one field of a group; its tags say all that there is to say of it
// (see [Setting]), and those of its group in [Settings] which commands have it.
package config

import (
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Settings holds every setting of every command, group by group. A command fills
// only the groups that it has.
type Settings struct {
	Common       `title:"Of every command" commands:"*"`
	ImageRef     `title:"The image" commands:"scan sign verify validate promote preflight deploy"`
	Built        `title:"An image that was built before" commands:"run"`
	Build        `title:"Build" commands:"run build"`
	PushedTo     `title:"Where the image is pushed" commands:"run build preflight"`
	Version      `title:"What is built" commands:"run build promote"`
	Registry     `title:"Registries" commands:"run build scan sign verify validate promote migrations preflight deploy rollback recover"`
	Requests     `title:"Requests to registries" commands:"run build sign verify validate promote migrations"`
	Tagging      `title:"Tags" commands:"run promote"`
	Promotion    `title:"Promotion" commands:"promote"`
	Scan         `title:"Scan" commands:"run scan"`
	Sign         `title:"Signatures that are made" commands:"run sign"`
	Trust        `title:"Signatures that are wanted" commands:"run verify promote deploy rollback recover"`
	Roots        `title:"Roots of trust" commands:"run sign verify promote deploy rollback recover"`
	ScanAge      `title:"Age of the scan" commands:"run verify promote deploy"`
	Unsigned     `title:"Unsigned images" commands:"run promote deploy rollback recover"`
	Cluster      `title:"The cluster and the release" commands:"run preflight deploy gate smoke rollback recover status"`
	Helm         `title:"The chart" commands:"run preflight deploy"`
	Database     `title:"The database of the release" commands:"run preflight deploy rollback recover"`
	Migrated     `title:"Rollbacks from migrated databases" commands:"run preflight deploy rollback recover"`
	Dumps        `title:"Dumps of the databases" commands:"run preflight deploy rollback recover"`
	Unlocking    `title:"Locks of migrations" commands:"recover"`
	Schema       `title:"Migrations of databases" commands:"run migrations preflight deploy rollback recover"`
	SafeRollback `title:"Rollbacks that the database allows" commands:"run preflight deploy"`
	Origin       `title:"The image that is live" commands:"migrations"`
	Checks       `title:"Smoke checks" commands:"run preflight deploy gate smoke rollback recover"`
	Gate         `title:"Judging a rollout" commands:"run deploy gate rollback recover"`
	Deadline     `title:"Time of a deploy" commands:"run preflight deploy gate recover"`
	RollbackTime `title:"Time of a rollback" commands:"run preflight deploy rollback recover"`
	History      `title:"History" commands:"run deploy rollback recover"`
	Trial        `title:"Dry run" commands:"deploy rollback"`
	GitHub       `title:"GitHub's page of deployments" commands:"run deploy rollback recover"`
	Destination  `title:"Where to" commands:"migrations rollback"`
	Target       `title:"Target of a rollback" commands:"rollback"`
	Start        `title:"The first files of a repository" commands:"init"`
	Secrets
}

// Common are the settings of every command.
type Common struct {
	Config string `name:"config" action:",main" path:"name" file:"-" value:"FILE" help:"configuration FILE; default stagecrew.yaml if it is there"`
	Output Output `name:"output" short:"o" action:"-" default:"text" help:"form of the result on stdout"`
	Record string `name:"record" path:"write" value:"FILE" help:"also write the run record to FILE"`
}

// ImageRef is the image of a command that does not build one.
type ImageRef struct {
	Image string `name:"image" value:"REPOSITORY@sha256:…" help:"image by digest, REPOSITORY@sha256:…"`
}

// Built is the image of a run that an earlier job has built, which had none of the
// secrets.
type Built struct {
	BuiltImage string `name:"built-image" action:",main" value:"REPOSITORY@sha256:…" help:"image by digest, REPOSITORY@sha256:…, that an earlier job of the same workflow run has built: nothing is built here; @sha256:… is one in --repository"`
}

// Build is how the image is made and where it is pushed.
type Build struct {
	Source          string         `name:"source" action:"context,main" path:"name" value:"DIR" default:"." help:"root DIR of the Backstage workspace to build"`
	BaseImage       string         `name:"base-image" value:"IMAGE" default:"docker.io/library/node:22-bookworm-slim" help:"IMAGE to put the application on"`
	Platform        string         `name:"platform" action:"platforms,main" value:"OS/ARCH" default:"linux/amd64" help:"OS/ARCH of the image; several, separated by commas, make an index"`
	Builder         record.Builder `name:"builder" default:"auto" help:"what makes the image"`
	Prepare         bool           `name:"prepare" action:",main" help:"install, compile and bundle the workspace before its image is built"`
	InstallFlags    []string       `name:"install-flag" value:"FLAG" help:"FLAG for the installation of the production dependencies, repeatable"`
	InstallInputs   []string       `name:"install-input" value:"FILE" help:"further FILE of the source that this installation reads, repeatable"`
	InstallScripts  []string       `name:"allow-install-scripts" value:"PACKAGE" help:"PACKAGE whose install scripts may run during the installation, repeatable; * for all (the only value for Yarn, where dependenciesMeta in package.json names packages)"`
	BuildEnv        []string       `name:"build-env" value:"NAME" help:"NAME of a variable that the programs of the build get, too, repeatable"`
	BuildInclude    []string       `name:"build-include" value:"FILE" help:"further FILE or folder of the source that the application needs, repeatable"`
	DependencyTrees []string       `name:"dependency-tree" value:"PLATFORM=DIR" help:"PLATFORM=DIR with the dependencies installed for one platform, repeatable"`
	CacheRepository string         `name:"cache-repository" value:"HOST/PATH" help:"HOST/PATH that keeps the layers of dependencies; default the image's own repository"`
	NoCache         bool           `name:"no-cache" help:"do not read from or write to the layer cache"`
	BuildTimeout    time.Duration  `name:"build-timeout" default:"1h" help:"how long the whole build may take, with --prepare and the push (0: no limit)"`
	Dockerfile      string         `name:"dockerfile" action:"file" path:"name" value:"FILE" help:"FILE in the source for the builder dockerfile; default Dockerfile"`
	DockerfileStage string         `name:"dockerfile-target" action:"target" value:"STAGE" help:"STAGE of the Dockerfile to build; default the last one"`
	BuildArgs       []string       `name:"build-arg" action:"build-args,main" value:"KEY=VALUE" help:"KEY=VALUE for the Dockerfile, repeatable; it stays in the image"`
	BuildSecrets    []string       `name:"build-secret" action:"secrets" value:"id=NAME,src=FILE" help:"id=NAME,src=FILE or id=NAME,env=VARIABLE for the Dockerfile, repeatable; it does not stay in the image"`
	BuildTool       string         `name:"build-tool" value:"PROGRAM" help:"PROGRAM that builds the Dockerfile: docker (with buildx) or buildctl; default what is there"`
	Labels          []string       `name:"label" action:"labels" value:"KEY=VALUE" help:"KEY=VALUE of the image, repeatable"`
	SourceURL       string         `name:"source-url" value:"URL" help:"URL of the source, for the image's labels; default the repository in GitHub Actions"`
}

// PushedTo is where the image is, or will be.
type PushedTo struct {
	Repository string `name:"repository" action:",main" value:"HOST/PATH" help:"HOST/PATH to push the image to, without a tag"`
}

// Version is what is built, for labels and tags.
type Version struct {
	VersionLabel string `name:"version-label" help:"version of the application, for the image's labels; a semantic one also for its tags; default that of the Git tag in GitHub Actions"`
	Revision     string `name:"revision" value:"COMMIT" help:"COMMIT that is built, for the image's labels and tags; default for build and run in GitHub Actions the one that is checked out"`
}

// Registry is how registries may be asked.
type Registry struct {
	InsecureRegistries []string `name:"insecure-registry" value:"HOST" pattern:"^[^/\\s]*$" want:"HOST and HOST:PORT, without a scheme or path" help:"HOST or HOST:PORT of a registry that may be asked without encryption, repeatable; credentials go there in clear text"`
}

// Requests is how patiently registries are asked.
type Requests struct {
	PushAttempts int `name:"push-attempts" default:"8" least:"1" help:"how often each request to a registry is tried (1: once)"`
}

// Tagging is which tags move to the image.
type Tagging struct {
	Tags   []string `name:"tag" action:"tags,main" value:"TAG" help:"further TAG that moves to the image after everything else succeeded, repeatable"`
	Branch string   `name:"branch" value:"BRANCH" help:"BRANCH whose name becomes a tag, too; default for run the branch in GitHub Actions"`
}

// Promotion is where a verified image is copied to.
type Promotion struct {
	ToRepository string `name:"to-repository" value:"HOST/PATH" help:"HOST/PATH to promote the image to; default its own repository"`
}

// ScanReports are the files of a scan's reports, "" for none.
type ScanReports struct {
	JSON       string `name:"scan-json" path:"write" value:"FILE" help:"write Trivy's JSON report to this FILE"`
	SARIF      string `name:"scan-sarif" path:"write" value:"FILE" help:"write a SARIF report to this FILE"`
	CycloneDX  string `name:"scan-cyclonedx" path:"write" value:"FILE" help:"write a CycloneDX SBOM to this FILE"`
	SPDX       string `name:"scan-spdx" path:"write" value:"FILE" help:"write an SPDX SBOM to this FILE"`
	CosignVuln string `name:"scan-cosign-vuln" path:"write" value:"FILE" help:"write the predicate of a vulnerability attestation to this FILE"`

	GitHubCodeScanning Telling `name:"github-code-scanning" default:"auto" help:"whether the SARIF report is also sent to GitHub's page of code scanning"`
}

// Scan is what an image is compared with, and what refuses it.
type Scan struct {
	ScanDatabase       string          `name:"scan-database" value:"REFERENCE" help:"vulnerability database, an OCI REFERENCE"`
	ScanThreshold      record.Severity `name:"scan-threshold" action:"severity,main" default:"HIGH" help:"lowest severity that refuses the image"`
	ScanFixedOnly      bool            `name:"scan-fixed-only" action:"ignore-unfixed,main" help:"only findings that have a fix refuse the image"`
	ScanCacheDir       string          `name:"scan-cache-dir" action:"cache-dir" path:"name" value:"DIR" help:"DIR that keeps the database between runs; default in the user's cache"`
	ScanMaxDatabaseAge time.Duration   `name:"scan-max-database-age" help:"refuse to judge with an older database (0: any age)"`
	ScanFallbacks      []string        `name:"scan-database-fallback" value:"REFERENCE" help:"further database REFERENCE, for when those before cannot be reached, repeatable"`
	ScanOffline        bool            `name:"scan-offline" help:"use the database that is in the cache"`
	ScanTimeout        time.Duration   `name:"scan-timeout" default:"30m" help:"how long the whole scan may take (0: no limit)"`
	ScanRequireAll     bool            `name:"scan-require-all" help:"refuse to judge an image of which any comparison could not be made, also for the version of an advisory, or where that is allowed"`
	ScanIncomplete     []string        `name:"scan-allow-incomplete" value:"PATH" help:"PATH in the image, a pattern with **, of a package that may be unreadable or of a version that cannot be compared, repeatable"`
	ScanIgnoreFile     string          `name:"scan-ignore-file" path:"read" value:"FILE" help:"FILE of findings to ignore: YAML, each with a statement and expired_at, or text in the form of .trivyignore"`
	ScanVEX            []string        `name:"scan-vex" path:"read" value:"FILE" help:"FILE of VEX statements (OpenVEX or CSAF), repeatable"`
	ScanSecrets        bool            `name:"scan-secrets" help:"look for credentials in the image, too"`
	ScanMisconfig      bool            `name:"scan-misconfigurations" help:"check the configuration of the image, too"`
	ScanReports        ScanReports
}

// Sign is how an image is signed, and what is attested with it.
type Sign struct {
	SignKey       string                 `name:"sign-key" action:",main" path:"name" value:"KEY" help:"private KEY: a file, whose password comes from COSIGN_PASSWORD, env://NAME, or the URI of a KMS; without it the workflow signs keyless"`
	SignFormat    record.SignatureFormat `name:"sign-format" default:"both" help:"how signatures are stored"`
	SigningConfig string                 `name:"signing-config" path:"read" value:"FILE" help:"FILE with the authorities of keyless signatures (signing_config.json); default the public Sigstore"`
	Attest        Kinds                  `name:"attest" value:"KIND" help:"what to attest, KIND or KIND=FILE, repeatable; none, a predicate type, {choices}; default what the run knows"`

	GitHubAttestations Telling `name:"github-attestations" default:"auto" help:"whether GitHub's store of attestations gets what a workflow attests keyless, too"`
}

// Trust is whose signatures and which attestations an image must have.
type Trust struct {
	VerifyKey            string `name:"verify-key" path:"name" value:"KEY" help:"public KEY that must have signed the image: a file, env://NAME or the URI of a KMS"`
	VerifyIdentity       string `name:"verify-identity" help:"identity that must stand in the signing certificate"`
	VerifyIdentityRegexp string `name:"verify-identity-regexp" value:"REGEX" help:"REGEX that must match the whole identity in the signing certificate"`
	VerifyIssuer         string `name:"verify-issuer" value:"URL" help:"URL of the issuer of that identity"`
	RequireAttestations  Kinds  `name:"require-attestation" value:"KIND" help:"KIND of attestation that the image must have, repeatable: a predicate type, {choices}"`
	VerifyRepository     string `name:"verify-repository" value:"URL" help:"URL of the repository that the attested provenance must name"`
}

// Roots are what keyless signatures are checked with.
type Roots struct {
	TrustedRoot string `name:"trusted-root" path:"read" value:"FILE" help:"FILE with the roots of keyless signatures (trusted_root.json); default the public Sigstore"`
}

// ScanAge is how old the attested scan of an image may be.
type ScanAge struct {
	MaxScanAge time.Duration `name:"max-scan-age" help:"refuse an image whose newest attested scan is older (0: any age, and none is needed)"`
}

// Unsigned lets an image pass whose signature is not checked.
type Unsigned struct {
	AllowUnsignedUnsafe bool `name:"allow-unsigned-unsafe" file:"-" help:"deploy without checking a signature"`
}

// Cluster is where the release is.
type Cluster struct {
	Release         string        `name:"release" action:",main" value:"NAME" help:"NAME of the Helm release"`
	Namespace       string        `name:"namespace" action:",main" short:"n" help:"namespace of the release; default that of the kube context"`
	ImageValuesPath string        `name:"image-values-path" value:"PATH" default:"image" help:"PATH in the chart's values that takes repository and digest"`
	Kubeconfig      string        `name:"kubeconfig" action:",main" path:"name" value:"FILE" help:"kubeconfig FILE; default as kubectl"`
	KubeContext     string        `name:"kube-context" value:"NAME" help:"NAME of the context in the kubeconfig"`
	APIPatience     time.Duration `name:"api-patience" default:"20s" help:"how long requests are repeated while the API server does not answer (0: not at all)"`
}

// Helm is what is rendered and applied.
type Helm struct {
	Chart          string   `name:"chart" action:",main" path:"name" value:"DIR" help:"Helm chart, a DIR or oci:// reference"`
	Values         []string `name:"values" action:",main" path:"name" short:"f" value:"FILE" help:"values FILE, repeatable, the last wins"`
	Set            []string `name:"set" action:",main" value:"KEY=VALUE" help:"KEY=VALUE over the values files, repeatable"`
	RequireDigests bool     `name:"require-digests" help:"refuse a chart that runs any image by a tag; without it that is a warning"`
	AllowDelete    []string `name:"allow-delete" value:"KIND/NAME" pattern:"^([A-Za-z][A-Za-z0-9.-]*/[^/\\s]+|[Aa][Ll][Ll])$" want:"KIND/NAME, such as PersistentVolumeClaim/data, and all" help:"KIND/NAME that a deploy may delete although data or running pods go with it, repeatable; all for any"`
}

// Origin is the image that another one is compared with.
type Origin struct {
	From string `name:"from" file:"-" value:"IMAGE" help:"IMAGE that is live, by digest or tag"`
}

// Checks are the smoke checks and where they are sent.
type Checks struct {
	Smoke         string   `name:"smoke" path:"name" value:"FILE" default:"backstage" help:"FILE of smoke checks, or backstage, or none"`
	SmokeServices []string `name:"smoke-service" value:"NAME[:PORT]" help:"NAME[:PORT] of a Service that the smoke checks go through, repeatable; default those that lead to what runs the image"`
	SmokeBrowser  string   `name:"smoke-browser" value:"PROGRAM" help:"Chromium, a PROGRAM, for smoke checks with browser; default one of the usual names"`
	PublicURL     string   `name:"public-url" value:"URL" help:"URL at which users reach the application; the smoke checks are sent there, too"`
}

// Gate is how a rollout is judged.
type Gate struct {
	Soak         Soak     `name:"soak" default:"auto" help:"how long new pods must stay well once all are ready, while the smoke checks run: auto is 10 to 30 seconds, by their liveness probes, and up to two minutes for one that asks late; 0 is for tests"`
	RolloutRules []string `name:"rollout-rule" value:"CODE=RULE" help:"CODE=RULE for a condition of a rollout, repeatable; RULE is terminal, ignore or a grace such as 90s"`
	LogPatterns  []string `name:"log-pattern" value:"REGEX" help:"REGEX of a log line after which a pod will never be ready, repeatable; backstage selects the preset, the default when none is given"`
	EvidenceDir  string   `name:"evidence-dir" path:"folder" value:"DIR" default:"stagecrew-evidence" help:"DIR for what is known of a failed revision"`
}

// Deadline is how long a deploy may take.
type Deadline struct {
	Timeout time.Duration `name:"timeout" action:",main" default:"10m" help:"time for the whole deploy, the rollback excluded (0: no limit)"`
}

// RollbackTime is how long a rollback may take.
type RollbackTime struct {
	RollbackTimeout time.Duration `name:"rollback-timeout" default:"5m" help:"time for a rollback and its checks (0: no limit)"`
}

// History is what is kept of a release.
type History struct {
	HistoryMax int `name:"history-max" default:"20" help:"revisions to keep in the history (0: no limit); verified-good ones that a rollback may need always stay"`
}

// Trial is a change that is only looked at.
type Trial struct {
	DryRun        bool    `name:"dry-run" help:"show what would change and change nothing"`
	GitHubComment Telling `name:"github-comment" default:"auto" help:"whether a dry run for a pull request is told in a comment of it, one that is kept up to date"`
}

// GitHub is what GitHub's page of deployments is told of a release.
type GitHub struct {
	GitHubDeployment     Telling `name:"github-deployment" default:"auto" help:"whether GitHub's page of deployments is told what runs"`
	GitHubEnvironment    string  `name:"github-environment" value:"NAME" pattern:"^.{0,255}$" want:"at most 255 characters" help:"NAME of the environment on that page; default RELEASE/NAMESPACE"`
	GitHubEnvironmentURL string  `name:"github-environment-url" value:"URL" pattern:"^(https?://[^/].*)?$" want:"http:// or https:// with a host" help:"URL that the page leads to; default that of --public-url"`
}

// Destination is the revision of a rollback, or the image of a comparison.
type Destination struct {
	To string `name:"to" value:"REVISION" help:"REVISION to roll back to; default the last verified-good one before the live one; for migrations the image that is to come, by digest or tag"`
}

// Target is what else says where a rollback goes back to.
type Target struct {
	ToDigest       string `name:"to-digest" value:"DIGEST" pattern:"^(sha256:[0-9a-f]{64})?$" want:"sha256: and 64 lower-case hexadecimal digits" help:"image DIGEST to roll back to, sha256:…"`
	ForceBadUnsafe bool   `name:"force-bad-unsafe" file:"-" help:"go back to a revision although it failed its checks"`
	Reason         string `name:"reason" help:"why, for the record"`
}

// Start is what init does with a repository.
type Start struct {
	Check bool `name:"check" file:"-" action:"-" help:"write nothing, and refuse when a file is missing or no longer says what is true"`
}

// Secrets come from the environment only, never from a flag or the file. Their values are
// shown nowhere, but for those with the tag public.
type Secrets struct {
	SignPassword     []byte `variable:"COSIGN_PASSWORD" help:"password of the private key"`
	VerdictKey       []byte `variable:"STAGECREW_VERDICT_KEY" help:"key that signs the verdicts on revisions, so that nobody else can write them"`
	RegistryUsername string `variable:"REGISTRY_USERNAME" public:"true" help:"user of the image's registry"`
	RegistryPassword string `variable:"REGISTRY_PASSWORD" help:"its password or token"`
}
