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
	"syscall"
	"time"

	"github.com/stagecrew/stagecrew/test/env"
)

func main() {
	kubeconfig := flag.String("kubeconfig", "", "kubeconfig `FILE` of a cluster to use in place of the sandbox")
	repository := flag.String("repository", "", "`HOST/PATH` of a registry that this cluster pulls from")
	keep := flag.Bool("keep", false, "leave the sandbox running")
	full := flag.Bool("full", false, "build the whole Backstage of examples/backstage from its sources; minutes, and needs the npm registry")
	name := flag.String("name", "demo", "`NAME` of the sandbox")
	pictures := flag.String("pictures", "", "with -full: `FOLDER` for pictures of the portal's pages")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, env.Config{Name: *name, Log: os.Stderr, Kubeconfig: *kubeconfig, Repository: *repository, Full: *full}, *pictures, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, c env.Config, pictures string, keep bool) (err error) {
	if c.Root, err = os.Getwd(); err != nil {
		return err
	}
	start := time.Now()
	s, err := env.Up(ctx, c)
	defer func() {
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		if downErr := s.Down(after, keep); err == nil {
			err = downErr
		}
		if keep && c.Kubeconfig == "" {
			fmt.Fprintf(os.Stderr, "The sandbox is still running: kubectl --kubeconfig %s; bin/sandbox down --name %s removes it.\n", s.Kubeconfig, c.Name)
		}
	}()
	if err != nil {
		return err
	}
	prepared := time.Since(start)
	d, err := newDemo(ctx, s, c, pictures)
	if err != nil {
		return err
	}
	if err := d.steps(ctx); err != nil {
		d.table(os.Stdout, prepared)
		return err
	}
	return d.table(os.Stdout, prepared)
}
