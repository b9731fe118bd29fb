package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/env"
)

const (
	namespace = "stagecrew-demo"
	release   = "backstage"
	soak      = "10s" // the shortest that is the product's own choice; for the chart's liveness probes that would be 30 s
)

// demo runs the steps and keeps what each gave.
type demo struct {
	*env.Stage
	binary, chart, values string
	images                string // repository of the application's image
	whole                 *whole // nil for the smallest example
	results               []result
	client                *client
}

// result is one row of the table.
type result struct {
	step, title string
	wantExit    int
	exit        int
	seconds     float64
	record      record.Record
	problem     string
}

func newDemo(ctx context.Context, s *env.Stage, c env.Config, pictures string) (*demo, error) {
	d := &demo{
		Stage: s, binary: filepath.Join(c.Root, "bin", "stagecrew"), chart: filepath.Join(c.Root, "charts", "backstage"),
		images: s.Repository + "/demo/backstage-production", values: filepath.Join(s.Work, "values.yaml"),
	}
	text := values(s.Password)
	var err error
	if c.Full {
		if d.whole, err = newWhole(c.Root, pictures, s); err != nil {
			return nil, err
		}
		text += d.whole.values()
	}
	if err := os.WriteFile(d.values, []byte(text), 0o600); err != nil {
		return nil, err
	}
	if d.client, err = newClient(s.Kubeconfig); err != nil {
		return nil, err
	}
	return d, d.client.reset(ctx)
}

// steps is the story. It stops at the first step that cannot be run at all.
func (d *demo) steps(ctx context.Context) error {
	bad, err := d.bad()
	if err != nil {
		return err
	}
	if err := d.pipeline(ctx, "a", "release 1.0.0: build, scan, sign, verify, deploy", "1.0.0", nil, 0); err != nil {
		return err
	}
	if problem := d.results[0].problem; problem != "" {
		return fmt.Errorf("without a good release there is nothing to show: %s", problem)
	}
	if err := d.client.start(ctx); err != nil {
		return err
	}
	if err := d.pipeline(ctx, "b", bad.title, "1.1.0", bad.overlay, 4); err != nil {
		return err
	}
	d.deploy(ctx, "c", "release 1.2.0: its image was never pushed", d.missing(), 4, "--allow-unsigned-unsafe")
	if err := d.client.stop(ctx); err != nil {
		return err
	}
	if d.whole == nil { // a whole one takes minutes each time that it is built
		if err := d.unsigned(ctx); err != nil {
			return err
		}
	}
	if err := d.pipeline(ctx, "e", "release 1.3.0: good again", "1.3.0", nil, 0); err != nil {
		return err
	}
	good := d.results[0].record.Image
	if d.whole != nil {
		if err := d.visit(ctx); err != nil {
			return err
		}
	}
	d.stagecrew(ctx, "f", "manual rollback to 1.0.0", 0, "rollback", "--reason", "demo", "--soak", soak)
	d.expectLive(good)
	return ctx.Err()
}

// version is a release that is to fail, and how.
type version struct {
	title   string
	overlay map[string]string
}

// bad is one whose backend exits at its start; with a browser to see it, one whose page
// stays white.
func (d *demo) bad() (version, error) {
	if d.whole != nil && d.whole.browser != "" {
		return version{"release 1.1.0: signed, its pods are well, its page stays white", d.Blank()}, nil
	}
	overlay, err := d.Broken()
	return version{"release 1.1.0: signed, but its backend exits at start", overlay}, err
}

// pipeline runs `stagecrew run` for one version of the example.
func (d *demo) pipeline(ctx context.Context, step, title, version string, overlay map[string]string, wantExit int) error {
	source, err := d.Release(version, overlay)
	if err != nil {
		return err
	}
	args := []string{
		"run", "--source", source, "--base-image", d.BaseImage, "--repository", d.images, "--version-label", version,
		"--scan-database", d.Database, "--scan-cache-dir", filepath.Join(d.Work, "scan"),
		"--sign-key", d.SignKey, "--verify-key", d.VerifyKey,
	}
	if d.whole != nil {
		args = append(args, "--prepare")
	}
	d.stagecrew(ctx, step, title, wantExit, append(args, d.target()...)...)
	return nil
}

