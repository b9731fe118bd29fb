// Package kube turns a kubeconfig into clients and into HTTP transports to pods and
// Services. It is the room where client-go's clients are made.
package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sort"
	"strings"
	"time"

	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"

	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// Options say which cluster is meant.
type Options struct {
	// Kubeconfig is a file; "" means what kubectl would use: KUBECONFIG,
	// ~/.kube/config, or the service account of the pod this runs in.
	Kubeconfig string
	// Context is a context of the kubeconfig; "" means its current one.
	Context string
	// Namespace is where the release lives; "" means that of the context.
	Namespace string
	// Patience is how long a request is repeated while the API server does not
	// answer; 0 is not at all.
	Patience time.Duration
	// Log is told of such a wait; may be nil.
	Log *slog.Logger
}

// The client-side limits: watches and a few reads, far below what an API server
// takes from one client; the defaults (5 a second) would slow a deploy down.
const (
	requestsPerSecond = 50
	burst             = 100
	// requestTimeout bounds each of Helm's requests.
	requestTimeout = "30s"
)

// Cluster is one namespace of one cluster, with its clients.
type Cluster struct {
	// Namespace is resolved: never empty.
	Namespace string
	// Config is the configuration of the REST clients, without their patience: it is
	// the way to the application, too.
	Config *rest.Config
	// Client is the typed client; it waits for an API server that is away.
	Client kubernetes.Interface
	getter genericclioptions.RESTClientGetter
}

// Getter is the form of the configuration that Helm takes.
func (c *Cluster) Getter() genericclioptions.RESTClientGetter { return c.getter }

// Clientset is the typed client, for those who take a Cluster by its methods.
func (c *Cluster) Clientset() kubernetes.Interface { return c.Client }

// client-go logs by itself to stderr; what matters comes back as an error. It would
// also end the process: by a panic in a goroutine of its own, after which it works on
// just as well, and by a fatal line in the log.
func init() { // client-go offers variables only
	klog.SetSlogLogger(slog.New(slog.DiscardHandler))
	klog.OsExit = func(code int) { panic(fmt.Sprintf("client-go wants to end the process with code %d", code)) }
	utilruntime.ReallyCrash = false
	utilruntime.PanicHandlers = append(utilruntime.PanicHandlers, func(_ context.Context, recovered any) {
		_ = record.NewPanicked(recovered)
	})
}

// Connect reads the kubeconfig and makes the clients. It sends no request; an
// unreachable API server shows with the first one. A missing file or context is
// an error of input.
func Connect(o Options) (*Cluster, error) {
	if err := check(o); err != nil {
		return nil, err
	}
	flags := genericclioptions.NewConfigFlags(true)
	timeout := requestTimeout
	flags.KubeConfig, flags.Context, flags.Timeout = &o.Kubeconfig, &o.Context, &timeout
	if o.Namespace != "" {
		flags.Namespace = &o.Namespace
	}
	waits := newPatient(o.Log, o.Patience)
	flags.WrapConfigFn = func(c *rest.Config) *rest.Config {
		c.QPS, c.Burst = requestsPerSecond, burst
		c.UserAgent = "stagecrew"
		c.Wrap(waits.wrap)
		return c
	}
	config, err := flags.ToRESTConfig()
	if err != nil {
		return nil, record.BadInput("kube/kubeconfig", "reading the kubeconfig: %w; give --kubeconfig FILE", err)
	}
	// The limit is for Helm, which has no contexts; it would also end a watch.
	config = rest.CopyConfig(config)
	config.Timeout = 0
	namespace, _, err := flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return nil, record.BadInput("kube/kubeconfig", "reading the namespace of the kubeconfig: %w", err)
	}
	if wrong := validation.IsDNS1123Label(namespace); len(wrong) > 0 {
		return nil, record.BadInput("kube/namespace", "the namespace %q, of --namespace or of the kube context, is no name of one: %s", namespace, strings.Join(wrong, "; "))
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, record.BadInput("kube/kubeconfig", "using the kubeconfig: %w", err)
	}
	direct := rest.CopyConfig(config)
	direct.WrapTransport = nil
	return &Cluster{Namespace: namespace, Config: direct, Client: client, getter: flags}, nil
}

