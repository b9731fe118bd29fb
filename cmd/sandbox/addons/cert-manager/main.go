// Command cert-manager runs cert-manager's controllers for one cluster. The programs of
// cert-manager itself are modules of their own that no module proxy serves; this one is
// written over its public package controller, without webhook, injector and leader
// election, which a cluster of one administrator does not need.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/cert-manager/cert-manager/pkg/controller"
	_ "github.com/cert-manager/cert-manager/pkg/controller/acmechallenges"
	_ "github.com/cert-manager/cert-manager/pkg/controller/acmeorders"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificate-shim/ingresses"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/acme"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/approver"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/ca"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/selfsigned"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/issuing"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/keymanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/readiness"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/requestmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/revisionmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/trigger"
	_ "github.com/cert-manager/cert-manager/pkg/controller/clusterissuers"
	_ "github.com/cert-manager/cert-manager/pkg/controller/issuers"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/acme"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/ca"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/selfsigned"
	logf "github.com/cert-manager/cert-manager/pkg/logs"
)

// workers is how many items each controller works on at a time.
const workers = 5

// settings are the flags: what a cluster decides.
type settings struct {
	kubeconfig, namespace, solverImage, nameservers, health string
}

func main() {
	var s settings
	flag.StringVar(&s.kubeconfig, "kubeconfig", "", "the `FILE` by which the API server is reached")
	flag.StringVar(&s.namespace, "cluster-resource-namespace", "kube-system", "where the Secrets of ClusterIssuers are")
	flag.StringVar(&s.solverImage, "acme-http01-solver-image", "", "the `IMAGE` of the pods that answer HTTP-01 challenges")
	flag.StringVar(&s.nameservers, "acme-http01-solver-nameservers", "", "who is asked before a challenge is presented, `HOST:PORT,...`")
	flag.StringVar(&s.health, "health", "127.0.0.1:9403", "where /livez answers")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, s); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "cert-manager:", err)
		os.Exit(1)
	}
}

// run works until ctx ends or one controller does.
func run(ctx context.Context, s settings) error {
	factory, err := controller.NewContextFactory(ctx, s.options())
	if err != nil {
		return err
	}
	shared, err := factory.Build()
	if err != nil {
		return err
	}
	all, err := construct(factory)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return answer(ctx, s.health) })
	for name, c := range all {
		group.Go(func() error {
			logf.Log.Info("starting", "controller", name)
			return c.Run(workers, ctx)
		})
	}
	// The informers that the controllers asked for are known only now.
	shared.SharedInformerFactory.Start(ctx.Done())
	shared.KubeSharedInformerFactory.Start(ctx.Done())
	shared.HTTP01ResourceMetadataInformersFactory.Start(ctx.Done())
	return group.Wait()
}

// options are those of one cluster that one administrator has for himself.
func (s settings) options() controller.ContextOptions {
	return controller.ContextOptions{
		Kubeconfig:    s.kubeconfig,
		IssuerOptions: controller.IssuerOptions{ClusterResourceNamespace: s.namespace},
		ACMEOptions: controller.ACMEOptions{
			HTTP01SolverImage:                 s.solverImage,
			HTTP01SolverNameservers:           strings.Split(s.nameservers, ","),
			HTTP01SolverResourceRequestCPU:    resource.MustParse("10m"),
			HTTP01SolverResourceRequestMemory: resource.MustParse("16Mi"),
			HTTP01SolverResourceLimitsCPU:     resource.MustParse("100m"),
			HTTP01SolverResourceLimitsMemory:  resource.MustParse("64Mi"),
			ACMEHTTP01SolverRunAsNonRoot:      true,
		},
		IngressShimOptions: controller.IngressShimOptions{
			DefaultIssuerKind:                 "ClusterIssuer",
			DefaultIssuerGroup:                "cert-manager.io",
			DefaultAutoCertificateAnnotations: []string{"kubernetes.io/tls-acme"},
		},
		CertificateOptions: controller.CertificateOptions{
			// Tests wait for a second attempt.
			CertificateRequestMinimumBackoffDuration: time.Minute,
			CertificateRequestMaximumBackoffDuration: time.Hour,
		},
		SchedulerOptions: controller.SchedulerOptions{MaxConcurrentChallenges: 10},
	}
}

// construct makes every controller that is built in, by name.
func construct(factory *controller.ContextFactory) (map[string]controller.Interface, error) {
	all := map[string]controller.Interface{}
	for name, constructor := range controller.Known() {
		c, err := constructor(factory)
		if err != nil {
			return nil, fmt.Errorf("making the controller %s: %w", name, err)
		}
		all[name] = c
	}
	return all, nil
}

// answer says to whoever asks that the program lives.
func answer(ctx context.Context, address string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(http.ResponseWriter, *http.Request) {})
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return server.Serve(listener)
}
