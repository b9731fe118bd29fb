package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// chain is everything between a commit and an image that may be deployed.
func (l *lab) chain(ctx context.Context) (comparison, error) {
	kept, err := l.kept(ctx)
	if err != nil {
		return comparison{}, err
	}
	ours, database := l.repository("chain-stagecrew"), filepath.Join(l.dir, "chain-database")
	theirs, cache, trivy := l.repository("chain-buildkit"), l.repository("chain-cache")+":main", filepath.Join(l.dir, "chain-trivy")
	if err := l.trivyDatabase(ctx, trivy); err != nil {
		return comparison{}, err
	}
	four := func(ctx context.Context, d *daemon) (out outcome, err error) {
		err = l.clock(&out, func() (err error) {
			if out.image, err = d.build(ctx, l.minimal(), theirs, cache); err != nil {
				return err
			}
			if err := l.trivyOnce(ctx, out.image, trivy, "table"); err != nil {
				return err
			}
			return l.cosign(ctx, out.image)
		})
		return out, err
	}
	const tools = buildxCached + ", `trivy image`, `cosign sign`, `cosign verify`, "
	return comparison{
		Title: "Build, scan, sign and verify after a change of the application",
		Notes: "One process against four in sequence, caches and databases warm. stagecrew's time is that of `stagecrew run` up to the verified signature; then it deploys, which is not counted. " +
			"It also attests scan and SBOM and checks whether the cluster would take the release; the four tools do not.",
		rehearse: true,
		Sides: []side{
			{Name: "stagecrew", What: "`stagecrew run`", run: l.changing(func(ctx context.Context) (outcome, error) { return l.runOnce(ctx, ours, database) })},
			{Name: "four tools, new runner", What: tools + newDaemon, run: l.changing(func(ctx context.Context) (outcome, error) {
				return l.withNewDaemon(ctx, func(d *daemon) (outcome, error) { return four(ctx, d) })
			})},
			{Name: "four tools, daemon kept", What: tools + keptDaemon, run: l.changing(func(ctx context.Context) (outcome, error) { return four(ctx, kept) })},
		},
	}, nil
}

func (l *lab) runOnce(ctx context.Context, repository, database string) (outcome, error) {
	home, err := l.home()
	if err != nil {
		return outcome{}, err
	}
	values := filepath.Join(home, "values.yaml")
	if err := os.WriteFile(values, []byte("secrets:\n  postgresPassword: benchmark\n"), 0o600); err != nil {
		return outcome{}, err
	}
	start := time.Now()
	rec, err := l.stagecrew(ctx, surroundings{home: home}, slices.Concat([]string{"run"}, l.sourceFlags(repository), []string{
		"--scan-database", setting("E2E_DATABASE"), "--scan-cache-dir", database, "--sign-key", setting("E2E_SIGN_KEY"), "--verify-key", setting("E2E_VERIFY_KEY"),
		"--chart", filepath.Join(setting("E2E_ROOT"), "charts", "backstage"), "--values", values, "--release", "backstage", "--namespace", "benchmarks",
		"--kubeconfig", setting("E2E_KUBECONFIG"),
	})...)
	if err != nil {
		return outcome{}, err
	}
	i := slices.IndexFunc(rec.Phases, func(p record.Phase) bool { return p.Name == "verify" })
	if i < 0 {
		return outcome{}, errors.New("the record of the run has no phase verify")
	}
	return outcome{took: rec.Phases[i].End.Sub(start), image: rec.Image.String()}, nil
}

func (l *lab) cosign(ctx context.Context, image string) error {
	home, err := l.home()
	if err != nil {
		return err
	}
	if _, err := l.command(ctx, home, tool("cosign"), "sign", "--yes", "--key", setting("E2E_SIGN_KEY"), "--tlog-upload=false", image); err != nil {
		return err
	}
	_, err = l.command(ctx, home, tool("cosign"), "verify", "--key", setting("E2E_VERIFY_KEY"), "--insecure-ignore-tlog", image)
	return err
}
