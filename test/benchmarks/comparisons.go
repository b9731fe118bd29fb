package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// build runs stagecrew's builder as on a runner that was never used before.
func (l *lab) build(ctx context.Context, repository string) (string, error) {
	home, err := l.home()
	if err != nil {
		return "", err
	}
	record, err := l.stagecrew(ctx, home, "build", "--source", l.source, "--base-image", l.base, "--repository", repository, "--prepare", "--install-flag=--ignore-scripts")
	return record.Image.String(), err
}

const (
	buildCommand  = "`stagecrew build --prepare` in a new home directory"
	buildxCommand = "`docker buildx build --push --cache-from type=registry --cache-to type=registry,mode=max`"
)

// warmBuild is an application's change after both sides have built once.
func (l *lab) warmBuild(ctx context.Context, o options) (comparison, error) {
	ours, theirs := l.registry+"/benchmarks/"+l.fresh("warm-stagecrew"), l.registry+"/benchmarks/"+l.fresh("warm-buildkit")
	cache := theirs + ":cache"
	if _, err := l.build(ctx, ours); err != nil {
		return comparison{}, err
	}
	kept, err := l.kept(ctx)
	if err != nil {
		return comparison{}, err
	}
	if _, err := kept.build(ctx, theirs, cache); err != nil {
		return comparison{}, err
	}
	c := comparison{
		Title: "Build after a change of the application, caches warm",
		Notes: "Each run changes the bundle only. What stagecrew knows of earlier builds is in the registry; BuildKit has its registry cache, and in one of the two also the state of its daemon.",
		Sides: []side{
			{Name: "stagecrew", What: buildCommand, run: func(ctx context.Context, _ int) error {
				_, err := l.build(ctx, ours)
				return err
			}},
			{Name: "BuildKit, new runner", What: buildxCommand + " with a daemon that has just started (its start is not counted)", run: func(ctx context.Context, _ int) error {
				d, err := l.startDaemon(ctx)
				if err != nil {
					return err
				}
				defer d.stop()
				start := time.Now()
				_, err = d.build(ctx, theirs, cache)
				l.took = time.Since(start)
				return err
			}},
			{Name: "BuildKit, daemon kept", What: buildxCommand + " with the daemon of the build before", run: func(ctx context.Context, _ int) error {
				_, err := kept.build(ctx, theirs, cache)
				return err
			}},
		},
	}
	for i := range c.Sides {
		then := c.Sides[i].run
		c.Sides[i].run = func(ctx context.Context, n int) error {
			if err := l.change(); err != nil {
				return err
			}
			return then(ctx, n)
		}
	}
	return c, l.measureAll(ctx, &c, o.warm)
}

// kept is the daemon that keeps its state.
func (l *lab) kept(ctx context.Context) (*daemon, error) {
	if l.daemon != nil {
		return l.daemon, nil
	}
	var err error
	l.daemon, err = l.startDaemon(ctx)
	return l.daemon, err
}

func (l *lab) coldBuild(ctx context.Context, o options) (comparison, error) {
	c := comparison{
		Title: "Cold build",
		Notes: "No cache anywhere, a repository that has nothing yet: both install the production dependencies from the npm registry, pack them and push what the repository lacks.",
		Sides: []side{
			{Name: "stagecrew", What: buildCommand, run: func(ctx context.Context, _ int) error {
				_, err := l.build(ctx, l.registry+"/benchmarks/"+l.fresh("cold-stagecrew"))
				return err
			}},
			{Name: "BuildKit", What: "`docker buildx build --push` with a daemon that has just started (its start is not counted), no cache exported", run: func(ctx context.Context, _ int) error {
				d, err := l.startDaemon(ctx)
				if err != nil {
					return err
				}
				defer d.stop()
				start := time.Now()
				_, err = d.build(ctx, l.registry+"/benchmarks/"+l.fresh("cold-buildkit"), "")
				l.took = time.Since(start)
				return err
			}},
		},
	}
	return c, l.measureAll(ctx, &c, o.cold)
}

