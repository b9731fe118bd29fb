package build

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLabelsThatAreSeveralInOneAreRefused(t *testing.T) {
	for value, want := range map[string]string{
		// oxidize-rb/rb-sys#744: folded by YAML
		"Image for building org.opencontainers.image.vendor=x org.oxidize-rb.platform=y": "another label, org.opencontainers.image.vendor=",
		// TecharoHQ/anubis#627: a line break that was written out
		`2025-06-01T21:19:06.147Z\norg.opencontainers.image.description=Weighs\norg.opencontainers.image.licenses=MIT`: "another label, org.opencontainers.image.description=",
		"a\norg.label-schema.name=x": "another label, org.label-schema.name=",
		// docker/metadata-action#451, #87, docker/build-push-action#1200: all of these are one
		"foo#bar": "", `He said "hi", and 'so': a=b`: "", "see org.opencontainers.image.vendor": "", "two\nlines": "", "x?org.opencontainers.image.vendor=1": "",
	} {
		o := Options{Source: "x", BaseImage: "node:24", Platform: "linux/amd64", Repository: "registry.example.com/team/app", Labels: map[string]string{"org.opencontainers.image.description": value}}
		if want == "" {
			require.NoError(t, o.Validate(), value)
			continue
		}
		require.ErrorContains(t, o.Validate(), want)
	}
	o := Options{Source: "x", BaseImage: "node:24", Platform: "linux/amd64", Repository: "registry.example.com/team/app", Labels: map[string]string{"a b": "c"}}
	require.ErrorContains(t, o.Validate(), `label "a b": its name has a space`)
}
