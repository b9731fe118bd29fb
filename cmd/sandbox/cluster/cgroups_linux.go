package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// hierarchies lists where the kernel's cgroup hierarchies are mounted: one for
// each controller (v1), one for all (v2), or both kinds side by side.
func hierarchies() ([]string, error) {
	content, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	var all []string
	for line := range strings.Lines(string(content)) {
		if f := strings.Fields(line); len(f) > 2 && (f[2] == "cgroup" || f[2] == "cgroup2") {
			all = append(all, f[1])
		}
	}
	return all, nil
}

// makeCgroups makes the node's cgroup in every hierarchy; the kubelet wants it
// to be there.
func makeCgroups(node Node) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	for _, h := range all {
		dir := filepath.Join(h, node.Cgroup())
		if err := removeTree(dir); err != nil {
			return fmt.Errorf("%w: it belongs to another sandbox of this name; choose another name", err)
		}
		if err := delegate(h); err != nil {
			return err
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("making the cgroup %s: %w", dir, err)
		}
		// A v1 cpuset starts empty and refuses processes until it is filled.
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			value, err := os.ReadFile(filepath.Join(h, file))
			if err != nil {
				continue
			}
			if err := os.WriteFile(filepath.Join(dir, file), value, 0o644); err != nil {
				return fmt.Errorf("filling %s: %w", filepath.Join(dir, file), err)
			}
		}
		if err := weigh(dir); err != nil {
			return err
		}
	}
	return nil
}

// weigh lets all pods together have as much of a busy host as eight processes for each
// core. The host's own processes are in the root cgroup as a rule, where each of them
// weighs as much as a cgroup that says nothing: beside a compiler the pods would starve.
func weigh(dir string) error {
	for _, weight := range []struct {
		file      string
		one, most int // of an ordinary process, and at all
	}{{"cpu.shares", 1024, 262144}, {"cpu.weight", 100, 10000}} {
		path := filepath.Join(dir, weight.file)
		if _, err := os.Stat(path); err != nil {
			continue // not the hierarchy of the processor
		}
		all := min(8*runtime.NumCPU()*weight.one, weight.most)
		if err := os.WriteFile(path, []byte(strconv.Itoa(all)), 0o644); err != nil {
			return fmt.Errorf("weighing %s: %w", dir, err)
		}
	}
	return nil
}

// delegateAll does so in every hierarchy. A systemd that reloads, as it does when a
// package is installed, takes away those that no unit of its own asks for.
func delegateAll() error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	for _, h := range all {
		if err := delegate(h); err != nil {
			return err
		}
	}
	return nil
}

// delegate turns on, for the children of a v2 hierarchy's root, the controllers
// that the kubelet asks for and the hierarchy has.
func delegate(hierarchy string) error {
	content, err := os.ReadFile(filepath.Join(hierarchy, "cgroup.controllers"))
	if err != nil {
		return nil // a v1 hierarchy
	}
	for controller := range strings.FieldsSeq(string(content)) {
		if !slices.Contains([]string{"cpu", "cpuset", "memory", "pids", "hugetlb", "io"}, controller) {
			continue
		}
		file := filepath.Join(hierarchy, "cgroup.subtree_control")
		if err := os.WriteFile(file, []byte("+"+controller), 0o644); err != nil {
			return fmt.Errorf("turning on the cgroup controller %s: %w", controller, err)
		}
	}
	return nil
}

// removeCgroups removes them with all below. The kernel lets go of an ended
// process's cgroup a little later, hence the patience.
func removeCgroups(ctx context.Context, node Node) error {
	all, err := hierarchies()
	if err != nil {
		return err
	}
	return until(ctx, func() error {
		for _, h := range all {
			if err := removeTree(filepath.Join(h, node.Cgroup())); err != nil {
				return err
			}
		}
		return nil
	})
}

// removeTree removes a cgroup's directories; their files are the kernel's.
func removeTree(top string) error {
	var dirs []string
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, dir := range slices.Backward(dirs) {
		if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing the cgroup %s: %w", dir, err)
		}
	}
	return nil
}
