package config

import (
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Command is a command of the program. Which groups of settings it has, they say
// themselves: see [Settings].
type Command struct {
	Name, Short, Long string
	// Tells are the subjects that it has something to tell of, without that of the run.
	Tells []record.Subject
}

// judging are the subjects of what judges a release, with further ones.
func judging(more ...record.Subject) []record.Subject {
	return append([]record.Subject{record.SubjectImage, record.SubjectRelease, record.SubjectLive}, more...)
}

// Commands are all commands, in pipeline order.
func Commands() []Command {
	return []Command{
		{"init", "write the first stagecrew.yaml, smoke checks and workflows of a repository",
			"Init looks at the repository in the current folder (workspace, Dockerfile, chart, remote) and writes stagecrew.yaml, smoke.yaml and the workflows deploy.yml and rollback.yml, with what it has found. It overwrites nothing, and says what is left to do. With --check it says what no longer fits (exit 1).",
			nil},
		{"run", "build, scan, sign, verify and deploy in one go",
			"Run does the whole pipeline in one process: it builds and pushes the image while it scans it and checks whether the cluster would take it, then signs, verifies and deploys it. Tags move last.",
			judging(record.SubjectScan, record.SubjectMigrations, record.SubjectTags)},
		{"build", "build the image and push it by digest",
			"Build puts a Backstage workspace onto the base image, layer by layer, or drives BuildKit, and pushes the result by digest. No tag moves.",
			[]record.Subject{record.SubjectImage}},
		{"scan", "scan an image for known vulnerabilities",
			"Scan compares the packages of an image with a vulnerability database. Findings at or above the threshold refuse the image (exit 1); a scan that could not be done is never clean (exit 3).",
			[]record.Subject{record.SubjectImage, record.SubjectScan}},
		{"sign", "sign an image",
			"Sign signs the digest of an image and what is to be attested about it: with a key, whose password comes from COSIGN_PASSWORD, or keyless, as the workflow that runs.",
			[]record.Subject{record.SubjectImage}},
		{"verify", "check the signature of an image",
			"Verify checks that an image was signed by a key or an identity and has the attestations that are wanted, as deploy does before it touches the cluster.",
			[]record.Subject{record.SubjectImage}},
		{"validate", "check that an image is fit for production",
			"Validate looks at a pushed image as a strict cluster would: its user, its entry point, its labels, and what should not be in it. It changes nothing.",
			[]record.Subject{record.SubjectImage}},
		{"promote", "give a verified image its tags, also in another repository",
			"Promote copies a verified image with its signatures and attestations to another repository, also of another registry, with its digest unchanged, and moves the tags there by the same rules as run.",
			[]record.Subject{record.SubjectImage, record.SubjectTags}},
		{"migrations", "say whether a rollback between two images is free",
			"Migrations compares the migration files of two images, read from their registry, and says what a rollback from the second to the first needs of the databases: free (exit 0), or anything else (exit 1). It changes nothing.",
			[]record.Subject{record.SubjectMigrations}},
		{"preflight", "look for what would make a deploy fail",
			"Preflight renders the chart, asks the API server by a dry run, and checks permissions, quota, images and time budgets. It changes nothing. What would certainly fail refuses (exit 1). Without an image it asks as run does before it builds one.",
			[]record.Subject{record.SubjectImage, record.SubjectMigrations}},
		{"deploy", "deploy an image, prove it, or go back",
			"Deploy applies the chart with the verified image, watches the rollout, sends the smoke checks to each new pod, through the Service and to the public URL, and marks the revision verified-good. If anything fails, the last verified-good revision comes back.",
			judging(record.SubjectMigrations)},
		{"gate", "judge a rollout that somebody else started",
			"Gate watches the newest revision of a release, sends the smoke checks and writes the verdict on it. It changes nothing else; a revision that is bad is refused (exit 1).",
			judging()},
		{"smoke", "send the smoke checks",
			"Smoke sends the checks to the pods of a release, through its Services and to the public URL, or to the public URL alone. A check that fails refuses (exit 1); one that cannot be answered leaves the question open (exit 3).",
			nil},
		{"rollback", "go back to an earlier revision and prove it",
			"Rollback puts the newest verified-good revision before the live one back, or the one that --to or --to-digest names. Revisions known bad are refused, and with signature settings those whose image is not signed as they say.",
			judging(record.SubjectMigrations)},
		{"recover", "finish what a dead or cancelled run left",
			"Recover judges a live revision that nobody has judged, and replaces one that is bad or was applied in part by the last verified-good one.",
			judging()},
		{"status", "show the revisions of a release with their verdicts",
			"Status names, for each revision, the image digest, the verdict and when it was given.",
			[]record.Subject{record.SubjectImage, record.SubjectLive}},
	}
}

// TellsOf reports whether the command has something to tell of a subject.
func (c Command) TellsOf(subject record.Subject) bool {
	return subject == record.SubjectRun || slices.Contains(c.Tells, subject)
}

// everyCommand is the tag of a group that all commands have.
const everyCommand = "*"

// Groups are pointers to the groups of the settings that the command has.
func (c Command) Groups(s *Settings) []any {
	var all []any
	for field, at := range reflect.ValueOf(s).Elem().Fields() {
		if of := field.Tag.Get("commands"); of == everyCommand || slices.Contains(strings.Fields(of), c.Name) {
			all = append(all, at.Addr().Interface())
		}
	}
	return all
}

// Define adds the flags of the command, which write into the settings.
func (c Command) Define(flags *pflag.FlagSet, s *Settings) { Define(flags, c.Groups(s)...) }