// reports are the formats of a scan, as both sides call them.
var reports = []struct{ flag, format string }{
	{"--scan-json", "json"}, {"--scan-sarif", "sarif"}, {"--scan-cyclonedx", "cyclonedx"}, {"--scan-spdx", "spdx-json"}, {"--scan-cosign-vuln", "cosign-vuln"},
}

func (l *lab) scans(ctx context.Context, o options) (comparison, error) {
	image, err := l.build(ctx, l.registry+"/benchmarks/"+l.fresh("scanned"))
	if err != nil {
		return comparison{}, err
	}
	ours, theirs := filepath.Join(l.dir, "database-stagecrew"), filepath.Join(l.dir, "database-trivy")
	if err := l.scanOnce(ctx, image, ours); err != nil {
		return comparison{}, err
	}
	if err := l.trivyDatabase(ctx, theirs); err != nil {
		return comparison{}, err
	}
	sides := func(suffix string, known bool) []side {
		return []side{
			{Name: "stagecrew" + suffix, What: "`stagecrew scan` with a table and five reports", run: func(ctx context.Context, _ int) error {
				return l.scanOnce(ctx, image, l.cacheOf(ours, "databases", known))
			}},
			{Name: "trivy" + suffix, What: "`trivy image`, once for each of the five reports and the table", run: func(ctx context.Context, _ int) error {
				return l.trivyAll(ctx, image, l.cacheOf(theirs, "db", known))
			}},
		}
	}
	c := comparison{
		Title: "Scan with all reports, database warm",
		Notes: "The image is pulled by both. In the first two rows nothing is known of its layers, in the other two an earlier scan has left what it found in them. Times as long: as the first row of all.",
		Sides: append(sides("", false), sides(", layers known", true)...),
	}
	return c, l.measureAll(ctx, &c, o.warm)
}

// cacheOf is the cache itself, or a copy with the database alone.
func (l *lab) cacheOf(dir, database string, known bool) string {
	if known {
		return dir
	}
	copied := filepath.Join(l.dir, l.fresh("cache"))
	if err := os.CopyFS(filepath.Join(copied, database), os.DirFS(filepath.Join(dir, database))); err != nil {
		panic(err) // both are ours
	}
	return copied
}

func (l *lab) scanOnce(ctx context.Context, image, cache string) error {
	home, err := l.home()
	if err != nil {
		return err
	}
	args := []string{"scan", "--image", image, "--scan-database", setting("E2E_DATABASE"), "--scan-cache-dir", cache}
	for _, r := range reports {
		args = append(args, r.flag, filepath.Join(home, r.format))
	}
	_, err = l.stagecrew(ctx, home, args...)
	return err
}

func (l *lab) trivyDatabase(ctx context.Context, cache string) error {
	home, err := l.home()
	if err != nil {
		return err
	}
	_, err = l.command(ctx, home, nil, l.tool("trivy"), "image", "--cache-dir", cache, "--download-db-only", "--db-repository", setting("E2E_DATABASE"))
	return err
}

