package expect

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheEndOfTheBudgetEndsTheReadingOfAnAnswer(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	// Nearly as expensive as a pattern can be: each byte costs milliseconds.
	pattern := `(?:x?y?){1000}(?:x?y?){1000}(?:x?y?){1000}z`
	_, err := regexp.Compile(pattern)
	require.NoError(t, err)
	e := All{Status{"200"}, BodyRegex{pattern}}
	body := []byte(strings.Repeat("xy", MaxBody/2))
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, e.Judge(short, Answer{Status: 200, Body: body}), context.DeadlineExceeded)
	require.ErrorIs(t, All{Status{"200"}, BodyNotRegex{"x"}}.Judge(ended, Answer{Status: 200, Body: body}), context.Canceled, "what was not read does not pass")
}
