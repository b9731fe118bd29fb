package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/spf13/pflag"
)

// flag is one row of the table of settings.
type flag struct {
	name  string
	usage string
	add   func(fs *pflag.FlagSet, s *Settings, name, usage string)
}

// table lists every setting once: its name, its meaning, its type and default.
func table() []flag {
	return []flag{
		{"config", "configuration `FILE`; default stagecrew.yaml if it is there", text(func(s *Settings) *string { return &s.Config }, "")},
		{"output", "form of the result on stdout: text or json", func(fs *pflag.FlagSet, s *Settings, name, usage string) {
			s.Output = OutputText
			fs.Var(&s.Output, name, usage)
		}},
		{"record", "write the record of the run to this `FILE`, too", text(func(s *Settings) *string { return &s.Record }, "")},

		{"source", "workspace root of the Backstage `DIR`ectory to build", text(func(s *Settings) *string { return &s.Source }, ".")},
		{"base-image", "`IMAGE` to put the application on", text(func(s *Settings) *string { return &s.BaseImage }, "docker.io/library/node:22-bookworm-slim")},
		{"repository", "`HOST/PATH` to push the image to, without a tag", text(func(s *Settings) *string { return &s.Repository }, "")},
		{"platform", "`OS/ARCH` of the image; several, separated by commas, make an index", text(func(s *Settings) *string { return &s.Platform }, "linux/amd64")},
		{"version-label", "version of the application, for the image's labels; a semantic one also for its tags; default that of the Git tag in GitHub Actions", text(func(s *Settings) *string { return &s.VersionLabel }, "")},
		{"revision", "`COMMIT` that is built, for the image's labels and tags; default for build and run the one in GitHub Actions", text(func(s *Settings) *string { return &s.Revision }, "")},
		{"builder", "what makes the image: layers, for Node backends, needs no daemon; dockerfile drives BuildKit; auto chooses and says why", func(fs *pflag.FlagSet, s *Settings, name, usage string) {
			s.Builder = "auto"
			fs.Var(&s.Builder, name, usage)
		}},
		{"prepare", "install, compile and bundle the workspace before its image is built", boolean(func(s *Settings) *bool { return &s.Prepare })},
		{"install-flag", "`FLAG` for the installation of the production dependencies, repeatable", list(func(s *Settings) *[]string { return &s.InstallFlags })},
		{"install-input", "further `FILE` of the source that this installation reads, repeatable", list(func(s *Settings) *[]string { return &s.InstallInputs })},
		{"allow-install-scripts", "`PACKAGE` whose install scripts may run during the installation, repeatable; * for all (the only value for Yarn, where dependenciesMeta in package.json names packages)", list(func(s *Settings) *[]string { return &s.InstallScripts })},
		{"build-env", "`NAME` of a variable that the programs of the build get, too, repeatable", list(func(s *Settings) *[]string { return &s.BuildEnv })},
		{"build-include", "further `FILE` or folder of the source that the application needs, repeatable", list(func(s *Settings) *[]string { return &s.BuildInclude })},
		{"dependency-tree", "`PLATFORM=DIR` with the dependencies installed for one platform, repeatable", list(func(s *Settings) *[]string { return &s.DependencyTrees })},
		{"cache-repository", "`HOST/PATH` that keeps the layers of dependencies; default the image's own repository", text(func(s *Settings) *string { return &s.CacheRepository }, "")},
		{"no-cache", "take no layer of an earlier build and leave none", boolean(func(s *Settings) *bool { return &s.NoCache })},
		{"dockerfile", "`FILE` in the source for the builder dockerfile; default Dockerfile", text(func(s *Settings) *string { return &s.Dockerfile }, "")},
		{"dockerfile-target", "`STAGE` of the Dockerfile to build; default the last one", text(func(s *Settings) *string { return &s.DockerfileStage }, "")},
		{"build-arg", "`KEY=VALUE` for the Dockerfile, repeatable; it stays in the image", list(func(s *Settings) *[]string { return &s.BuildArgs })},
		{"build-secret", "`id=NAME,src=FILE` or id=NAME,env=VARIABLE for the Dockerfile, repeatable; it does not stay in the image", list(func(s *Settings) *[]string { return &s.BuildSecrets })},
		{"build-tool", "`PROGRAM` that builds the Dockerfile: docker (with buildx) or buildctl; default what is there", text(func(s *Settings) *string { return &s.BuildTool }, "")},
		{"label", "`KEY=VALUE` of the image, repeatable", list(func(s *Settings) *[]string { return &s.Labels })},
		{"source-url", "`URL` of the source, for the image's labels; default the repository in GitHub Actions", text(func(s *Settings) *string { return &s.SourceURL }, "")},
		{"push-attempts", "how often each request to a registry is tried", func(fs *pflag.FlagSet, s *Settings, name, usage string) {
			fs.IntVar(&s.PushAttempts, name, 8, usage)
		}},
		{"insecure-registry", "`HOST` or HOST:PORT of a registry that may be asked without encryption, repeatable; credentials go there in clear text", list(func(s *Settings) *[]string { return &s.InsecureRegistries })},
		{"tag", "further `TAG` that moves to the image after everything else succeeded, repeatable", list(func(s *Settings) *[]string { return &s.Tags })},
		{"branch", "`BRANCH` whose name becomes a tag, too; default for run the branch in GitHub Actions", text(func(s *Settings) *string { return &s.Branch }, "")},
		{"to-repository", "`HOST/PATH` to promote the image to; default its own repository", text(func(s *Settings) *string { return &s.ToRepository }, "")},

		{"image", "image by digest, `REPOSITORY@sha256:…`", text(func(s *Settings) *string { return &s.Image }, "")},

		{"scan-database", "vulnerability database, an OCI `REFERENCE`", text(func(s *Settings) *string { return &s.ScanDatabase }, "")},
		{"scan-threshold", "lowest severity that refuses the image: UNKNOWN, LOW, MEDIUM, HIGH or CRITICAL", func(fs *pflag.FlagSet, s *Settings, name, usage string) {
			s.ScanThreshold = "HIGH"
			fs.Var(&s.ScanThreshold, name, usage)
		}},
		{"scan-fixed-only", "only findings that have a fix refuse the image", boolean(func(s *Settings) *bool { return &s.ScanFixedOnly })},
		{"scan-cache-dir", "`DIR`ectory that keeps the database between runs; default in the user's cache", text(func(s *Settings) *string { return &s.ScanCacheDir }, "")},
		{"scan-max-database-age", "refuse to judge with an older database (0: any age)", duration(func(s *Settings) *time.Duration { return &s.ScanMaxDatabaseAge }, 0)},

		{"scan-timeout", "how long the whole scan may take", duration(func(s *Settings) *time.Duration { return &s.ScanTimeout }, 30*time.Minute)},
		{"scan-require-all", "refuse to judge an image of which packages could not be compared", boolean(func(s *Settings) *bool { return &s.ScanRequireAll })},
		{"scan-database-fallback", "further database `REFERENCE`, for when those before cannot be reached, repeatable", list(func(s *Settings) *[]string { return &s.ScanFallbacks })},
		{"scan-offline", "use the database that is in the cache", boolean(func(s *Settings) *bool { return &s.ScanOffline })},
		{"scan-ignore-file", "YAML `FILE` of findings to ignore, each with a statement and expired_at", text(func(s *Settings) *string { return &s.ScanIgnoreFile }, "")},
		{"scan-vex", "`FILE` of VEX statements (OpenVEX or CSAF), repeatable", list(func(s *Settings) *[]string { return &s.ScanVEX })},
		{"scan-secrets", "look for credentials in the image, too", boolean(func(s *Settings) *bool { return &s.ScanSecrets })},
		{"scan-misconfigurations", "check the configuration of the image, too", boolean(func(s *Settings) *bool { return &s.ScanMisconfig })},
		{"scan-json", "write Trivy's JSON report to this `FILE`", text(func(s *Settings) *string { return &s.ScanReports.JSON }, "")},
		{"scan-sarif", "write a SARIF report to this `FILE`", text(func(s *Settings) *string { return &s.ScanReports.SARIF }, "")},
		{"scan-cyclonedx", "write a CycloneDX SBOM to this `FILE`", text(func(s *Settings) *string { return &s.ScanReports.CycloneDX }, "")},
		{"scan-spdx", "write an SPDX SBOM to this `FILE`", text(func(s *Settings) *string { return &s.ScanReports.SPDX }, "")},
		{"scan-cosign-vuln", "write the predicate of a vulnerability attestation to this `FILE`", text(func(s *Settings) *string { return &s.ScanReports.CosignVuln }, "")},

		{"sign-key", "private `KEY`: a file, whose password comes from COSIGN_PASSWORD, env://NAME, or the URI of a KMS; without it the workflow signs keyless", text(func(s *Settings) *string { return &s.SignKey }, "")},
		{"sign-format", "how signatures are stored: legacy, which every version of cosign reads, bundle, or both", func(fs *pflag.FlagSet, s *Settings, name, usage string) {
			s.SignFormat = "both"
			fs.Var(&s.SignFormat, name, usage)
		}},
		{"signing-config", "`FILE` with the authorities of keyless signatures (signing_config.json); default the public Sigstore", text(func(s *Settings) *string { return &s.SigningConfig }, "")},
		{"trusted-root", "`FILE` with the roots of keyless signatures (trusted_root.json); default the public Sigstore", text(func(s *Settings) *string { return &s.TrustedRoot }, "")},
		{"attest", "what to attest, `KIND` or KIND=FILE, repeatable; KIND is provenance, vuln, cyclonedx, spdx, verdict, a predicate type or none; default what the run knows", list(func(s *Settings) *[]string { return &s.Attest })},
		{"verify-key", "public `KEY` that must have signed the image: a file, env://NAME or the URI of a KMS", text(func(s *Settings) *string { return &s.VerifyKey }, "")},
		{"verify-identity", "identity that must stand in the signing certificate", text(func(s *Settings) *string { return &s.VerifyIdentity }, "")},
		{"verify-identity-regexp", "`REGEX` that must match the whole identity in the signing certificate", text(func(s *Settings) *string { return &s.VerifyIdentityRegexp }, "")},
		{"verify-issuer", "`URL` of the issuer of that identity", text(func(s *Settings) *string { return &s.VerifyIssuer }, "")},
		{"require-attestation", "`KIND` of attestation that the image must have, repeatable: provenance, vuln, cyclonedx, spdx, verdict or a predicate type", list(func(s *Settings) *[]string { return &s.RequireAttestations })},
		{"max-scan-age", "refuse an image whose newest attested scan is older (0: any age, and none is needed)", duration(func(s *Settings) *time.Duration { return &s.MaxScanAge }, 0)},
		{"verify-repository", "`URL` of the repository that the attested provenance must name", text(func(s *Settings) *string { return &s.VerifyRepository }, "")},
		{"allow-unsigned-unsafe", "deploy without checking a signature", boolean(func(s *Settings) *bool { return &s.AllowUnsignedUnsafe })},

		{"chart", "Helm chart, a `DIR` or oci:// reference", text(func(s *Settings) *string { return &s.Chart }, "")},
		{"release", "`NAME` of the Helm release", text(func(s *Settings) *string { return &s.Release }, "")},
		{"namespace", "namespace of the release; default that of the kube context", text(func(s *Settings) *string { return &s.Namespace }, "")},
		{"values", "values `FILE`, repeatable, the last wins", list(func(s *Settings) *[]string { return &s.Values })},
		{"set", "`KEY=VALUE` over the values files, repeatable", list(func(s *Settings) *[]string { return &s.Set })},
		{"image-values-path", "`PATH` in the chart's values that takes repository and digest", text(func(s *Settings) *string { return &s.ImageValuesPath }, "image")},
		{"require-digests", "refuse a chart that runs any image by a tag; without it that is a warning", boolean(func(s *Settings) *bool { return &s.RequireDigests })},
		{"allow-delete", "`KIND/NAME` that a deploy may delete although data or running pods go with it, repeatable; all for any", list(func(s *Settings) *[]string { return &s.AllowDelete })},
		{"smoke", "`FILE` of smoke checks, or backstage, or none", text(func(s *Settings) *string { return &s.Smoke }, SmokeBackstage)},
		{"public-url", "`URL` at which users reach the application; the smoke checks are sent there, too", text(func(s *Settings) *string { return &s.PublicURL }, "")},
		{"smoke-service", "`NAME[:PORT]` of a Service that the smoke checks go through, repeatable; default those that lead to what runs the image", list(func(s *Settings) *[]string { return &s.SmokeServices })},
		{"soak", "how long new pods must stay well once all are ready, while the smoke checks run: auto is 10 to 30 seconds, by their liveness probes; 0 is for tests", func(fs *pflag.FlagSet, s *Settings, name, usage string) {
			s.Soak = SoakAuto
			fs.Var(&s.Soak, name, usage)
		}},
		{"rollout-rule", "`CODE=RULE` for a condition of a rollout, repeatable; RULE is terminal, ignore or a grace such as 90s", list(func(s *Settings) *[]string { return &s.RolloutRules })},
		{"log-pattern", "`REGEX` of a log line after which a pod will never be ready, repeatable; backstage means the preset, which alone holds when none is given", list(func(s *Settings) *[]string { return &s.LogPatterns })},
		{"evidence-dir", "`DIR`ectory for what is known of a failed revision", text(func(s *Settings) *string { return &s.EvidenceDir }, "stagecrew-evidence")},
		{"history-max", "revisions to keep in the history; verified-good ones that a rollback may need always stay", func(fs *pflag.FlagSet, s *Settings, name, usage string) {
			fs.IntVar(&s.HistoryMax, name, 20, usage)
		}},
		{"dry-run", "show what would change and change nothing", boolean(func(s *Settings) *bool { return &s.DryRun })},
		{"timeout", "time for the whole deploy, the rollback excluded", duration(func(s *Settings) *time.Duration { return &s.Timeout }, 10*time.Minute)},
		{"rollback-timeout", "time for a rollback and its checks", duration(func(s *Settings) *time.Duration { return &s.RollbackTimeout }, 5*time.Minute)},
		{"kubeconfig", "kubeconfig `FILE`; default as kubectl", text(func(s *Settings) *string { return &s.Kubeconfig }, "")},
		{"kube-context", "`NAME` of the context in the kubeconfig", text(func(s *Settings) *string { return &s.KubeContext }, "")},
		{"api-patience", "how long requests are repeated while the API server does not answer", duration(func(s *Settings) *time.Duration { return &s.APIPatience }, 20*time.Second)},

		{"to", "`REVISION` to roll back to; default the last verified-good one before the live one", func(fs *pflag.FlagSet, s *Settings, name, usage string) {
			fs.IntVar(&s.To, name, 0, usage)
		}},
		{"to-digest", "image `DIGEST` to roll back to, sha256:…", text(func(s *Settings) *string { return &s.ToDigest }, "")},
		{"force-bad-unsafe", "go back to a revision although it failed its checks", boolean(func(s *Settings) *bool { return &s.ForceBadUnsafe })},
		{"reason", "why, for the record", text(func(s *Settings) *string { return &s.Reason }, "")},
	}
}

