package cluster

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Options say which sandbox is meant.
type Options struct {
	Name string
	// Parent is the directory of all sandboxes' state.
	Parent string
	// Bin is the directory of containerd, runc and the CNI plugins.
	Bin string
	// Out gets one line for each component.
	Out io.Writer
}

func (o Options) dir() string { return filepath.Join(o.Parent, o.Name) }

// Up starts the sandbox, or does nothing when it runs. seed runs as soon as the
// registry answers, beside the start of Kubernetes.
func Up(ctx context.Context, o Options, seed func(context.Context, Node) error) (Node, error) {
	if err := Check(o.Bin); err != nil {
		return Node{}, err
	}
	unlock, err := lock(o.Parent)
	if err != nil {
		return Node{}, err
	}
	defer unlock()
	if node, running := Running(o); running {
		fmt.Fprintf(o.Out, "sandbox %s is running already\n", o.Name)
		return node, nil
	}
	// What an earlier start or kill left is of no use.
	if err := remove(ctx, o); err != nil {
		return Node{}, err
	}
	node, err := create(o)
	if err == nil {
		err = start(ctx, node, o.Out, seed)
	}
	if err != nil {
		return node, errors.Join(err, remove(context.WithoutCancel(ctx), o))
	}
	return node, nil
}

// create writes everything that the node's processes read.
func create(o Options) (Node, error) {
	index, err := freeIndex()
	if err != nil {
		return Node{}, err
	}
	node := Node{Name: o.Name, Dir: o.dir(), Bin: o.Bin, Index: index}
	for _, dir := range []string{"components", "kubeconfig", "logs/pods", "kubelet", "volumes", "cni"} {
		if err := os.MkdirAll(node.Path(dir), 0o755); err != nil {
			return node, err
		}
	}
	content, err := json.MarshalIndent(node, "", "  ")
	if err != nil {
		return node, err
	}
	return node, errors.Join(
		os.WriteFile(node.Path("node.json"), content, 0o644),
		node.makePKI(), node.writeFiles(), node.writeKubeconfigs())
}

// start runs the node's first process in namespaces of its own and follows its
// progress until it is ready.
func start(ctx context.Context, node Node, out io.Writer, seed func(context.Context, Node) error) error {
	goRead, goWrite, err := os.Pipe()
	if err != nil {
		return err
	}
	defer goWrite.Close()
	progressRead, progressWrite, err := os.Pipe()
	if err != nil {
		return err
	}
	defer progressRead.Close()
	cmd, err := initCommand(node, goRead, progressWrite)
	if err == nil {
		err = cmd.Start()
	}
	goRead.Close()
	progressWrite.Close()
	if err != nil {
		return fmt.Errorf("starting the node's first process: %w", err)
	}
	if err := writePid(node, cmd.Process.Pid); err != nil {
		return err
	}
	if err := errors.Join(makeCgroups(node), makeLink(node, cmd.Process.Pid)); err != nil {
		return err
	}
	if _, err := goWrite.WriteString("go\n"); err != nil {
		return err
	}
	return follow(ctx, node, progressRead, out, seed)
}

// initCommand is this program again, as process 1 of new namespaces. It reads
// "go" from descriptor 3 and writes its progress to descriptor 4.
func initCommand(node Node, goRead, progressWrite *os.File) (*exec.Cmd, error) {
	log, err := os.OpenFile(node.Path("logs", "init.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	// Not bound to any context: the node outlives this command.
	cmd := exec.Command("/proc/self/exe", InitArgument, node.Dir)
	cmd.Args[0] = "stagecrew-sandbox-" + node.Name
	cmd.Stdout, cmd.Stderr = log, log
	cmd.ExtraFiles = []*os.File{goRead, progressWrite}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true,
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
	}
	return cmd, nil
}

// The lines that end a start, after the progress.
const (
	lineRegistry = "registry-ready"
	lineReady    = "node-ready"
	lineFailed   = "node-failed "
)

// follow prints the progress, seeds the registry once it answers, and returns
// when both are done.
func follow(ctx context.Context, node Node, progress io.ReadCloser, out io.Writer, seed func(context.Context, Node) error) error {
	stop := context.AfterFunc(ctx, func() { progress.Close() })
	defer stop()
	seeded := make(chan error, 1)
	seeding := false
	lines := bufio.NewScanner(progress)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case line == lineRegistry:
			seeding = true
			go func() { seeded <- seed(ctx, node) }()
		case line == lineReady:
			if !seeding {
				return errors.New("the node is ready without a registry")
			}
			return <-seeded
		case strings.HasPrefix(line, lineFailed):
			return errors.New(strings.ReplaceAll(strings.TrimPrefix(line, lineFailed), "\t", "\n"))
		default:
			fmt.Fprintln(out, line)
		}
	}
	if ctx.Err() != nil {
		return fmt.Errorf("waiting for the node: %w", ctx.Err())
	}
	return fmt.Errorf("the node's first process ended; see %s", node.Path("logs", "init.log"))
}

