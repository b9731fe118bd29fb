//go:build goexperiment.jsonv2 && !notrivy

package scan_test

import (
	"fmt"
	"io"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/scan"
)

// packages gives the files of so many npm packages, every tenth with a known
// vulnerability.
func packages(n int) map[string]string {
	files := map[string]string{}
	for i := range n {
		name, version := fmt.Sprintf("package-%d", i), "1.0.0"
		if i%10 == 0 {
			name, version = "minimist", fmt.Sprintf("1.0.%d", i)
		}
		files[fmt.Sprintf("app/node_modules/dependency-%d/package.json", i)] = fmt.Sprintf(`{"name":%q,"version":%q,"license":"MIT"}`, name, version)
		files[fmt.Sprintf("app/node_modules/dependency-%d/index.js", i)] = fmt.Sprintf("module.exports = %d;\n", i)
	}
	return files
}

// BenchmarkGrowth scans images of 50, 500 and 5 000 packages and writes all reports:
// cold, with an empty cache, and warm, when the layer was scanned before.
func BenchmarkGrowth(b *testing.B) {
	for _, n := range []int{50, 500, 5000} {
		for _, warm := range []bool{false, true} {
			name := fmt.Sprintf("packages=%d/cold", n)
			if warm {
				name = fmt.Sprintf("packages=%d/warm", n)
			}
			b.Run(name, func(b *testing.B) { grow(b, n, warm) })
		}
	}
}

func grow(b *testing.B, n int, warm bool) {
	s := withDatabase(b)
	o := s.options(s.push(b, packages(n)))
	everything := func() {
		r, err := scan.Run(b.Context(), o)
		require.NoError(b, err)
		require.Equal(b, n, r.Report.Packages)
		require.Len(b, r.Report.Blocking, n/10)
		for _, format := range scan.Formats() {
			require.NoError(b, r.Write(b.Context(), io.Discard, format))
		}
	}
	if warm {
		everything()
	}
	runtime.GC()
	peak := watchHeap(b)
	for b.Loop() {
		if !warm {
			o.CacheDir = b.TempDir()
		}
		everything()
	}
	b.ReportMetric(float64(peak())/(1<<20), "peak-MB")
}

// watchHeap gives the largest heap until it is called.
func watchHeap(b *testing.B) func() uint64 {
	b.Helper()
	stop, largest := make(chan struct{}), make(chan uint64)
	go func() {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		peak := uint64(0)
		for {
			metrics.Read(sample)
			peak = max(peak, sample[0].Value.Uint64())
			select {
			case <-stop:
				largest <- peak
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	return func() uint64 {
		close(stop)
		return <-largest
	}
}
