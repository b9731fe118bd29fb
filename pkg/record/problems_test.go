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
