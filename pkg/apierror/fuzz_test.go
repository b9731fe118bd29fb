package apierror

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzMessage(f *testing.F) {
	f.Add(`1 error occurred: * cannot patch "x" with kind Secret: Invalid value: "{\"a\":1}": no`)
	f.Add("no matches for kind \"A\" in version \"\xff\"")
	f.Fuzz(func(t *testing.T, text string) {
		require.LessOrEqual(t, len([]rune(WithoutValues(text))), MaxMessage+1)
		require.LessOrEqual(t, len([]rune(Bounded(text))), MaxMessage+1)
	})
}
