package record

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestError_HasOneCodeAtItsEnd(t *testing.T) {
	inner := Unavailable("build/image-not-found", "no such image")
	for _, c := range []struct {
		err  error
		want string
	}{
		{inner, "no such image [build/image-not-found]"},
		{Refused("preflight/image-not-pullable", "%w; push it", inner), "no such image; push it [preflight/image-not-pullable]"},
		{Refused("a/b", "x: %w", fmt.Errorf("y: %w (%w)", inner, errors.New("z [1]"))), "x: y: no such image (z [1]) [a/b]"},
		{Refused("a/b", "%w", errors.Join(inner, Refused("c/d", "e"))), "no such image [build/image-not-found]\ne [c/d] [a/b]"},
		{fmt.Errorf("doing: %w", inner), "doing: no such image [build/image-not-found]"},
	} {
		require.EqualError(t, c.err, c.want)
	}
	require.ErrorIs(t, Refused("a/b", "%w", inner), inner)
}

func TestMessageOf(t *testing.T) {
	inner := Unavailable("build/image-not-found", "no such image")
	for want, err := range map[string]error{
		"no such image":                                  inner,
		"no such image; push it":                         Refused("preflight/image-not-pullable", "%w; push it", inner),
		"doing: no such image":                           fmt.Errorf("doing: %w", inner),
		"no such image [build/image-not-found]\ne [c/d]": Refused("a/b", "%w", errors.Join(inner, Refused("c/d", "e"))),
		"plain [1]":                                      errors.New("plain [1]"),
	} {
		require.Equal(t, want, MessageOf(err))
	}
}
