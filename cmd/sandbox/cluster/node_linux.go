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

// startTimeout bounds a start that `sandbox up` does not watch any more; up's own
// --timeout comes first.
const startTimeout = 10 * time.Minute

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
	if err := errors.Join(unix.Sethostname([]byte(node.Hostname())), mounts(node), network(node)); err != nil {
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
		// There is no reader any more when `sandbox up` was killed: no reason to stop.
		_, _ = fmt.Fprintf(progress, format+"\n", args...)
	}
	s := &supervisor{node: node, self: "/proc/self/exe", say: say, life: context.Background()}
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
	starts := func(c component) func(context.Context) error {
		return func(ctx context.Context) error { return s.up(ctx, c) }
	}
	if err := together(ctx, starts(n.containerd()), s.startRegistry, s.startAPI); err != nil {
		return err
	}
	client, err := n.Client()
	if err != nil {
		return err
	}
	kubelet := n.kubelet()
	kubelet.before = delegateAll
	go n.provisionVolumes(context.WithoutCancel(ctx), client)
	if err := together(ctx,
		starts(n.controllerManager()), starts(n.scheduler()), starts(kubelet), starts(n.proxy()),
		func(ctx context.Context) error {
			// The API server makes the namespaces and the Services' range after it says ready.
			if err := until(ctx, func() error { return n.createObjects(ctx, client) }); err != nil {
				return fmt.Errorf("creating the objects of kube-system: %w", err)
			}
			return s.up(ctx, n.coredns())
		},
	); err != nil {
		return err
	}
	if err := together(ctx,
		func(ctx context.Context) error {
			return s.timed(nodeReady, func() error { return n.nodeReady(ctx, client) })
		},
		func(ctx context.Context) error {
			return s.timed(clusterDNS, func() error { return n.dnsAnswers(ctx) })
		},
	); err != nil {
		return err
	}
	return s.startAddOns(ctx)
}

// startRegistry lets the host fill the registry while the rest starts.
func (s *supervisor) startRegistry(ctx context.Context) error {
	if err := s.up(ctx, s.node.registry()); err != nil {
		return err
	}
	s.say(lineRegistry)
	return nil
}

func (s *supervisor) startAPI(ctx context.Context) error {
	if err := s.up(ctx, s.node.etcd()); err != nil {
		return err
	}
	return s.up(ctx, s.node.apiserver())
}

func (s *supervisor) timed(what string, wait func() error) error {
	s.say("%s%s", lineStart, what)
	start := time.Now()
	err := wait()
	if err == nil {
		s.done(what, start)
	}
	return err
}

// done tells that something is ready that was told to start.
func (s *supervisor) done(what string, start time.Time) {
	s.say("%s%s\t%.1f", lineDone, what, time.Since(start).Seconds())
}

// together runs the steps side by side and gives the first error; it stops the others.
func together(ctx context.Context, steps ...func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for _, step := range steps {
		wg.Go(func() {
			if err := step(ctx); err != nil {
				cancel(err) // only the first counts
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}
