// Package commands are those of the sandbox: what a user calls, and what the node's first
// processes are called by.
package commands

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/stagecrew/stagecrew/cmd/sandbox/cluster"
	"github.com/stagecrew/stagecrew/cmd/sandbox/images"
)

// settings are the flags of all commands.
type settings struct {
	name, parent, kubeconfig, output string
	timeout                          time.Duration
	with                             []string
	keep                             bool
}

// errNotRunning makes `status` exit with 1.
var errNotRunning = errors.New("the sandbox is not running; `sandbox up` starts it")

// downTimeout bounds `down`, which may wait for an `up` that is under way.
const downTimeout = 10 * time.Minute

// Run runs a command with its arguments and gives its exit code: 1 after an error, which
// it prints.
func Run(args []string) int {
	if err := dispatch(args); err != nil {
		fmt.Fprintln(os.Stderr, "sandbox:", err)
		return 1
	}
	return 0
}

// dispatch runs the hidden commands of the node, or the user's.
func dispatch(args []string) error {
	if len(args) == 2 && args[0] == cluster.InitArgument {
		return cluster.Init(args[1])
	}
	if len(args) == 2 && args[0] == cluster.SupervisorArgument {
		return cluster.Supervise(args[1])
	}
	return userCommand(args)
}

func userCommand(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	var s settings
	root := &cobra.Command{Use: "sandbox", Short: "A real one-node Kubernetes and a registry, from Go modules alone", SilenceErrors: true, SilenceUsage: true}
	root.PersistentFlags().StringVar(&s.name, "name", "default", "name of the sandbox")
	root.PersistentFlags().StringVar(&s.parent, "dir", "/var/lib/stagecrew-sandbox", "directory for the state of all sandboxes")
	root.PersistentPreRunE = func(*cobra.Command, []string) (err error) {
		if s.parent, err = filepath.Abs(s.parent); err != nil {
			return err
		}
		return cluster.CheckName(s.name)
	}

	up := &cobra.Command{Use: "up", Short: "start the sandbox, or leave it running", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.up(cmd.Context()) }}
	up.Flags().StringVar(&s.kubeconfig, "kubeconfig", "", "write the administrator's kubeconfig to this `FILE`, too")
	up.Flags().DurationVar(&s.timeout, "timeout", 5*time.Minute, "give up after this time")
	up.Flags().StringSliceVar(&s.with, "with", nil, "add-ons: "+strings.Join(cluster.AddOnNames(), ", "))
	down := &cobra.Command{Use: "down", Short: "stop the sandbox and remove everything of it", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.down(cmd.Context()) }}
	down.Flags().BoolVar(&s.keep, "keep", false, "keep the directory with the logs and the data until the next up or down")
	status := &cobra.Command{Use: "status", Short: "say what runs; exit 1 when nothing does", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return s.status() }}
	status.Flags().StringVar(&s.output, "output", "text", "text or json")
	load := &cobra.Command{Use: "load NAME=PATH...", Short: "put images into the registry: OCI layouts or tarballs", Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return s.load(cmd.Context(), args) }}
	prepare := &cobra.Command{Use: "images", Short: "make the images that every sandbox starts with", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { _, err := makeImages(cmd.Context(), nil); return err }}
	list := &cobra.Command{Use: "list", Short: "print the names of the running sandboxes", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return s.list() }}
	root.AddCommand(up, down, status, list, load, prepare)
	root.SetArgs(args)
	return root.ExecuteContext(ctx)
}

func (s settings) options() cluster.Options {
	return cluster.Options{Name: s.name, Parent: s.parent, Bin: binDir(), Out: os.Stderr}
}

// binDir is where containerd, runc and the CNI plugins lie: sandbox.d beside
// this program.
func binDir() string {
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	return self + ".d"
}

func (s settings) up(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	addOns, err := cluster.ChooseAddOns(s.with)
	if err != nil {
		return fmt.Errorf("--with: %w", err)
	}
	if err := cluster.Check(ctx, binDir(), addOns); err != nil {
		return err
	}
	start := time.Now()
	all, err := makeImages(ctx, cluster.PodPrograms(binDir(), addOns))
	if err != nil {
		return err
	}
	o := s.options()
	o.AddOns = addOns
	node, err := cluster.Up(ctx, o, func(ctx context.Context, node cluster.Node) error { return seed(ctx, node, all) })
	if err != nil {
		return err
	}
	if s.kubeconfig != "" {
		if err := node.WriteKubeconfig(s.kubeconfig, "admin"); err != nil {
			return fmt.Errorf("writing %s: %w", s.kubeconfig, err)
		}
	}
	fmt.Fprintf(os.Stderr, "sandbox %s is up after %.1f s: Kubernetes %s, registry %s\n  kubectl --kubeconfig %s\n",
		s.name, time.Since(start).Seconds(), cluster.KubernetesVersion(), node.Registry(), node.Kubeconfig())
	return nil
}

