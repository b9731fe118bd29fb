package cluster

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
)

func TestALongEventKeepsBothEndsAndStaysText(t *testing.T) {
	kept := StripEvent(&corev1.Event{Message: combined + "pulling " + strings.Repeat("ä", maxEvent) + " denied"}).Message
	require.True(t, utf8.ValidString(kept))
	require.LessOrEqual(t, len(kept), maxEvent+len(" … "))
	require.Regexp(t, `^pulling ä+ … ä+ denied$`, kept)
}
