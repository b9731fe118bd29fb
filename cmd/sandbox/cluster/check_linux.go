package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// programs are what must lie in the directory of binaries beside the sandbox.
var programs = []string{"containerd", "containerd-shim-runc-v2", "runc", "bridge", "host-local", "loopback"}

// Check says everything that this machine lacks to run a sandbox with these add-ons.
func Check(ctx context.Context, bin string, addOns []string) error {
	var missing []error
	if os.Geteuid() != 0 {
		missing = append(missing, errors.New("not root: namespaces, mounts and cgroups need it; try sudo"))
	}
	for _, name := range []string{"pid", "mnt", "net", "uts", "ipc"} {
		if _, err := os.Stat("/proc/self/ns/" + name); err != nil {
			missing = append(missing, fmt.Errorf("the kernel has no %s namespaces", name))
		}
	}
	if content, err := os.ReadFile("/proc/filesystems"); err == nil && !strings.Contains(string(content), "\toverlay\n") {
		missing = append(missing, errors.New("the kernel has no overlay file system; try `modprobe overlay`"))
	}
	if all, err := hierarchies(); err != nil || len(all) == 0 {
		missing = append(missing, errors.New("no cgroup hierarchy is mounted on /sys/fs/cgroup"))
	}
	if err := checkNFT(ctx); err != nil {
		missing = append(missing, err)
	}
	for _, p := range programs {
		if _, err := os.Stat(filepath.Join(bin, p)); err != nil {
			missing = append(missing, fmt.Errorf("the program %s is missing; `make sandbox` builds it", filepath.Join(bin, p)))
		}
	}
	missing = append(missing, checkAddOns(bin, addOns)...)
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("this machine cannot run the sandbox:\n%w\n%s", errors.Join(missing...), alternative)
}

// checkNFT asks the kernel's nftables, which kube-proxy works with.
func checkNFT(ctx context.Context) error {
	path, err := exec.LookPath("nft")
	if err != nil {
		return errors.New("the program nft is missing; kube-proxy needs it: `apt-get install nftables`")
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if out, err := exec.CommandContext(ctx, path, "list", "tables").CombinedOutput(); err != nil && os.Geteuid() == 0 {
		return fmt.Errorf("the kernel's nftables do not answer: %w: %.300s", err, bytes.TrimSpace(out))
	}
	return nil
}
