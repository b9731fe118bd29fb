package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// mounts gives the node a process table and a /run of its own, and a view of the
// host in which it can change nothing that stays; nothing that it mounts is seen
// outside.
func mounts(node Node) error {
	if err := unix.Mount("", "/", "", unix.MS_PRIVATE|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("parting from the host's mounts: %w", err)
	}
	for _, kind := range []string{"proc", "tmpfs"} {
		target := map[string]string{"proc": "/proc", "tmpfs": "/run"}[kind]
		if err := unix.Mount(kind, target, kind, unix.MS_NOSUID|unix.MS_NODEV, ""); err != nil {
			return fmt.Errorf("mounting %s: %w", target, err)
		}
	}
	if err := errors.Join(shield(node), freezeSettings()); err != nil {
		return err
	}
	// The kubelet passes mounts on to pods that ask for it.
	return unix.Mount("", "/", "", unix.MS_SHARED|unix.MS_REC, "")
}

// shield puts a layer in memory over the directories in which kubelet and CNI have
// fixed paths: two nodes would share these, and the host would keep them. The
// sandbox's own directories stay real.
func shield(node Node) error {
	kept := map[string]string{"/run/shield/state": node.Dir, "/run/shield/bin": node.Bin}
	for at, dir := range kept {
		if err := bind(dir, at); err != nil {
			return err
		}
	}
	for i, dir := range []string{"/var/lib", "/var/log"} {
		upper, work := fmt.Sprintf("/run/shield/upper%d", i), fmt.Sprintf("/run/shield/work%d", i)
		if err := errors.Join(os.MkdirAll(upper, 0o755), os.MkdirAll(work, 0o755)); err != nil {
			return err
		}
		options := "lowerdir=" + dir + ",upperdir=" + upper + ",workdir=" + work
		if err := unix.Mount("overlay", dir, "overlay", 0, options); err != nil {
			return fmt.Errorf("mounting a layer over %s: %w", dir, err)
		}
	}
	for at, dir := range kept {
		if err := bind(at, dir); err != nil {
			return err
		}
		if err := unix.Unmount(at, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("unmounting %s: %w", at, err)
		}
	}
	return nil
}

func bind(source, target string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mounting %s on %s: %w", source, target, err)
	}
	return nil
}

// settings are the kernel's settings that the kubelet would change for the whole
// host, with the values that it wants to find.
var settings = map[string]string{
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/keys/root_maxbytes": "25000000",
}

// freezeSettings shows the node the wanted values, so that the host's stay.
func freezeSettings() error {
	for name, value := range settings {
		target, file := filepath.Join("/proc/sys", name), filepath.Join("/run/shield", filepath.Base(name))
		if _, err := os.Stat(target); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := unix.Mount(file, target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("hiding %s: %w", target, err)
		}
	}
	return nil
}
