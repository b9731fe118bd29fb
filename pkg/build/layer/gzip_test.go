package layer

import (
	"bytes"
	"compress/gzip"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/test/race"
)

// prose is text that compresses about as well as JavaScript does.
func prose(size int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	words := make([][]byte, 2000)
	for i := range words {
		words[i] = []byte("w" + string(rune('a'+random.IntN(26))) + string(rune('a'+random.IntN(26))) + " const ")
	}
	text := make([]byte, 0, size)
	for len(text) < size {
		text = append(text, words[random.IntN(len(words))]...)
	}
	return text[:size]
}

func compress(t testing.TB, text []byte, pieces int) []byte {
	t.Helper()
	var out bytes.Buffer
	w := newParallelGzip(&out)
	for rest := text; len(rest) > 0; {
		n := min(pieces, len(rest))
		_, err := w.Write(rest[:n])
		require.NoError(t, err)
		rest = rest[n:]
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

func TestCompressedBytesDependOnTheContentOnly(t *testing.T) {
	for _, size := range race.Sample([]int{0, 1, 5*gzipBlock + 77, gzipBlock - 1, gzipBlock, gzipBlock + 1}, 2) {
		text := prose(size)
		want := compress(t, text, gzipBlock*2)
		for _, processors := range []int{1, 2, 7} {
			before := runtime.GOMAXPROCS(processors)
			got := compress(t, text, 10_007)
			runtime.GOMAXPROCS(before)
			require.True(t, bytes.Equal(want, got), "%d bytes on %d processors", size, processors)
		}
		// One member that every reader of gzip takes.
		r, err := gzip.NewReader(bytes.NewReader(want))
		require.NoError(t, err)
		r.Multistream(false)
		plain, err := io.ReadAll(r)
		require.NoError(t, err)
		require.True(t, bytes.Equal(text, plain))
		require.True(t, r.ModTime.IsZero())
	}
}

type brokenWriter struct{ left int }

func (b *brokenWriter) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func TestACompressorOnAFullDiskFailsAndDoesNotHang(t *testing.T) {
	w := newParallelGzip(&brokenWriter{left: 100})
	_, err := w.Write(prose(8 * gzipBlock))
	require.NoError(t, err)
	require.ErrorIs(t, w.Close(), io.ErrShortWrite)
}

func BenchmarkCompress(b *testing.B) {
	text := prose(32 << 20)
	b.Run("parallel", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			b.ReportMetric(float64(len(text))/float64(len(compress(b, text, 32<<10))), "ratio")
		}
	})
	b.Run("standard library", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			var out bytes.Buffer
			w := gzip.NewWriter(&out)
			_, _ = w.Write(text)
			_ = w.Close()
			b.ReportMetric(float64(len(text))/float64(out.Len()), "ratio")
		}
	})
}
