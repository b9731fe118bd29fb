package pipeline

import (
	"encoding/json"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/sign"
)

// What stages hand on.
var (
	concerns  = output[[]record.Concern]{"concerns"}
	usableKey = output[done]{"usable key"}
	image     = output[record.Image]{"image"}
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
		{name: "build", maker: making(image, buildStage)},
		{name: "scan", along: keys(image), maker: making(documents, scanStage)},
		{name: "validate", needs: keys(image), maker: making(validated, validateStage)},
		{name: "sign", needs: keys(image, documents), grouped: true, maker: making(signature, signStage)},
		{name: "verify", needs: keys(image, signature), grouped: true, maker: making(verified, verifyStage)},
		{name: "version", needs: keys(image, verified), maker: making(free, versionStage)},
		{name: "promote", needs: keys(image, verified), maker: making(promoted, promoteStage)},
		{name: "deploy", needs: keys(verified, usableKey, concerns, free), grouped: true, maker: making(deployed, deployStage)},
		{name: "attest", needs: keys(image), however: keys(deployed), maker: making(attested, attestStage)},
		{name: "tag", needs: keys(image, promoted, verified, deployed, attested), maker: making(tagged, tagStage)},

		{name: "init", maker: making(started, initStage)},
		{name: "migrations", maker: making(foreseen, migrationsStage)},
		{name: "gate", maker: making(judged, gateStage)},
		{name: "rollback", maker: making(returned, rollbackStage)},
		{name: "recover", maker: making(recovered, recoverStage)},
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

// Command is a command of the command line: a slice of the table.
type Command struct {
	Stages []string
	Effect Effect
}

// Commands are all commands by name.
func Commands() map[string]Command {
	return map[string]Command{
		"init":       {[]string{"init"}, Nothing},
		"run":        {[]string{"preflight", "key", "build", "scan", "sign", "verify", "version", "deploy", "attest", "tag"}, Release},
		"build":      {[]string{"build"}, Registry},
		"scan":       {[]string{"scan"}, Nothing},
		"sign":       {[]string{"sign"}, Registry},
		"verify":     {[]string{"verify"}, Nothing},
		"validate":   {[]string{"validate"}, Nothing},
		"promote":    {[]string{"verify", "promote", "tag"}, Registry},
		"migrations": {[]string{"migrations"}, Nothing},
		"preflight":  {[]string{"preflight"}, Nothing},
		"deploy":     {[]string{"verify", "deploy"}, Release},
		"gate":       {[]string{"gate"}, Release},
		"smoke":      {[]string{"smoke"}, Nothing},
		"rollback":   {[]string{"rollback"}, Release},
		"recover":    {[]string{"recover"}, Release},
		"status":     {[]string{"status"}, Nothing},
	}
}
