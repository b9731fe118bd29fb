package manifest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHasText(t *testing.T) {
	for name, value := range map[string]any{
		"in an image":             map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"image": "r.test/web@sha256:00"}}}},
		"in a digest of its own":  map[string]any{"image": map[string]any{"digest": "sha256:00"}},
		"alone":                   "sha256:00",
		"in an argument":          map[string]any{"args": []any{"--image", "web@sha256:00"}},
		"beside what has no text": map[string]any{"a": int64(1), "b": nil, "c": []any{true, "sha256:00"}},
	} {
		require.True(t, HasText(value, "sha256:00"), name)
	}
	require.False(t, HasText(map[string]any{"sha256:00": "x", "n": int64(0)}, "sha256:00"), "a key is no text")
}
