package actions_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/test/envtest"
)

// page is GitHub's page of deployments.
type page struct {
	t     *testing.T
	act   act
	names map[string]string // of the images
}

func newPage(t *testing.T, a act, names map[string]string) page {
	t.Helper()
	return page{t, a, names}
}

// shows is what stands there, oldest first: the image, the state, and of one that is not
// replaced why. Where one is active, users find the application.
func (p page) shows() (all []string) {
	p.t.Helper()
	for _, d := range p.act.github.Deployments() {
		var kept struct {
			Stagecrew struct{ Image string } `json:"stagecrew"`
		}
		require.NoError(p.t, json.Unmarshal(d.Payload, &kept))
		require.Equal(p.t, "production", d.Environment)
		line, last := p.names[kept.Stagecrew.Image]+" "+d.State(), d.Statuses[len(d.Statuses)-1]
		if d.State() != "inactive" {
			line += ": " + last.Description
		}
		if d.State() == "success" {
			require.Equal(p.t, address, last.EnvironmentURL)
			require.Contains(p.t, last.LogURL, "/actions/runs/")
		}
		all = append(all, line)
	}
	return all
}

// refused is a release with a package that the policy does not accept: the cluster is not
// touched, and the page shows nothing.
func refused(t *testing.T, a act) {
	t.Helper()
	a.vars = maps.Clone(a.vars)
	a.vars["STAGECREW_SOURCE"] = workspace(t, map[string]string{
		filepath.Join("node_modules", "minimist", "package.json"): `{"name": "minimist", "version": "1.2.5", "license": "MIT"}`,
	})
	jobs := a.run("release", "-W", ".github/workflows/deploy.yml", "-e", event(t, map[string]any{
		"action": "released", "ref": "refs/tags/v0.9.0", "release": map[string]any{"tag_name": "v0.9.0"},
	}))
	no := jobs["deploy/deploy"]
	require.Equal(t, "failure", no.result, no.log)
	require.Equal(t, "refused", no.outputs["verdict"])
	require.Contains(t, no.log, "[scan/vulnerable]")
	require.Empty(t, no.outputs["revision"])
	require.Contains(t, no.headline(), "refused, nothing was changed")
	require.Empty(t, a.github.Deployments())
	require.NotContains(t, jobs, "deploy/recover", "there is nothing to finish")
}

// interrupted is a deploy whose job is cancelled when the new pods come: its step gets the
// runner's signal, and the job recover finishes what it leaves.
func interrupted(t *testing.T, a act, image string) (cancelled, recovered job) {
	t.Helper()
	kubeconfig, program := envtest.Env(t, "E2E_KUBECONFIG"), filepath.Base(envtest.Env(t, "E2E_STAGECREW"))
	before := deployed(t.Context(), kubeconfig)
	a.during = func(ctx context.Context, process int) error {
		if err := applied(ctx, kubeconfig, image, before); err != nil {
			return err
		}
		return signal(process, []string{program, "deploy"}, syscall.SIGINT)
	}
	jobs := a.run("workflow_dispatch", "-W", ".github/workflows/deploy.yml", "--input", "image="+image)
	cancelled, recovered = jobs["deploy/deploy"], jobs["deploy/recover"]
	require.Equal(t, "failure", cancelled.result, cancelled.log)
	require.Equal(t, "cancelled", cancelled.outputs["verdict"])
	require.Contains(t, cancelled.headline(), "cancelled")
	require.Regexp(t, `artifact stagecrew-deploy-production-\S*-1:  deploy\.json`, cancelled.log)
	require.Equal(t, "success", recovered.result, recovered.log)
	require.Equal(t, "good", recovered.outputs["verdict"])
	require.Contains(t, recovered.headline(), "is live and verified good")
	require.Regexp(t, `artifact stagecrew-recover-production-\S*-1:  recover\.json`, recovered.log)
	return cancelled, recovered
}

// applied waits until the cluster has the image, Helm its revision, and the run has noted
// that it watches the rollout: from then on a signal begins the way back. One that comes a
// moment earlier leaves the revision as it is, for recover to prove.
func applied(ctx context.Context, kubeconfig, image, before string) error {
	for ctx.Err() == nil {
		runs := asked(ctx, kubeconfig, "deployment/backstage", "--output", "jsonpath={.spec.template.spec.containers[0].image}")
		if now := deployed(ctx, kubeconfig); runs == image && now != "" && now != before && strings.Contains(journal(ctx, kubeconfig), `"phase":"watch"`) {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("act ended before the cluster got %s", image)
}

// deployed is the revision that Helm calls so; "" while it changes over.
func deployed(ctx context.Context, kubeconfig string) string {
	return asked(ctx, kubeconfig, "secret", "--selector", "owner=helm,name=backstage,status=deployed", "--output", "jsonpath={.items[*].metadata.labels.version}")
}

// journal is what the run that changes the release has noted on its lock.
func journal(ctx context.Context, kubeconfig string) string {
	return asked(ctx, kubeconfig, "lease/stagecrew-backstage", "--output", `jsonpath={.metadata.annotations.stagecrew\.dev/journal}`)
}

// asked is what kubectl gets, "" where it does not.
func asked(ctx context.Context, kubeconfig string, what ...string) string {
	out, _ := exec.CommandContext(ctx, "kubectl", append([]string{"--kubeconfig", kubeconfig, "--namespace", namespace, "get"}, what...)...).Output()
	return string(out)
}

// signal sends one to the program with that name and first argument below a process, as
// the runner does to the process of a step.
func signal(process int, command []string, s syscall.Signal) error {
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		args := strings.Split(string(text), "\x00")
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		args[0] = filepath.Base(args[0])
		if err == nil && len(args) >= 2 && slices.Equal(args[:2], command) && isBelow(pid, process) {
			return syscall.Kill(pid, s)
		}
	}
	return errors.New("the program does not run")
}

// isBelow reports whether a process is a child of another, of any degree.
func isBelow(pid, process int) bool {
	for pid > 1 && pid != process {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return false
		}
		// The name, in parentheses, may hold anything.
		fields := strings.Fields(string(stat[slices.Index(stat, ')')+1:]))
		if pid, err = strconv.Atoi(fields[1]); err != nil {
			return false
		}
	}
	return pid == process
}
