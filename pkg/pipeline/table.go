package pipeline

import (
	"encoding/json"
	"slices"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/sign"
)

// What stages hand on.
var (
	concerns  = output[[]record.Concern]{"concerns"}
	usableKey = output[done]{"usable key"}
	image     = output[record.Image]{"image"}
	offered   = output[*offers]{"images on their way"}          // to the stage that looks at them while they are pushed, if there is one
	documents = output[map[string]json.RawMessage]{"documents"} // of the scan, by kind of attestation
	validated = output[done]{"checks"}
	signature = output[sign.Signature]{"signature"}
	verified  = output[record.Verified]{"verified image"}
	free      = output[done]{"free version"}
	promoted  = output[record.Image]{"promoted image"}
	deployed  = output[record.Record]{"deployment"}
	attested  = output[done]{"attested verdict"}
	tagged    = output[done]{"tags"}
	started   = output[done]{"first files"}
	foreseen  = output[done]{"foreseen rollback"}
	judged    = output[record.Record]{"judgement"}
	returned  = output[record.Record]{"rollback"}
	recovered = output[record.Record]{"recovery"}
	answers   = output[done]{"answers"}
	statuses  = output[done]{"revisions"}
)

// done is the output of a stage that others only wait for.
type done struct{}

// table is the pipeline, in the order of the data flow. The cluster is asked whether
// it would take the image, and the key whether it can sign, while the image is built;
// the image is scanned while it is pushed; tags move when all else has succeeded.
func table() []stage {
	return []stage{
		{name: "preflight", maker: making(concerns, preflightStage)},
		{name: "key", maker: making(usableKey, keyStage)},
		{name: "build", along: keys(offered), effect: Registry, maker: making(image, buildStage)},
		{name: "scan", along: keys(offered), maker: making(documents, scanStage)},
		{name: "validate", needs: keys(image), maker: making(validated, validateStage)},
		{name: "sign", needs: keys(image, documents), effect: Registry, grouped: true, maker: making(signature, signStage)},
		{name: "verify", needs: keys(image, signature), grouped: true, maker: making(verified, verifyStage)},
		{name: "version", needs: keys(image, verified), maker: making(free, versionStage)},
		{name: "promote", needs: keys(image, verified), effect: Registry, maker: making(promoted, promoteStage)},
		{name: "deploy", needs: keys(verified, usableKey, concerns, free), effect: Release, grouped: true, maker: making(deployed, deployStage)},
		{name: "attest", needs: keys(image), however: keys(deployed), effect: Registry, maker: making(attested, attestStage)},
		{name: "tag", needs: keys(image, promoted, verified, deployed, attested), effect: Registry, maker: making(tagged, tagStage)},

		{name: "init", maker: making(started, initStage)},
		{name: "migrations", maker: making(foreseen, migrationsStage)},
		{name: "gate", effect: Release, maker: making(judged, gateStage)},
		{name: "rollback", effect: Release, maker: making(returned, rollbackStage)},
		{name: "recover", effect: Release, maker: making(recovered, recoverStage)},
		{name: "smoke", maker: making(answers, smokeStage)},
		{name: "status", maker: making(statuses, statusStage)},
	}
}

// Effect is what a command may leave half-way when it is stopped.
type Effect int

// The effects, from none to the largest.
const (
	Nothing Effect = iota // it only looks
	Registry
	Release
)

// Command is a command of the command line: a slice of the table. Its effect is the
// largest of its stages.
type Command struct {
	Stages []string
	Effect Effect
}

// several are the commands that are more than the stage of their name.
var several = map[string][]string{
	"run":     {"preflight", "key", "build", "scan", "sign", "verify", "version", "deploy", "attest", "tag"},
	"promote": {"verify", "promote", "tag"},
	"deploy":  {"verify", "deploy"},
}

// Commands are all commands by name.
func Commands() map[string]Command {
	all, rows := map[string]Command{}, table()
	for _, c := range config.Commands() {
		command := Command{Stages: several[c.Name]}
		if command.Stages == nil {
			command.Stages = []string{c.Name}
		}
		for _, row := range rows {
			if slices.Contains(command.Stages, row.name) {
				command.Effect = max(command.Effect, row.effect)
			}
		}
		all[c.Name] = command
	}
	return all
}
