package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Load reads the description of a sandbox that was created.
func Load(o Options) (Node, error) {
	var node Node
	content, err := os.ReadFile(filepath.Join(o.dir(), "node.json"))
	if err != nil {
		return node, err
	}
	if err := json.Unmarshal(content, &node); err != nil {
		return node, fmt.Errorf("reading %s: %w", filepath.Join(o.dir(), "node.json"), err)
	}
	return node, nil
}

// Running gives the sandbox if it is up and its start was completed.
func Running(o Options) (Node, bool) {
	node, err := Load(o)
	if err != nil {
		return node, false
	}
	_, alive := readPid(node)
	_, err = os.Stat(node.Path("ready"))
	return node, alive && err == nil
}

// Component is a process of the node, for `sandbox status`.
type Component struct {
	Name    string `json:"name"`
	Running bool   `json:"running"`
	PID     int    `json:"pid"` // in the node's own process namespace
}

// Components lists the node's processes.
func Components(node Node) ([]Component, error) {
	entries, err := os.ReadDir(node.Path("components"))
	if err != nil {
		return nil, err
	}
	pid, alive := readPid(node)
	var all []Component
	for _, e := range entries {
		content, err := os.ReadFile(node.Path("components", e.Name()))
		if err != nil {
			return nil, err
		}
		c := Component{Name: e.Name()}
		if c.PID, err = strconv.Atoi(strings.TrimSpace(string(content))); err != nil {
			return nil, fmt.Errorf("reading the process id of %s: %w", c.Name, err)
		}
		if alive {
			// The node's /proc is seen through the root of its first process.
			_, err := os.Stat(fmt.Sprintf("/proc/%d/root/proc/%d", pid, c.PID))
			c.Running = err == nil
		}
		all = append(all, c)
	}
	return all, nil
}

// writePid keeps the first process's id with its start time, so that another
// process that gets the same id later is not mistaken for it.
func writePid(node Node, pid int) error {
	started, err := startTime(pid)
	if err != nil {
		return err
	}
	return os.WriteFile(node.Path("pid"), fmt.Appendf(nil, "%d %s\n", pid, started), 0o644)
}

// readPid gives the first process's id and whether it runs.
func readPid(node Node) (pid int, alive bool) {
	content, err := os.ReadFile(node.Path("pid"))
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(string(content))
	if len(fields) != 2 {
		return 0, false
	}
	pid, err = strconv.Atoi(fields[0])
	if err != nil {
		return 0, false
	}
	started, err := startTime(pid)
	return pid, err == nil && started == fields[1]
}

// errEnded says that a process has ended but was not reaped. The first process of
// a namespace gets there only when all others are gone.
var errEnded = errors.New("the process has ended")

// startTime gives when a process was started, in clock ticks after boot.
func startTime(pid int) (string, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	return parseStat(string(content))
}

// parseStat reads the state and the start time, fields 3 and 22 of /proc/PID/stat.
func parseStat(stat string) (started string, err error) {
	// The name of the program, in brackets, may hold spaces and brackets.
	fields := strings.Fields(stat[strings.LastIndex(stat, ")")+1:])
	const stateField, startField = 0, 22 - 3 // counted after the name, field 2
	if len(fields) <= startField {
		return "", errors.New("reading the start time of a process: unknown format")
	}
	if fields[stateField] == "Z" || fields[stateField] == "X" {
		return "", errEnded
	}
	return fields[startField], nil
}

// findInit looks for the first process of the sandbox in a directory by its command
// line, for when its pid file is lost; 0 when there is none.
func findInit(dir string) int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		content, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err != nil {
			continue
		}
		args := strings.Split(strings.TrimSuffix(string(content), "\x00"), "\x00")
		if len(args) == 3 && strings.HasPrefix(args[0], processPrefix) && args[1] == InitArgument && args[2] == dir {
			return pid
		}
	}
	return 0
}
