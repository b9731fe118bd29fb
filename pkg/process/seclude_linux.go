package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// capPtrace lets root look into every process; see capabilities(7).
const capPtrace = 19

// Seclude keeps the environment that this process was started with, and its memory,
// from the programs that it starts, as root and as another user: the environment is
// wiped where the kernel shows it (os.Getenv has its own copy), the process is no
// longer dumpable, and programs that it starts cannot get the right to look into
// others. The error is for systems that allow none of that, such as some sandboxes.
func Seclude() error {
	err := wipe()
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_DUMPABLE, 0, 0); errno != 0 {
		err = errors.Join(err, fmt.Errorf("making the process not dumpable: %w", errno))
	}
	// Only root has this right to give away, and then on every thread, which Go cannot
	// reach in a program with cgo.
	_, _, errno := syscall.AllThreadsSyscall(syscall.SYS_PRCTL, syscall.PR_CAPBSET_DROP, capPtrace, 0)
	if errno == syscall.ENOTSUP && os.Geteuid() == 0 {
		err = errors.Join(err, errors.New("this program was built with cgo, and what it starts as root may look into it: build it with CGO_ENABLED=0"))
	}
	return err
}

// wipe overwrites what /proc/PID/environ shows. Go has copied it before main began.
func wipe() error {
	start, end, err := environment()
	if err != nil {
		return fmt.Errorf("finding the environment: %w", err)
	}
	memory, err := os.OpenFile("/proc/self/mem", os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("wiping the environment: %w", err)
	}
	_, err = memory.WriteAt(make([]byte, end-start), start)
	return errors.Join(err, memory.Close())
}

// environment reads where the kernel keeps it: fields 50 and 51 of proc_pid_stat(5).
func environment() (start, end int64, err error) {
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0, 0, err
	}
	// The second field, the name of the program, may hold spaces and brackets.
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	const first, atStart, atEnd = 3, 50, 51
	if len(fields) <= atEnd-first {
		return 0, 0, errors.New("/proc/self/stat has too few fields")
	}
	start, err = strconv.ParseInt(string(fields[atStart-first]), 10, 64)
	if err != nil {
		return 0, 0, err
	}
	end, err = strconv.ParseInt(string(fields[atEnd-first]), 10, 64)
	const largest = 8 << 20 // execve takes a quarter of the stack at most
	if err == nil && (start <= 0 || end < start || end-start > largest) {
		err = fmt.Errorf("/proc/self/stat has it from %d to %d", start, end)
	}
	return start, end, err
}