// The values of --smoke that are not files.
const (
	SmokeBackstage = "backstage"
	SmokeNone      = "none"
)

// Names lists the names of all settings in the order of the documentation.
func Names() []string {
	var names []string
	for _, f := range table() {
		names = append(names, f.name)
	}
	return names
}

// Define adds the named settings to fs as flags that write into s. It panics on
// a name that is not in the table: a programming error.
func Define(fs *pflag.FlagSet, s *Settings, names ...string) {
	all := table()
	for _, name := range names {
		i := slices.IndexFunc(all, func(f flag) bool { return f.name == name })
		if i < 0 {
			panic(fmt.Sprintf("config: no setting named %q", name))
		}
		all[i].add(fs, s, name, all[i].usage)
	}
}

type adder = func(fs *pflag.FlagSet, s *Settings, name, usage string)

func text(field func(*Settings) *string, value string) adder {
	return func(fs *pflag.FlagSet, s *Settings, name, usage string) { fs.StringVar(field(s), name, value, usage) }
}

func boolean(field func(*Settings) *bool) adder {
	return func(fs *pflag.FlagSet, s *Settings, name, usage string) { fs.BoolVar(field(s), name, false, usage) }
}

func duration(field func(*Settings) *time.Duration, value time.Duration) adder {
	return func(fs *pflag.FlagSet, s *Settings, name, usage string) {
		fs.DurationVar(field(s), name, value, usage)
	}
}

func list(field func(*Settings) *[]string) adder {
	return func(fs *pflag.FlagSet, s *Settings, name, usage string) {
		fs.StringArrayVar(field(s), name, nil, usage)
	}
}
