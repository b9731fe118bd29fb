package record

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProblems_EachOnceAndNotWithoutEnd(t *testing.T) {
	require.NoError(t, Problems())
	require.NoError(t, Problems(nil, nil))
	require.EqualError(t, Problems(errors.New("a"), nil, errors.New("b"), errors.New("a")), "a\nb")
	var all []error
	for i := range 100_000 {
		all = append(all, BadInput("config/invalid", "line %d", i))
	}
	err := Problems(all...)
	require.ErrorContains(t, err, fmt.Sprintf("line %d [config/invalid]\nand %d more of this kind", MaxProblems-1, len(all)-MaxProblems))
	require.Less(t, len(err.Error()), 2000)
	require.Equal(t, KindInput, KindOf(err))
}

func TestParts(t *testing.T) {
	a, b, c := errors.New("a"), errors.New("b"), BadInput("x/y", "%w", errors.Join(errors.New("c"), errors.New("d")))
	both := fmt.Errorf("both: %w, %w", a, b)
	require.Empty(t, Parts(nil))
	require.Equal(t, []error{a}, Parts(a))
	require.Equal(t, []error{a, b, c, both}, Parts(errors.Join(a, errors.Join(b, nil, c), both)))
}
