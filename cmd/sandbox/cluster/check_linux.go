package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// programs are what must lie in the directory of binaries beside the sandbox.
var programs = []string{"containerd", "containerd-shim-runc-v2", "runc", "bridge", "host-local", "loopback"}

// Check says everything that this machine lacks to run a sandbox.
func Check(bin string) error {
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
	if _, err := exec.LookPath("nft"); err != nil {
		missing = append(missing, errors.New("the program nft is missing; kube-proxy needs it: `apt-get install nftables`"))
	}
	for _, p := range programs {
		if _, err := os.Stat(filepath.Join(bin, p)); err != nil {
			missing = append(missing, fmt.Errorf("the program %s is missing; `make sandbox` builds it", filepath.Join(bin, p)))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("this machine cannot run the sandbox:\n%w\nAny other cluster will do: give its kubeconfig, KUBECONFIG=FILE, for example one of kind", errors.Join(missing...))
}
