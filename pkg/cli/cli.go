// Package cli is the command line: the table of commands, their wiring to the
// stages, the record they leave and their exit codes. It is the only package
// that writes outputs, annotations and files.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// command is one row of the command table.
type command struct {
	name     string
	short    string
	long     string
	settings []string
	run      func(context.Context, *session) error
}

// common are the settings of every command.
var common = []string{"config", "output", "record"}

var (
	buildSettings = []string{"insecure-registry", "source", "base-image", "repository", "platform", "version-label", "revision", "builder", "prepare", "install-flag", "install-input", "allow-install-scripts", "build-env",
		"build-include", "dependency-tree", "cache-repository", "no-cache", "dockerfile", "dockerfile-target", "build-arg", "build-secret", "build-tool",
		"label", "source-url", "push-attempts"}
	scanSettings = []string{"insecure-registry", "scan-database", "scan-threshold", "scan-fixed-only", "scan-cache-dir", "scan-max-database-age", "scan-database-fallback",
		"scan-offline", "scan-timeout", "scan-require-all", "scan-ignore-file", "scan-vex", "scan-secrets", "scan-misconfigurations",
		"scan-json", "scan-sarif", "scan-cyclonedx", "scan-spdx", "scan-cosign-vuln"}
	tagSettings      = []string{"tag", "branch"}
	signSettings     = []string{"insecure-registry", "sign-key", "sign-format", "signing-config", "attest"}
	signerSettings   = []string{"insecure-registry", "verify-key", "verify-identity", "verify-identity-regexp", "verify-issuer", "trusted-root", "require-attestation", "verify-repository"}
	trustSettings    = join(signerSettings, []string{"allow-unsigned-unsafe"})
	verifySettings   = join(trustSettings, []string{"max-scan-age"})
	clusterSettings  = []string{"release", "namespace", "image-values-path", "kubeconfig", "kube-context", "api-patience"}
	chartSettings    = []string{"chart", "values", "set", "require-digests", "allow-delete"}
	smokeSettings    = []string{"smoke", "smoke-service", "public-url"}
	gateSettings     = join(smokeSettings, []string{"soak", "rollout-rule", "log-pattern", "evidence-dir"})
	changeSettings   = []string{"rollback-timeout", "history-max"}
	rollbackSettings = []string{"to", "to-digest", "force-bad-unsafe", "reason"}
)