// target is what is deployed, and how it is looked at.
func (d *demo) target() []string {
	flags := []string{"--chart", d.chart, "--values", d.values, "--timeout", "10m", "--soak", soak}
	if d.whole != nil {
		flags = append(flags, "--smoke", d.whole.smoke)
	}
	return flags
}

func (d *demo) deploy(ctx context.Context, step, title string, image record.Image, wantExit int, extra ...string) {
	d.stagecrew(ctx, step, title, wantExit, slices.Concat([]string{"deploy", "--image", image.String()}, d.target(), extra)...)
}

// missing names an image that nobody pushed.
func (d *demo) missing() record.Image {
	sum := sha256.Sum256([]byte("release 1.2.0"))
	return record.Image{Repository: d.images, Digest: "sha256:" + hex.EncodeToString(sum[:])}
}

// unsigned builds an image that nobody signs and tries to deploy it.
func (d *demo) unsigned(ctx context.Context) error {
	source, err := d.Release("1.2.1", nil)
	if err != nil {
		return err
	}
	d.stagecrew(ctx, "d1", "release 1.2.1: built, not signed", 0, "build",
		"--source", source, "--base-image", d.BaseImage, "--repository", d.images, "--version-label", "1.2.1")
	built := d.results[len(d.results)-1].record.Image
	if built == (record.Image{}) {
		return errors.New("building the image of release 1.2.1 gave no digest")
	}
	before, err := d.client.revisions(ctx)
	if err != nil {
		return err
	}
	d.deploy(ctx, "d2", "its deploy: refused before the cluster is touched", built, 1, "--verify-key", d.VerifyKey)
	after, err := d.client.revisions(ctx)
	if err == nil && before != after {
		d.fail(fmt.Sprintf("the cluster was touched: %d revisions before, %d after", before, after))
	}
	return err
}

// stagecrew runs the command, shows its log and keeps its record.
func (d *demo) stagecrew(ctx context.Context, step, title string, wantExit int, args ...string) {
	fmt.Fprintf(os.Stderr, "\n=== (%s) %s\n", step, title)
	cmd := exec.CommandContext(ctx, d.binary, append(args, "--output", "json")...)
	if args[0] != "build" {
		cmd.Args = append(cmd.Args, "--release", release, "--namespace", namespace, "--kubeconfig", d.Kubeconfig)
	}
	// The settings of a stagecrew.yaml or of the caller's environment do not belong here.
	cmd.Dir, cmd.Env, cmd.Stderr = d.Work, append(d.Env(), d.whole.variables()...), os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	start := time.Now()
	out, err := cmd.Output()
	r := result{step: step, title: title, wantExit: wantExit, seconds: time.Since(start).Seconds()}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		r.exit = exit.ExitCode()
	} else if err != nil {
		r.exit, r.problem = -1, err.Error()
	}
	if err := json.Unmarshal(out, &r.record); err != nil && r.problem == "" {
		r.problem = "no record on stdout: " + err.Error()
	}
	if r.exit != wantExit && r.problem == "" {
		r.problem = fmt.Sprintf("exit %d, should be %d", r.exit, wantExit)
	}
	d.results = append(d.results, r)
}

func (d *demo) fail(problem string) {
	last := &d.results[len(d.results)-1]
	if last.problem == "" {
		last.problem = problem
	}
}

// expectLive checks which image the last step left in production.
func (d *demo) expectLive(image record.Image) {
	if got := d.results[len(d.results)-1].record.Image; got != image {
		d.fail(fmt.Sprintf("image %s is live, should be %s", got, image))
	}
}

// values are the demo's settings over the chart's: nothing but the secrets.
func values(password string) string {
	return `secrets:
  postgresUser: backstage
  postgresPassword: ` + password + `
`
}
