package push

import (
	"errors"
	"io"
	"path/filepath"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
)

func TestASpoolIsReadWhileItIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := NewSpool(filepath.Join(t.TempDir(), "x"))
		require.NoError(t, err)
		defer s.Close()
		type read struct {
			text string
			err  error
		}
		results := make(chan read, 2)
		for _, offset := range []int64{0, 4} {
			r, err := s.Open(offset)
			require.NoError(t, err)
			go func() {
				text, err := io.ReadAll(r)
				results <- read{string(text), err}
			}()
		}
		for _, piece := range []string{"one ", "two ", "three"} {
			_, err := s.Write([]byte(piece))
			require.NoError(t, err)
			synctest.Wait()
			require.Empty(t, results, "readers wait for the rest")
		}
		s.Finish(nil)
		synctest.Wait()
		require.ElementsMatch(t, []read{{"one two three", nil}, {"two three", nil}}, []read{<-results, <-results})
	})
}

func TestReadersOfASpoolThatIsNeverFinishedGetTheReason(t *testing.T) {
	s, err := NewSpool(filepath.Join(t.TempDir(), "x"))
	require.NoError(t, err)
	defer s.Close()
	_, err = s.Write([]byte("half"))
	require.NoError(t, err)
	broken := errors.New("the disk is full")
	s.Finish(broken)
	r, err := s.Open(0)
	require.NoError(t, err)
	_, err = io.ReadAll(r)
	require.ErrorIs(t, err, broken)
}
