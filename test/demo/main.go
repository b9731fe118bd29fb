// Command demo shows the main job on a real cluster: a good release, a broken
// one, one whose image is missing, an unsigned one, and a manual rollback. It
// exits non-zero when any step does not end as it should.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/stagecrew/stagecrew/test/env"
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "kubeconfig `FILE` of a cluster to use in place of the sandbox")
	repository := flag.String("repository", "", "`HOST/PATH` of a registry that this cluster pulls from")
	keep := flag.Bool("keep", false, "leave the sandbox running")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *kubeconfig, *repository, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, kubeconfig, repository string, keep bool) (err error) {
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	start := time.Now()
	s, err := env.Up(ctx, env.Config{Root: root, Name: "demo", Log: os.Stderr, Kubeconfig: kubeconfig, Repository: repository})
	defer func() {
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		if downErr := s.Down(after, keep); err == nil {
			err = downErr
		}
		if keep && kubeconfig == "" {
			fmt.Fprintf(os.Stderr, "The sandbox is still running: kubectl --kubeconfig %s; bin/sandbox down --name demo removes it.\n", s.Kubeconfig)
		}
	}()
	if err != nil {
		return err
	}
	prepared := time.Since(start)
	d, err := newDemo(ctx, s, filepath.Join(root, "bin", "stagecrew"), filepath.Join(root, "charts", "backstage"))
	if err != nil {
		return err
	}
	if err := d.steps(ctx); err != nil {
		d.table(os.Stdout, prepared)
		return err
	}
	return d.table(os.Stdout, prepared)
}
