package bounded

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestRead_LeavesBehindWhatDoesNotEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	hangs := make(chan struct{})
	defer close(hangs)
	_, err := Read(ctx, func() (int, error) { cancel(); <-hangs; return 1, nil })
	require.ErrorIs(t, err, context.Canceled)

	_, err = Read(t.Context(), func() (int, error) { panic("broken") })
	var panicked *record.Panicked
	require.ErrorAs(t, err, &panicked)
	no := errors.New("no")
	got, err := Read(t.Context(), func() (int, error) { return 7, no })
	require.Equal(t, 7, got)
	require.Same(t, no, err)
}
