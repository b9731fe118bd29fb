package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// app reads an image with these files.
func app(t *testing.T, files ...[2]string) content {
	t.Helper()
	c, err := contentOf(bytes.NewReader(archiveOf(t, files...)))
	require.NoError(t, err)
	return c
}

func TestImagesOfTheSameContentSayWhatElseTheyHave(t *testing.T) {
	common := [][2]string{{"app/node_modules/pg/index.js", "1"}, {"app/packages/backend/dist/index.cjs.js", "2"}, {"etc/passwd", "x"}}
	ours := app(t, append(common, [2]string{"app/package.json", "{}"}, [2]string{"app/node_modules/.yarn-state.yml", "a"})...)
	theirs := app(t, append(common, [2]string{"app/.yarnrc.yml", "x"}, [2]string{"app/node_modules/.yarn-state.yml", "b"})...)

	text, err := told(ours, theirs)
	require.NoError(t, err)
	require.Equal(t, "Both images have the same 2 files below /app; only stagecrew's has `package.json`; only BuildKit's has `.yarnrc.yml`; "+
		"in both, and not the same: `node_modules/.yarn-state.yml`.", text)

	text, err = told(ours, ours)
	require.NoError(t, err)
	require.Equal(t, "Both images have the same 4 files below /app.", text)
}

func TestImagesWithOtherDependenciesOrAnotherApplicationAreNotCompared(t *testing.T) {
	one := app(t, [2]string{"app/node_modules/pg/index.js", "1"}, [2]string{"app/packages/app/dist/index.html", "<html>"})
	for name, other := range map[string]content{
		"one file more":   app(t, [2]string{"app/node_modules/pg/index.js", "1"}, [2]string{"app/packages/app/dist/index.html", "<html>"}, [2]string{"app/node_modules/ms/index.js", "x"}),
		"one file less":   app(t, [2]string{"app/node_modules/pg/index.js", "1"}),
		"another content": app(t, [2]string{"app/node_modules/pg/index.js", "2"}, [2]string{"app/packages/app/dist/index.html", "<html>"}),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := told(one, other)
			require.ErrorContains(t, err, "not of the same content: `")
		})
	}
}