// Down stops the sandbox and removes everything of it. It is no error when there
// is none.
func Down(ctx context.Context, o Options) error {
	if _, err := os.Stat(o.Parent); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	unlock, err := lock(o.Parent)
	if err != nil {
		return err
	}
	defer unlock()
	return remove(ctx, o)
}

func remove(ctx context.Context, o Options) error {
	node, err := Load(o)
	if err != nil {
		// Without its description nothing of it can have been started.
		return os.RemoveAll(o.dir())
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := kill(ctx, node); err != nil {
		return err
	}
	return errors.Join(removeLink(node), removeCgroups(ctx, node), os.RemoveAll(o.dir()))
}

// kill ends the first process; the kernel ends every other one of its namespace
// before it is gone.
func kill(ctx context.Context, node Node) error {
	pid, alive := readPid(node)
	if !alive {
		return nil
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("ending the node's first process %d: %w", pid, err)
	}
	return until(ctx, func() error {
		// Where this command is its parent, it must be reaped to be gone.
		_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		if _, alive := readPid(node); alive {
			return fmt.Errorf("process %d is still there", pid)
		}
		return nil
	})
}

// freeIndex finds an address block that no interface or route of the host uses.
func freeIndex() (int, error) {
	var used []netip.Prefix
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return 0, fmt.Errorf("listing routes: %w", err)
	}
	for _, r := range routes {
		if p, ok := prefix(r.Dst); ok {
			used = append(used, p)
		}
	}
	for index := range 256 {
		node := Node{Index: index}
		free := true
		for _, own := range []netip.Prefix{node.Link(), node.Pods(), node.Services()} {
			for _, other := range used {
				free = free && !own.Overlaps(other)
			}
		}
		if free {
			return index, nil
		}
	}
	return 0, errors.New("no free addresses: all of 10.213.0.0/16, 10.214.0.0/16 and 10.215.0.0/16 is routed elsewhere")
}

// prefix gives a route's destination; the default route does not count.
func prefix(destination *net.IPNet) (netip.Prefix, bool) {
	if destination == nil {
		return netip.Prefix{}, false
	}
	address, ok := netip.AddrFromSlice(destination.IP)
	ones, _ := destination.Mask.Size()
	return netip.PrefixFrom(address.Unmap(), ones), ok && ones > 0
}

// makeLink connects host and node and routes pods and Services to the node.
func makeLink(node Node, pid int) error {
	attributes := netlink.NewLinkAttrs()
	attributes.Name = node.HostLink()
	veth := &netlink.Veth{LinkAttrs: attributes, PeerName: node.NodeLink(), PeerNamespace: netlink.NsPid(pid)}
	if err := netlink.LinkAdd(veth); err != nil {
		return fmt.Errorf("making the interface %s: %w", node.HostLink(), err)
	}
	link, err := netlink.LinkByName(node.HostLink())
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: ipNet(node.Link())}); err != nil {
		return fmt.Errorf("giving %s an address: %w", node.HostLink(), err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return err
	}
	for _, network := range []netip.Prefix{node.Pods(), node.Services()} {
		route := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(network.Masked()), Gw: node.IP().AsSlice()}
		if err := netlink.RouteAdd(route); err != nil {
			return fmt.Errorf("routing %s to the node: %w", network, err)
		}
	}
	return nil
}

func removeLink(node Node) error {
	link, err := netlink.LinkByName(node.HostLink())
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil
	}
	if err != nil {
		return err
	}
	// The kernel takes it away with the namespace, at a time of its own.
	if err := netlink.LinkDel(link); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("removing the interface %s: %w", node.HostLink(), err)
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// lock makes commands about sandboxes wait for each other.
func lock(parent string) (func(), error) {
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(parent, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil
}
