package limits

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestBounded_WorkThatDoesNotEndIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := make(chan struct{})
		defer close(hangs)
		deaf := func() (int, error) { <-hangs; return 0, nil }

		_, err := Within(t.Context(), 1, deaf)
		require.ErrorIs(t, err, ErrMemory)

		short, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err = Within(short, math.MaxInt64, deaf)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Millisecond+endTime, time.Since(began))

		no := errors.New("no")
		_, err = Within(short, math.MaxInt64, func() (int, error) { return 0, no })
		require.ErrorIs(t, err, no, "what it says itself counts more")
		_, err = Within(t.Context(), math.MaxInt64, func() (int, error) { panic("broken") })
		require.ErrorAs(t, err, new(*record.Panicked))
	})
}

// A document that is small in the registry and large in memory, one after another, as
// in an image of 5 MB that took 6 GB (SPDX documents).
func TestBounded_MemoryThatGrowsEndsIt(t *testing.T) {
	const more = 64 << 20
	var kept [][]byte
	stop := make(chan struct{})
	defer close(stop)
	_, err := Within(t.Context(), memoryUsed()+more, func() (int, error) {
		for {
			select {
			case <-stop:
				return 0, nil
			case <-time.After(time.Millisecond):
			}
			if len(kept) < 200 {
				part := make([]byte, 1<<20)
				for i := range part {
					part[i] = byte(i)
				}
				kept = append(kept, part)
			}
		}
	})
	require.ErrorIs(t, err, ErrMemory)
}

func TestMachineMemory_TheLeastThatHolds(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"nothing is known":              {nil, math.MaxInt64},
		"a machine":                     {map[string]string{"proc/meminfo": "MemTotal:        7950000 kB\nMemFree: 1 kB\n"}, 7950000 << 10},
		"a container, cgroup 2":         {map[string]string{"proc/meminfo": "MemTotal: 7950000 kB\n", "proc/self/cgroup": "0::/\n", "cgroup/memory.max": "2147483648\n"}, 2 << 30},
		"a group above has less":        {map[string]string{"proc/self/cgroup": "0::/a/b\n", "cgroup/a/b/memory.max": "max\n", "cgroup/a/memory.max": "1073741824\n"}, 1 << 30},
		"a container, cgroup 1":         {map[string]string{"proc/self/cgroup": "5:cpu:/x\n4:memory:/docker/0123\n", "cgroup/memory/memory.limit_in_bytes": "536870912\n"}, 512 << 20},
		"cgroup 1 without a limit":      {map[string]string{"proc/meminfo": "MemTotal: 1024 kB\n", "proc/self/cgroup": "4:memory:/\n", "cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 1 << 20},
		"nonsense counts for no limits": {map[string]string{"proc/meminfo": "nonsense", "proc/self/cgroup": "nonsense\n0::/\n", "cgroup/memory.max": "-1"}, math.MaxInt64},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range c.files {
				require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o700))
				require.NoError(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600))
			}
			require.Equal(t, c.want, machineMemory(filepath.Join(dir, "proc"), filepath.Join(dir, "cgroup")))
		})
	}
	require.Positive(t, Memory())
	require.Positive(t, memoryUsed())
}

func TestAFaultOfAMappedFileIsAnError(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "mapped"))
	require.NoError(t, err)
	defer func() { _ = file.Close() }()
	require.NoError(t, file.Truncate(int64(os.Getpagesize())))
	mapped, err := syscall.Mmap(int(file.Fd()), 0, os.Getpagesize(), syscall.PROT_READ, syscall.MAP_SHARED)
	require.NoError(t, err)
	defer func() { _ = syscall.Munmap(mapped) }()
	require.NoError(t, file.Truncate(0))
	sum := byte(0)
	require.ErrorContains(t, Guarded(func() error {
		sum += mapped[0]
		return nil
	}), "panic: ")
	require.Zero(t, sum)
}
