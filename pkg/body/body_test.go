package body

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type closer struct {
	io.Reader
	close func() error
}

func (c closer) Close() error { return c.close() }

func TestOnClose_FreesAfterTheBodyWasClosedAndKeepsItsError(t *testing.T) {
	var order []string
	failed := errors.New("failed")
	b := OnClose(closer{strings.NewReader("answer"), func() error { order = append(order, "body"); return failed }}, func() { order = append(order, "done") })
	text, err := io.ReadAll(b)
	require.NoError(t, err)
	require.Equal(t, "answer", string(text))
	require.Empty(t, order)
	require.ErrorIs(t, b.Close(), failed)
	require.Equal(t, []string{"body", "done"}, order)
}
