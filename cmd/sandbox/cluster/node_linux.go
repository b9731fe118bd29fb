package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The hidden commands of the sandbox binary: the first process of the node, and
// the supervisor that it starts.
const (
	InitArgument       = "node-init"
	SupervisorArgument = "node-supervisor"
)

// startTimeout bounds the start of the node.
const startTimeout = 2 * time.Minute

// Init is process 1 of the node. It prepares the namespaces, starts the
// supervisor and reaps orphans until the supervisor ends; the node ends with it.
func Init(dir string) error {
	node, err := Load(Options{Parent: filepath.Dir(dir), Name: filepath.Base(dir)})
	if err != nil {
		return err
	}
	// The interface is moved in by the host, which then says go.
	if _, err := bufio.NewReader(os.NewFile(3, "go")).ReadString('\n'); err != nil {
		return fmt.Errorf("waiting for the host: %w", err)
	}
	if err := errors.Join(unix.Sethostname([]byte(node.Hostname())), mounts(), network(node)); err != nil {
		return err
	}
	signal.Ignore(syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM)
	supervisor := exec.Command("/proc/self/exe", SupervisorArgument, dir)
	supervisor.Args[0] = "supervisor"
	supervisor.Stdout, supervisor.Stderr = os.Stdout, os.Stderr
	supervisor.ExtraFiles = []*os.File{os.NewFile(4, "progress")}
	if err := supervisor.Start(); err != nil {
		return err
	}
	// The progress pipe ends with the supervisor's start, not with the node.
	if err := syscall.Close(4); err != nil {
		return err
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return err
		}
		if pid == supervisor.Process.Pid {
			return fmt.Errorf("the supervisor ended: exit %d, signal %d", status.ExitStatus(), status.Signal())
		}
	}
}

// mounts gives the node a process table and a /run of its own; nothing that it
// mounts is seen outside.
func mounts() error {
	for _, m := range []struct {
		source, target, kind string
		flags                uintptr
	}{
		{"", "/", "", unix.MS_PRIVATE | unix.MS_REC},
		{"proc", "/proc", "proc", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC},
		{"tmpfs", "/run", "tmpfs", unix.MS_NOSUID | unix.MS_NODEV},
	} {
		if err := unix.Mount(m.source, m.target, m.kind, m.flags, ""); err != nil {
			return fmt.Errorf("mounting %s: %w", m.target, err)
		}
	}
	// The kubelet passes mounts on to pods that ask for it.
	return unix.Mount("", "/", "", unix.MS_SHARED|unix.MS_REC, "")
}

// network sets up the node's end of the veth.
func network(node Node) error {
	for _, name := range []string{"lo", node.NodeLink()} {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return fmt.Errorf("finding the interface %s: %w", name, err)
		}
		if name != "lo" {
			address := ipNet(node.Link())
			address.IP = node.IP().AsSlice()
			if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: address}); err != nil {
				return fmt.Errorf("giving %s an address: %w", name, err)
			}
		}
		if err := netlink.LinkSetUp(link); err != nil {
			return err
		}
	}
	if err := netlink.RouteAdd(&netlink.Route{Gw: node.HostIP().AsSlice()}); err != nil {
		return fmt.Errorf("adding the default route: %w", err)
	}
	return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o644)
}

// Supervise starts the components in order, then keeps them running for ever.
// It tells its progress on descriptor 3.
func Supervise(dir string) error {
	node, err := Load(Options{Parent: filepath.Dir(dir), Name: filepath.Base(dir)})
	if err != nil {
		return err
	}
	progress := os.NewFile(3, "progress")
	var mu sync.Mutex
	say := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		// Nobody reads any more when `sandbox up` was killed: no reason to stop.
		_, _ = fmt.Fprintf(progress, format+"\n", args...)
	}
	s := &supervisor{node: node, self: "/proc/self/exe", say: say, pids: map[string]int{}}
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if err := s.start(ctx); err != nil {
		say("%s%s", lineFailed, strings.ReplaceAll(err.Error(), "\n", "\t"))
		return err
	}
	if err := os.WriteFile(node.Path("ready"), nil, 0o644); err != nil {
		return err
	}
	say(lineReady)
	if err := progress.Close(); err != nil {
		return err
	}
	select {}
}

// start brings the node up: what does not need each other starts side by side.
func (s *supervisor) start(ctx context.Context) error {
	n := s.node
	if err := together(
		func() error { return s.up(ctx, n.containerd()) },
		func() error {
			err := s.up(ctx, n.registry())
			if err == nil {
				s.say(lineRegistry)
			}
			return err
		},
		func() error {
			if err := s.up(ctx, n.etcd()); err != nil {
				return err
			}
			return s.up(ctx, n.apiserver())
		},
	); err != nil {
		return err
	}
	client, err := n.Client()
	if err != nil {
		return err
	}
	go n.provisionVolumes(context.WithoutCancel(ctx), client)
	if err := together(
		func() error { return s.up(ctx, n.controllerManager()) },
		func() error { return s.up(ctx, n.scheduler()) },
		func() error { return s.up(ctx, n.kubelet()) },
		func() error { return s.up(ctx, n.proxy()) },
		func() error {
			if err := n.createObjects(ctx, client); err != nil {
				return err
			}
			return s.up(ctx, n.coredns())
		},
	); err != nil {
		return err
	}
	return together(
		func() error { return s.timed("node Ready", func() error { return n.nodeReady(ctx, client) }) },
		func() error { return s.timed("cluster DNS", func() error { return n.dnsAnswers(ctx) }) },
	)
}

func (s *supervisor) timed(what string, wait func() error) error {
	start := time.Now()
	err := wait()
	if err == nil {
		s.say("%-24s after %11.1f s", what, time.Since(start).Seconds())
	}
	return err
}

// together runs the steps side by side and gives all their errors.
func together(steps ...func() error) error {
	errs := make([]error, len(steps))
	var wg sync.WaitGroup
	for i, step := range steps {
		wg.Go(func() { errs[i] = step() })
	}
	wg.Wait()
	return errors.Join(errs...)
}
