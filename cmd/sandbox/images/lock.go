package images

import (
	"context"
	"fmt"
	"os"
	"syscall"
	"time"
)

// lockPoll is how often a waiting process asks again; flock has no way to wait that a context could end.
const lockPoll = 200 * time.Millisecond

// lock takes an exclusive lock on a file and returns how to release it. The kernel releases it when the process dies.
func lock(ctx context.Context, path string, log func(format string, args ...any)) (func(), error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening lock %q: %w", path, err)
	}
	told := false
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if err != syscall.EWOULDBLOCK && err != syscall.EINTR {
			_ = f.Close()
			return nil, fmt.Errorf("locking %q: %w", path, err)
		}
		if !told {
			log("another process is making images, waiting for it (lock %s)", path)
			told = true
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, fmt.Errorf("waiting for the process that holds %q: %w", path, ctx.Err())
		case <-time.After(lockPoll):
		}
	}
}
