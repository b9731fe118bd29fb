package hostile_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/test/hostile"
	"github.com/stagecrew/stagecrew/test/race"
)

func TestTextsAreManyAndDiffer(t *testing.T) {
	seen := map[string]bool{}
	for _, text := range hostile.Texts() {
		require.False(t, seen[text], "%q twice", text)
		seen[text] = true
	}
	if !race.Enabled {
		require.Greater(t, len(seen), 300)
	}
}

// Without an escape, each reader sees what the texts are for.
func TestReadersSeeWhatIsNotEscaped(t *testing.T) {
	for text, want := range map[string]string{
		"see @octocat": " @octocat", "fixes #12": " #12", "GH-12": "GH-12", "a.js:100:7": ":100:", "$5 or $6": "$5 or $", "org/repo@0123456": "org/repo@0123456",
	} {
		require.Contains(t, hostile.Markdown(text).Grown, want)
		require.Empty(t, hostile.Markdown("`"+text+"`").Grown, "in code")
	}
	for text, element := range map[string]string{
		"https://evil.example": "a", "www.evil.example": "a", "joe@evil.example": "a", "![x](y)": "img", "<b>x": "b", "# x": "h1", "- x": "ul", "~~x~~": "del", "a\n\n|b|\n|-|": "table", "x\n=": "h1",
	} {
		require.NotZero(t, hostile.Markdown(text).Elements[element], text)
	}
	require.Equal(t, "::set-output name=x::y", hostile.Command("a\n::set-output name=x::y\nb"))
	require.NotEmpty(t, hostile.Command("a ##[error]b"))
	require.Empty(t, hostile.Command("a ::error::b ##[x]"))
	require.Equal(t, "octocat", hostile.Missing("a octocat", "a octo", 99))
	require.Empty(t, hostile.Missing("a\x1b[2J\nb", `x a\x1b[2J b`, 99))
	require.Equal(t, '\x1b', hostile.Steers("a\n\x1b"))
	require.Equal(t, '\u202e', hostile.Steers("\u202e"))
}
