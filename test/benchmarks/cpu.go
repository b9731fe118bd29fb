package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// tick is the unit of times in /proc, that of every processor that Linux has here.
const tick = 10 * time.Millisecond

// used is what a process and those that it started and that have ended took of the
// processors, 0 when it is not there.
func used(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	return usedOf(text)
}

// usedOf reads the file: PID (NAME) STATE ..., with any character in the name; utime,
// stime, cutime and cstime are the fields 14 to 17.
func usedOf(stat []byte) (sum time.Duration) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 15 {
		return 0
	}
	for _, field := range fields[11:15] {
		ticks, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			return 0
		}
		sum += time.Duration(ticks) * tick
	}
	return sum
}