// commands is the command table, in pipeline order.
func commands() []command {
	return []command{
		{"run", "build, scan, sign, verify and deploy in one go",
			"Run does the whole pipeline in one process: it builds and pushes the image while it scans it and looks whether the cluster would take it, then signs, verifies and deploys it. Tags move last.",
			join(buildSettings, scanSettings, signSettings, verifySettings, clusterSettings, chartSettings, gateSettings, changeSettings, []string{"timeout"}, tagSettings), runAll},
		{"build", "build the image and push it by digest",
			"Build puts a Backstage workspace onto the base image, layer by layer, or drives BuildKit, and pushes the result by digest. No tag moves.",
			buildSettings, runBuild},
		{"scan", "scan an image for known vulnerabilities",
			"Scan compares the packages of an image with a vulnerability database. Findings at or above the threshold refuse the image (exit 1); a scan that could not be done is never clean (exit 3).",
			join([]string{"image"}, scanSettings), runScan},
		{"sign", "sign an image",
			"Sign signs the digest of an image and what is to be attested about it: with a key, whose password comes from COSIGN_PASSWORD, or keyless, as the workflow that runs.",
			join([]string{"image"}, signSettings, []string{"trusted-root"}), runSign},
		{"verify", "check the signature of an image",
			"Verify checks that an image was signed by a key or an identity and has the attestations that are wanted, as deploy does before it touches the cluster.",
			join([]string{"image", "max-scan-age"}, signerSettings), runVerify},
		{"validate", "check that an image is fit for production",
			"Validate looks at a pushed image as a strict cluster would: its user, its entry point, its labels, and what should not be in it. It changes nothing.",
			[]string{"image", "push-attempts", "insecure-registry"}, runValidate},
		{"promote", "give a verified image its tags, also in another repository",
			"Promote copies a verified image with its signatures and attestations to another repository, also of another registry, with its digest unchanged, and moves the tags there by the same rules as run.",
			join([]string{"image", "to-repository", "version-label", "revision", "push-attempts"}, tagSettings, verifySettings), runPromote},
		{"preflight", "look for what would make a deploy fail",
			"Preflight renders the chart, asks the API server by a dry run, and checks permissions, quota, images and time budgets. It changes nothing. What would certainly fail refuses (exit 1).",
			join([]string{"image", "insecure-registry"}, clusterSettings, chartSettings, smokeSettings, []string{"timeout", "rollback-timeout"}), runPreflight},
		{"deploy", "deploy an image, prove it, or go back",
			"Deploy applies the chart with the verified image, watches the rollout, sends the smoke checks to each new pod, through the Service and to the public URL, and marks the revision verified-good. If anything fails, the last verified-good revision comes back.",
			join([]string{"image"}, verifySettings, clusterSettings, chartSettings, gateSettings, changeSettings, []string{"timeout", "dry-run"}), runDeploy},
		{"gate", "judge a rollout that somebody else started",
			"Gate watches the newest revision of a release, sends the smoke checks and writes the verdict on it. It changes nothing else; a revision that is bad is refused (exit 1).",
			join(clusterSettings, gateSettings, []string{"timeout"}), runGate},
		{"smoke", "send the smoke checks",
			"Smoke sends the checks to the pods of a release, through its Services and to the public URL, or to the public URL alone. A check that fails refuses (exit 1); one that cannot be answered leaves the question open (exit 3).",
			join(smokeSettings, clusterSettings), runSmoke},
		{"rollback", "go back to an earlier revision and prove it",
			"Rollback puts the newest verified-good revision before the live one back, or the one that --to or --to-digest names. Revisions known bad are refused, and with signature settings those whose image is not signed as they say.",
			join(trustSettings, clusterSettings, gateSettings, changeSettings, rollbackSettings, []string{"dry-run"}), runRollback},
		{"recover", "finish what a dead or cancelled run left",
			"Recover judges a live revision that nobody has judged, and replaces one that is bad or was applied in part by the last verified-good one.",
			join(trustSettings, clusterSettings, gateSettings, changeSettings, []string{"timeout"}), runRecover},
		{"status", "show the revisions of a release with their verdicts",
			"Status names, for each revision, the image digest, the verdict and when it was given.",
			clusterSettings, runStatus},
	}
}

// join puts the groups together; a setting of several groups counts once.
func join(groups ...[]string) []string {
	var all []string
	for _, group := range groups {
		for _, name := range group {
			if !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all
}

// Main runs the command line and gives its exit code. environ is as of os.Environ.
func Main(args, environ []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	code := exitOK
	root := &cobra.Command{
		Use:           "stagecrew",
		Short:         "Builds, scans, signs, deploys, proves and rolls back a release on Kubernetes",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	for _, c := range commands() {
		root.AddCommand(c.cobra(&code, environ, stdout, stderr))
	}
	root.AddCommand(versionCommand(stdout))
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintf(stderr, "stagecrew: %s\nRun 'stagecrew --help' for the commands.\n", stray(environ, err.Error()))
		return exitUsage
	}
	return code
}

// cobra makes the command that resolves the settings, runs and leaves the record.
func (c command) cobra(code *int, environ []string, stdout, stderr io.Writer) *cobra.Command {
	var settings config.Settings
	cmd := &cobra.Command{Use: c.name, Short: c.short, Long: c.long, Args: cobra.NoArgs}
	cmd.Flags().SortFlags = false
	config.Define(cmd.Flags(), &settings, join(c.settings, common)...)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		resolveErr := config.Resolve(cmd.Flags(), environ)
		s := newSession(c.name, settings, environ, stdout, stderr)
		smoke := cmd.Flags().Lookup("smoke")
		s.smokeByDefault = smoke != nil && !smoke.Changed
		if err := s.misplaced(); err != nil {
			s.Record = ""
			*code = s.finish(err)
			return nil
		}
		if resolveErr != nil {
			*code = s.finish(record.BadInput("config/invalid", "%w", resolveErr))
			return nil
		}
		defer guard(cmd.Context(), s)()
		err := attempt(cmd.Context(), s, c.run)
		if err != nil && errors.Is(cmd.Context().Err(), context.Canceled) {
			*code = s.cancel(err)
			return nil
		}
		*code = s.finish(err)
		return nil
	}
	return cmd
}
