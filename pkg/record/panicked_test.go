package record

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestGuard_APanicBecomesAnErrorThatIsSafeToShow(t *testing.T) {
	var nothing map[string]int
	for name, c := range map[string]struct {
		work func() error
		want string
	}{
		"a runtime error":           {func() error { nothing["a"] = 1; return nil }, "assignment to entry in nil map"},
		"text of somebody else":     {func() error { panic("x\n::error::\x1b[31m") }, `x\n::error::\x1b[31m`},
		"a value that panics again": {func() error { panic(stubborn{}) }, "PANIC"},
		"a long one":                {func() error { panic(strings.Repeat("ü", 10_000)) }, "…"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Guard(c.work)
			var panicked *Panicked
			require.ErrorAs(t, err, &panicked)
			require.Contains(t, panicked.Value, c.want)
			require.NotContains(t, err.Error(), "\n")
			require.LessOrEqual(t, len(panicked.Value), maxPanicValue+len("…"))
			require.Contains(t, panicked.Stack, "panicked_test.go", "the stack of the panic, not of the recovery alone")
		})
	}
}

func TestTakePanics_TheFirstTenOnceEach(t *testing.T) {
	TakePanics()
	for i := range 2 * maxPanics {
		_ = Guard(func() error { panic(i) })
	}
	taken := TakePanics()
	require.Len(t, taken, maxPanics)
	require.Equal(t, "0", taken[0].Value)
	require.Empty(t, TakePanics(), "a run after this one, as in tests, had no panic")
}

type stubborn struct{}

func (stubborn) Error() string { panic("again") }

func TestGuard_AnErrorStaysWhatItIs(t *testing.T) {
	want := errors.New("no")
	require.Same(t, want, Guard(func() error { return want }))
	require.NoError(t, Guard(func() error { return nil }))
}
