package buildkit

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheBaseOfADockerfileIsThatOfItsLastStage(t *testing.T) {
	for name, c := range map[string]struct {
		text, target string
		args         map[string]string
		base         string
		want         string
		labels       []string
	}{
		"one stage":                 {text: "FROM node:22\nLABEL version=1 \"team\"='x'\n", want: "node:22", labels: []string{"team", "version"}},
		"an argument":               {text: "ARG VERSION=22\nARG BASE_IMAGE=node:${VERSION}-slim\nFROM ${BASE_IMAGE}\n", want: "node:22-slim"},
		"an argument that is given": {text: "ARG VERSION=22\nFROM node:$VERSION\n", args: map[string]string{"VERSION": "24"}, want: "node:24"},
		"the base of the settings":  {text: "ARG BASE_IMAGE=node:22\nFROM $BASE_IMAGE\n", base: "mirror.example.com/node:24", want: "mirror.example.com/node:24"},
		"an argument without value": {text: "ARG BASE\nFROM ${BASE:-node:20}\n", want: "node:20"},
		"stages": {
			text: "FROM golang AS build\nLABEL a=1\nFROM node:22 AS tools\nLABEL b=1\nFROM Tools\nLABEL c=1\nCOPY --from=build /x /x\n",
			want: "node:22", labels: []string{"b", "c"},
		},
		"a stage by its number": {text: "FROM node:22\nFROM 0\n", want: "node:22"},
		"a target":              {text: "FROM node:22 AS run\nFROM golang AS test\n", target: "run", want: "node:22"},
		"nothing":               {text: "FROM scratch\nLABEL a=1\n", labels: []string{"a"}},
		"a platform":            {text: "FROM --platform=$BUILDPLATFORM node:22\n", want: "node:22"},
		"another syntax":        {text: "this is no Dockerfile\n"},
		"no stage":              {text: "ARG A=1\n"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "Dockerfile"), []byte(c.text), 0o600))
			got := Build{Source: dir, BaseImage: c.base, Dockerfile: Dockerfile{Target: c.target, Args: c.args}}.Base()
			require.Equal(t, c.want, got.Image)
			require.Equal(t, c.labels, slices.Sorted(maps.Keys(got.Labels)))
		})
	}
}
