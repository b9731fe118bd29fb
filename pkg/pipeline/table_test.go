package pipeline

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestCommands_EachIsASliceOfTheTable(t *testing.T) {
	rows := map[string]bool{}
	for _, row := range table() {
		require.False(t, rows[row.name], "two stages are called %q", row.name)
		rows[row.name] = false
	}
	require.Len(t, Commands(), len(config.Commands()))
	for _, c := range config.Commands() {
		command, found := Commands()[c.Name]
		require.True(t, found, c.Name)
		require.NotEmpty(t, command.Stages, c.Name)
		for _, name := range command.Stages {
			require.Contains(t, rows, name, c.Name)
			rows[name] = true
		}
	}
	for name, used := range rows {
		require.True(t, used, "no command has the stage %q", name)
	}
}

func TestTable_WhatAStageNeedsIsMadeBefore(t *testing.T) {
	made := map[key]bool{offered.key: true} // by the slice
	for _, row := range table() {
		for _, need := range slices.Concat(row.before(), row.along) {
			require.True(t, made[need], "%s needs %q, which no stage before it makes", row.name, need)
		}
		require.False(t, made[row.gives], "two stages make %q", row.gives)
		made[row.gives] = true
	}
}

func TestOverlap_OnlyARunHasStagesSideBySide(t *testing.T) {
	for name, c := range Commands() {
		require.Equal(t, name == "run", newSlice(c, config.Settings{}, Host{}).sideBySide, name)
	}
	whole := newSlice(Commands()["run"], config.Settings{}, Host{}).stages
	at := func(name string) stage {
		return whole[slices.IndexFunc(whole, func(s stage) bool { return s.name == name })]
	}
	for _, pair := range [][2]string{{"preflight", "build"}, {"key", "build"}, {"scan", "build"}, {"preflight", "scan"}, {"preflight", "verify"}} {
		require.True(t, overlap([]stage{at(pair[0]), at(pair[1])}), pair)
	}
	for _, pair := range [][2]string{{"build", "deploy"}, {"scan", "sign"}, {"key", "deploy"}, {"preflight", "deploy"}, {"build", "tag"}, {"deploy", "attest"}, {"attest", "tag"}} {
		require.True(t, follows(whole, at(pair[1]), at(pair[0])), pair)
	}
}

// The job that builds runs code of the dependencies, and has none of the secrets; the
// one that deploys takes its image and builds nothing.
func TestARunTakesTheImageOfAnEarlierJob(t *testing.T) {
	digest := "registry.test/web@sha256:" + strings.Repeat("a", 64)
	ledger := &witness{}
	s := newSlice(Commands()["run"], config.Settings{Built: config.Built{BuiltImage: digest}}, Host{Ledger: ledger})
	require.False(t, s.makes(image))
	require.NoError(t, s.giveImage())
	require.Equal(t, digest, s.given[image.key].(record.Image).String())
	require.Equal(t, digest, ledger.record.Image.String())

	// A name that holds a secret's value does not reach the second job: docker/build-push-action#396,
	// docker/metadata-action#214, mr-smithers-excellent/docker-build-push#183.
	settings := config.Settings{Built: config.Built{BuiltImage: strings.TrimPrefix(digest, "registry.test/web")}, PushedTo: config.PushedTo{Repository: "registry.test/web"}}
	s = newSlice(Commands()["run"], settings, Host{Ledger: ledger})
	require.False(t, s.makes(image))
	require.NoError(t, s.giveImage())
	require.Equal(t, digest, s.given[image.key].(record.Image).String())

	for given, want := range map[string]string{
		"registry.test/web:latest": "a tag can move",
		"@":                        "there is no digest in it", // that of a job which gave none
		"@sha256:0":                "is not sha256: and 64",
	} {
		settings.BuiltImage = given
		s = newSlice(Commands()["run"], settings, Host{Ledger: ledger})
		require.False(t, s.makes(image), "%q: nothing is built where the secrets are", given)
		require.ErrorContains(t, s.giveImage(), "--built-image: ", given)
		require.ErrorContains(t, s.giveImage(), want, given)
	}
	settings.Repository, settings.BuiltImage = "", strings.TrimPrefix(digest, "registry.test/web")
	require.ErrorContains(t, newSlice(Commands()["run"], settings, Host{Ledger: ledger}).giveImage(), `repository "" is not HOST`)
	require.True(t, newSlice(Commands()["run"], config.Settings{}, Host{}).makes(image))
}