func (l *lab) trivyAll(ctx context.Context, image, cache string) error {
	for _, r := range append(reports, struct{ flag, format string }{"", "table"}) {
		if err := l.trivyOnce(ctx, image, cache, r.format); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) trivyOnce(ctx context.Context, image, cache, format string) error {
	home, err := l.home()
	if err != nil {
		return err
	}
	_, err = l.command(ctx, home, nil, l.tool("trivy"), "image", "--cache-dir", cache, "--skip-db-update", "--skip-java-db-update", "--skip-version-check", "--disable-telemetry",
		"--scanners", "vuln", "--severity", "HIGH,CRITICAL", "--exit-code", "1", "--format", format, "--output", filepath.Join(home, "report"), image)
	return err
}

// chain is everything between a commit and an image that may be deployed.
func (l *lab) chain(ctx context.Context, o options) (comparison, error) {
	// The nodes cannot reach the proxy.
	proxied, base, buildBase := l.registry, l.base, l.buildBase
	defer func() { l.registry, l.base, l.buildBase = proxied, base, buildBase }()
	l.registry, l.base, l.buildBase = direct(), strings.Replace(base, proxied, direct(), 1), strings.Replace(buildBase, proxied, direct(), 1)
	ours, theirs := l.registry+"/benchmarks/"+l.fresh("chain-stagecrew"), l.registry+"/benchmarks/"+l.fresh("chain-buildkit")
	cache, database, trivy := theirs+":cache", filepath.Join(l.dir, "chain-database"), filepath.Join(l.dir, "chain-trivy")
	kept, err := l.kept(ctx)
	if err != nil {
		return comparison{}, err
	}
	if err := l.trivyDatabase(ctx, trivy); err != nil {
		return comparison{}, err
	}
	c := comparison{
		Title: "Build, scan, sign and verify after a change of the application",
		Notes: "One process against four in sequence, caches and databases warm. stagecrew's time is that of `stagecrew run` up to the verified signature; then it deploys, which is not counted. It also attests scan and SBOM and looks whether the cluster would take the release. Not through the proxy, so that nothing is counted.",
		Sides: []side{
			{Name: "stagecrew", What: "`stagecrew run`", run: func(ctx context.Context, _ int) error { return l.runOnce(ctx, ours, database) }},
			{Name: "four tools", What: buildxCommand + " (daemon kept), `trivy image`, `cosign sign`, `cosign verify`", run: func(ctx context.Context, _ int) error {
				if err := l.change(); err != nil {
					return err
				}
				image, err := kept.build(ctx, theirs, cache)
				if err != nil {
					return err
				}
				if err := l.trivyOnce(ctx, image, trivy, "table"); err != nil {
					return err
				}
				return l.cosign(ctx, image)
			}},
		},
	}
	// Once before, so that everything is warm.
	for _, s := range c.Sides {
		if err := s.run(ctx, 0); err != nil {
			return c, err
		}
	}
	l.took = 0
	return c, l.measureAll(ctx, &c, o.warm)
}

func (l *lab) runOnce(ctx context.Context, repository, database string) error {
	if err := l.change(); err != nil {
		return err
	}
	home, err := l.home()
	if err != nil {
		return err
	}
	values := filepath.Join(home, "values.yaml")
	if err := os.WriteFile(values, []byte("secrets:\n  postgresPassword: benchmark\n"), 0o600); err != nil {
		return err
	}
	start := time.Now()
	record, err := l.stagecrew(ctx, home, "run", "--source", l.source, "--base-image", l.base, "--repository", repository, "--prepare", "--install-flag=--ignore-scripts",
		"--scan-database", setting("E2E_DATABASE"), "--scan-cache-dir", database, "--sign-key", setting("E2E_SIGN_KEY"), "--verify-key", setting("E2E_VERIFY_KEY"),
		"--chart", filepath.Join(setting("E2E_ROOT"), "charts", "backstage"), "--values", values, "--release", "backstage", "--namespace", "benchmarks", "--kubeconfig", setting("E2E_KUBECONFIG"))
	if err != nil {
		return err
	}
	for _, p := range record.Phases {
		if p.Name == "verify" {
			l.took = p.End.Sub(start)
			return nil
		}
	}
	return fmt.Errorf("the record of the run has no phase verify")
}

func (l *lab) cosign(ctx context.Context, image string) error {
	home, err := l.home()
	if err != nil {
		return err
	}
	if _, err := l.command(ctx, home, nil, l.tool("cosign"), "sign", "--yes", "--key", setting("E2E_SIGN_KEY"), "--tlog-upload=false", image); err != nil {
		return err
	}
	_, err = l.command(ctx, home, nil, l.tool("cosign"), "verify", "--key", setting("E2E_VERIFY_KEY"), "--insecure-ignore-tlog", image)
	return err
}
