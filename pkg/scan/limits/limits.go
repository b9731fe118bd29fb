// Package limits bounds a scan: its time, the memory that its process may take, and what
// a panic or a fault of a mapped file ends.
package limits

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

const (
	// memory is what a scan may take where the machine has it. The largest images of
	// the benchmarks need a tenth.
	memory = 4 << 30
	// lookEvery is how often the memory is looked at: Trivy fills about a gigabyte in a
	// second.
	lookEvery = 20 * time.Millisecond
	// endTime is what a scan has to notice that its time is up.
	endTime = 2 * time.Second
)

// ErrMemory is what ends a scan that takes too much memory.
var ErrMemory = errors.New("it takes more memory than it may")

// Within does work in the bounds of ctx and of a number of bytes that this process
// may take. Work that does not end in time is left behind.
func Within[T any](ctx context.Context, most int64, work func() (T, error)) (result T, err error) {
	if debug.SetMemoryLimit(-1) == math.MaxInt64 { // GOMEMLIMIT has no other
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(most / 4 * 3))
	}
	type outcome struct {
		result T
		err    error
	}
	done := make(chan outcome, 1)
	go func() {
		var o outcome
		if err := record.Guard(func() error { o.result, o.err = work(); return nil }); err != nil {
			o.err = err
		}
		done <- o
	}()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	var late <-chan time.Time
	over := ctx.Done()
	for {
		select {
		case o := <-done:
			return o.result, o.err
		case <-over:
			over, late = nil, time.After(endTime)
		case <-late:
			return result, ctx.Err()
		case <-look.C:
			if used := memoryUsed(); used > most {
				return result, fmt.Errorf("%w: %d MB of %d", ErrMemory, used>>20, most>>20)
			}
		}
	}
}

// memoryUsed is what this process has of the machine, without files that are only
// mapped, in bytes.
func memoryUsed() int64 {
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := bytes.Fields(text); len(fields) > 2 {
			resident, _ := strconv.ParseInt(string(fields[1]), 10, 64)
			shared, _ := strconv.ParseInt(string(fields[2]), 10, 64)
			return (resident - shared) * int64(os.Getpagesize())
		}
	}
	sample := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(sample)
	return int64(sample[0].Value.Uint64() - sample[1].Value.Uint64())
}

// Memory is what a scan may take: four gigabytes, and no more than four fifths of
// what the container or the machine has.
func Memory() int64 {
	return min(memory, machineMemory("/proc", "/sys/fs/cgroup")/5*4)
}

// machineMemory is the least of what the machine and the control groups of this
// process allow, see proc_meminfo(5) and cgroups(7).
func machineMemory(proc, groups string) int64 {
	least := int64(math.MaxInt64)
	if text, err := os.ReadFile(filepath.Join(proc, "meminfo")); err == nil {
		if fields := bytes.Fields(text); len(fields) > 1 && string(fields[0]) == "MemTotal:" {
			if kilobytes, err := strconv.ParseInt(string(fields[1]), 10, 64); err == nil {
				least = kilobytes << 10
			}
		}
	}
	own, err := os.ReadFile(filepath.Join(proc, "self", "cgroup"))
	if err != nil {
		return least
	}
	for line := range bytes.Lines(own) { // ID:CONTROLLERS:PATH
		parts := bytes.SplitN(bytes.TrimSpace(line), []byte(":"), 3)
		if len(parts) < 3 {
			continue
		}
		root, file := groups, "memory.max"
		switch string(parts[1]) {
		case "":
		case "memory":
			root, file = filepath.Join(groups, "memory"), "memory.limit_in_bytes"
		default:
			continue
		}
		least = min(least, groupLimit(root, string(parts[2]), file))
	}
	return least
}

// groupLimit is the least limit of a group and those above it. In a container the path
// may be that of the host, where nothing is to be read but the root.
func groupLimit(root, path, file string) int64 {
	least := int64(math.MaxInt64)
	for path = filepath.Clean("/" + path); ; path = filepath.Dir(path) {
		if text, err := os.ReadFile(filepath.Join(root, path, file)); err == nil {
			if limit, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64); err == nil && limit > 0 {
				least = min(least, limit)
			}
		}
		if path == "/" {
			return least
		}
	}
}

// Guarded turns a panic of work into an error. A database that is cut off shows as
// a memory fault while its mapped file is read, which is made a panic, too.
func Guarded(work func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %s", text.Line(fmt.Sprint(r), 300))
		}
	}()
	return work()
}