func (s settings) down(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, downTimeout)
	defer cancel()
	o := s.options()
	o.Keep = s.keep
	return cluster.Down(ctx, o)
}

// makeImages makes what is not in the cache yet.
func makeImages(ctx context.Context, programs []string) ([]images.Image, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	return images.Make(ctx, filepath.Join(cache, "stagecrew", "sandbox-images"), programs, func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, format+"\n", args...)
	})
}

// seed puts the images into the registry.
func seed(ctx context.Context, node cluster.Node, all []images.Image) error {
	start := time.Now()
	transport, err := node.Transport()
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	for _, image := range all {
		if err := images.Push(ctx, image, node.Registry(), transport); err != nil {
			return fmt.Errorf("seeding the registry with %s: %w", image.Names[0], err)
		}
	}
	cluster.PrintTime(os.Stderr, "images in the registry", fmt.Sprintf("%.1f", time.Since(start).Seconds()))
	return nil
}

func (s settings) load(ctx context.Context, args []string) error {
	node, running := cluster.Running(s.options())
	if !running {
		return errNotRunning
	}
	transport, err := node.Transport()
	if err != nil {
		return err
	}
	for _, arg := range args {
		name, path, found := strings.Cut(arg, "=")
		if !found {
			return fmt.Errorf("argument %q: want NAME[:TAG]=PATH of an OCI layout or tarball", arg)
		}
		if err := images.Load(ctx, path, node.Registry()+"/"+name, transport); err != nil {
			return fmt.Errorf("loading %s: %w", arg, err)
		}
	}
	return nil
}

func (s settings) list() error {
	entries, err := os.ReadDir(s.parent)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if _, running := cluster.Running(cluster.Options{Name: e.Name(), Parent: s.parent}); running {
			fmt.Println(e.Name())
		}
	}
	return nil
}

// document is what `status --output json` prints.
type document struct {
	Name              string              `json:"name"`
	Running           bool                `json:"running"`
	Kubeconfig        string              `json:"kubeconfig"`
	Registry          string              `json:"registry"`
	CABundle          string              `json:"caBundle"`
	NodeAddress       string              `json:"nodeAddress"`
	KubernetesVersion string              `json:"kubernetesVersion"`
	AuditLog          string              `json:"auditLog"`
	RegistryHosts     string              `json:"registryHosts"`
	AddOns            []string            `json:"addOns"`
	IngressAddress    string              `json:"ingressAddress,omitempty"`
	ACMERoots         string              `json:"acmeRoots,omitempty"`
	Components        []cluster.Component `json:"components"`
}

func (s settings) status() error {
	d := document{Name: s.name, Components: []cluster.Component{}}
	node, running := cluster.Running(s.options())
	if running {
		components, err := cluster.Components(node)
		if err != nil {
			return err
		}
		d = document{s.name, true, node.Kubeconfig(), node.Registry(), node.Path("ca-bundle.crt"), node.IP().String(), cluster.KubernetesVersion(),
			node.AuditLog(), node.RegistryHosts(), node.AddOns, "", node.ACMERoots(), components}
		if node.Has("ingress") {
			d.IngressAddress = node.IngressService().String()
		}
	}
	if err := d.print(s.output); err != nil {
		return err
	}
	if !running {
		return errNotRunning
	}
	return nil
}

func (d document) print(output string) error {
	switch output {
	case "json":
		encoder := json.NewEncoder(os.Stdout)
		encoder.SetIndent("", "  ")
		return encoder.Encode(d)
	case "text":
	default:
		return fmt.Errorf("--output %q: allowed are text, json", output)
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "name\t%s\nrunning\t%t\n", d.Name, d.Running)
	if d.Running {
		fmt.Fprintf(w, "kubeconfig\t%s\nregistry\t%s\nCA bundle\t%s\n", d.Kubeconfig, d.Registry, d.CABundle)
	}
	for _, c := range d.Components {
		fmt.Fprintf(w, "%s\trunning %t, pid %d in the node\n", c.Name, c.Running, c.PID)
	}
	return w.Flush()
}
