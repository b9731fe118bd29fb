package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Options say which sandbox is meant.
type Options struct {
	Name string
	// Parent is the directory of all sandboxes' state.
	Parent string
	// Bin is the directory of containerd, runc and the CNI plugins.
	Bin string
	// AddOns are what the node has beside Kubernetes, see ChooseAddOns.
	AddOns []string
	// Out gets one line for each component.
	Out io.Writer
	// Keep makes Down leave the directory with the logs.
	Keep bool
}

// processPrefix begins the first process's name in ps.
const processPrefix = "stagecrew-sandbox-"

// alternative ends every message that says why no sandbox can run here.
const alternative = "any other cluster will do: give its kubeconfig, KUBECONFIG=FILE, for example one of kind"

func (o Options) dir() string { return filepath.Join(o.Parent, o.Name) }

// Up starts the sandbox, or does nothing when it runs; whether this machine can run
// one is for Check to say. seed runs as soon as the registry answers, beside the
// start of Kubernetes.
func Up(ctx context.Context, o Options, seed func(context.Context, Node) error) (Node, error) {
	unlock, err := lock(ctx, o)
	if err != nil {
		return Node{}, err
	}
	defer unlock()
	if node, running := Running(o); running {
		if lacking := node.lacking(o.AddOns); len(lacking) > 0 {
			return node, fmt.Errorf("sandbox %s runs without %s; `sandbox down --name %s` first", o.Name, strings.Join(lacking, ", "), o.Name)
		}
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
		o.Keep = true
		return node, errors.Join(err, fmt.Errorf("the logs are in %s", node.Path("logs")), remove(context.WithoutCancel(ctx), o))
	}
	return node, nil
}

// create writes everything that the node's processes read.
func create(o Options) (Node, error) {
	index, err := freeIndex()
	if err != nil {
		return Node{}, err
	}
	node := Node{Name: o.Name, Dir: o.dir(), Bin: o.Bin, Index: index, AddOns: o.AddOns}
	for _, dir := range []string{"components", "kubeconfig", "logs/pods", "kubelet", "volumes", "cni", "tmp"} {
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
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EINVAL) {
		return fmt.Errorf("making namespaces for the node: %w: this machine, or the container that this is, does not allow it; %s", err, alternative)
	}
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
	cmd.Args[0] = processPrefix + node.Name
	cmd.Stdout, cmd.Stderr = log, log
	// What else the caller's environment holds stays out.
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + node.Dir}
	cmd.ExtraFiles = []*os.File{goRead, progressWrite}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:     true,
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC,
	}
	return cmd, nil
}

// Down stops the sandbox and removes everything of it. It is no error when there
// is none.
func Down(ctx context.Context, o Options) error {
	if _, err := os.Stat(o.Parent); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	unlock, err := lock(ctx, o)
	if err != nil {
		return err
	}
	defer unlock()
	return remove(ctx, o)
}

// remove ends the processes first. The directory goes last: what cannot be removed
// now can then be removed by the next attempt.
func remove(ctx context.Context, o Options) error {
	node, err := Load(o)
	if err != nil {
		// Its addresses are not known any more, but the rest follows from the name.
		node = Node{Name: o.Name, Dir: o.dir()}
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := kill(ctx, node); err != nil {
		return err
	}
	if err := errors.Join(removeLink(node), removeCgroups(ctx, node)); err != nil {
		return err
	}
	if o.Keep {
		return nil
	}
	return os.RemoveAll(o.dir())
}

// kill ends the first process; the kernel ends every other one of its namespace
// before it is gone.
func kill(ctx context.Context, node Node) error {
	pid, alive := readPid(node)
	if !alive {
		if pid = findInit(node.Dir); pid == 0 {
			return nil
		}
	}
	started, err := startTime(pid)
	if err != nil {
		return nil //nolint:nilerr // it ended meanwhile
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("ending the node's first process %d: %w", pid, err)
	}
	return until(ctx, func() error {
		// Where this command is its parent, it must be reaped to be gone.
		_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		if now, err := startTime(pid); err == nil && now == started {
			return fmt.Errorf("ending the node's first process: process %d is still there", pid)
		}
		return nil
	})
}

// lock makes commands about sandboxes wait for each other, as long as ctx allows.
func lock(ctx context.Context, o Options) (func(), error) {
	if err := os.MkdirAll(o.Parent, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(o.Parent, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	try := func() error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }
	if err := try(); errors.Is(err, syscall.EWOULDBLOCK) {
		fmt.Fprintln(o.Out, "waiting for another command about sandboxes to end")
	}
	if err := until(ctx, try); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s, which another command about sandboxes holds: %w", f.Name(), err)
	}
	return func() { f.Close() }, nil
}