// Namespace is where a release lives when no namespace was named: that of the
// context, of the pod that this runs in, or "default". It sends no request.
func Namespace(o Options) (string, error) {
	cluster, err := Connect(o)
	if err != nil {
		return "", err
	}
	return cluster.Namespace, nil
}

// check names the file and the contexts there are, which client-go does not.
func check(o Options) error {
	// A content in place of a path is the usual mistake, and not for any log.
	if strings.ContainsAny(o.Kubeconfig, "\r\n") {
		return record.BadInput("kube/kubeconfig", "--kubeconfig has several lines: give the path of the file, not its content")
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = o.Kubeconfig
	if o.Kubeconfig == "" && isText(rules.GetLoadingPrecedence()) {
		return record.BadInput("kube/kubeconfig", "the variable KUBECONFIG has the content of a kubeconfig: put that into a file, such as by\nprintf '%%s' \"$CONTENT\" >\"$RUNNER_TEMP/kubeconfig\"\nand give its path, --kubeconfig FILE")
	}
	for _, path := range kubeconfigs(rules) {
		if err := usable(path); err != nil {
			return record.BadInput("kube/kubeconfig", "reading the kubeconfig: %w: it is read for each connection; give --kubeconfig FILE", err)
		}
	}
	config, err := rules.Load()
	if errors.Is(err, fs.ErrNotExist) || os.IsNotExist(err) {
		return record.BadInput("kube/kubeconfig", "reading the kubeconfig %q: there is no such file", o.Kubeconfig)
	}
	if err != nil {
		for _, path := range kubeconfigs(rules) {
			if isEncoded(path) {
				return record.BadInput("kube/kubeconfig", "the kubeconfig %q is still base64: decode it where it is written, such as by\nbase64 -d <<<\"$CONTENT\" >\"$RUNNER_TEMP/kubeconfig\"", path)
			}
		}
		return record.BadInput("kube/kubeconfig", "reading the kubeconfig: %w", err)
	}
	if len(config.Clusters) == 0 && !inCluster() {
		return record.BadInput("kube/no-kubeconfig", "no kubeconfig: %s, and this is not a pod; give --kubeconfig FILE or set KUBECONFIG",
			namesNone(kubeconfigs(rules)))
	}
	if name := cmp.Or(o.Context, config.CurrentContext); o.Context == "" || config.Contexts[o.Context] != nil {
		return checkCredentials(config, name, time.Now())
	}
	var contexts []string
	for name := range config.Contexts {
		contexts = append(contexts, name)
	}
	sort.Strings(contexts)
	return record.BadInput("kube/no-such-context", "the kubeconfig %s has no context %q; there are: %s",
		strings.Join(kubeconfigs(rules), ", "), o.Context, orNone(contexts))
}

// maxKubeconfig is more than the kubeconfig of any number of clusters has.
const maxKubeconfig = 16 << 20

// usable tells what client-go would wait for without end, a pipe, and what it would
// read without end. What is missing, and a device, is left to it.
func usable(path string) error {
	info, err := os.Stat(path)
	if err != nil || info.Mode()&fs.ModeDevice != 0 {
		return nil //nolint:nilerr // client-go tells which are wanted
	}
	_, err = files.ReadRegular(path, maxKubeconfig)
	return err
}

func kubeconfigs(rules *clientcmd.ClientConfigLoadingRules) []string {
	if rules.ExplicitPath != "" {
		return []string{rules.ExplicitPath}
	}
	return slices.DeleteFunc(rules.GetLoadingPrecedence(), func(path string) bool {
		_, err := os.Stat(path)
		return err != nil
	})
}

// inCluster reports whether this runs in a pod with a service account; without a
// kubeconfig client-go would otherwise try localhost.
func inCluster() bool {
	_, err := rest.InClusterConfig()
	return err == nil
}

func namesNone(paths []string) string {
	if len(paths) == 0 {
		return "no file was found"
	}
	return strings.Join(paths, ", ") + " names no cluster"
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return fmt.Sprintf("%q", names)
}
