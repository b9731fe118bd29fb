package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// build has the product install, compile, bundle and push it.
func (l *lab) build(ctx context.Context, r *result, dir string) error {
	args := []string{
		"build", "--prepare", "--source", dir, "--base-image", os.Getenv("E2E_BASE_IMAGE"), "--repository", os.Getenv("E2E_REPOSITORY") + "/worlds/" + filepath.Base(dir),
		"--build-include", "examples", "--output", "json",
	}
	if r.World.NPM {
		for _, name := range r.World.compiled() {
			args = append(args, "--allow-install-scripts", name)
		}
	}
	began := time.Now()
	out, err := l.command(ctx, dir, os.Getenv("E2E_STAGECREW"), args...)
	r.Built = time.Since(began)
	if err != nil {
		return err
	}
	var rec record.Record
	if err := json.Unmarshal(out, &rec); err != nil {
		return fmt.Errorf("reading the record of the build: %w", err)
	}
	for _, p := range rec.Phases {
		if strings.HasSuffix(p.Name, "prepare") {
			r.Prepared = p.End.Sub(p.Start)
		}
	}
	r.Image = rec.Image.String()
	return r.weigh(ctx)
}

// weigh reads the size and the layers of the image.
func (r *result) weigh(ctx context.Context) error {
	ref, err := name.ParseReference(r.Image)
	if err != nil {
		return err
	}
	image, err := remote.Image(ref, remote.WithContext(ctx))
	if err != nil {
		return err
	}
	manifest, err := image.Manifest()
	if err != nil {
		return err
	}
	r.Layers = len(manifest.Layers)
	for _, layer := range manifest.Layers {
		r.Size += layer.Size
	}
	return nil
}

// pod starts it. A whole workspace has the settings that create-app wrote for everybody,
// whose database is SQLite in memory; a backend those of production.
const pod = `
apiVersion: v1
kind: Pod
metadata: {name: %[1]s}
spec:
  securityContext: {seccompProfile: {type: RuntimeDefault}}
%[3]s
  containers:
  - name: backstage
    image: %[2]s
    command: %[4]s
    env:
    - {name: NODE_ENV, value: production}
    - {name: NODE_OPTIONS, value: --no-node-snapshot}
    %[5]s
    - {name: POSTGRES_HOST, value: 127.0.0.1}
    - {name: POSTGRES_PORT, value: "5432"}
    - {name: POSTGRES_USER, value: postgres}
    - {name: POSTGRES_PASSWORD, value: of-this-pod}
    ports: [{containerPort: 7007}]
    readinessProbe: {httpGet: {path: /.backstage/health/v1/readiness, port: 7007}, periodSeconds: 1}
    securityContext: {runAsNonRoot: true, runAsUser: 1000, allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
  volumes: [{name: database, emptyDir: {}}]
`

// database starts before the backend, and ends after it.
const database = `  initContainers:
  - name: postgresql
    image: %s/library/postgres:14
    restartPolicy: Always
    env:
    - {name: POSTGRES_PASSWORD, value: of-this-pod}
    - {name: PGDATA, value: /data/pgdata}
    startupProbe: {exec: {command: [pg_isready, -h, 127.0.0.1]}, periodSeconds: 1, failureThreshold: 120}
    volumeMounts: [{name: database, mountPath: /data}]
    securityContext: {runAsUser: 999, runAsGroup: 999, allowPrivilegeEscalation: false}`

// start runs the image until its readiness answers 200.
func (l *lab) start(ctx context.Context, r *result, name string) error {
	kubectl := func(args ...string) (string, error) {
		out, err := exec.CommandContext(ctx, "kubectl", append([]string{"--kubeconfig", os.Getenv("E2E_KUBECONFIG")}, args...)...).CombinedOutput()
		return string(out), err
	}
	file := filepath.Join(l.dir, name+".yaml")
	beside, command, listen := "", "[node, packages/backend, --config, app-config.yaml]", "- {name: APP_CONFIG_backend_listen_host, value: 0.0.0.0}"
	if r.World.Backend {
		beside, command, listen = fmt.Sprintf(database, os.Getenv("E2E_REPOSITORY")), "[]", "" // the image's own, whose settings listen everywhere
	}
	if err := os.WriteFile(file, fmt.Appendf(nil, pod, name, r.Image, beside, command, listen), 0o600); err != nil {
		return err
	}
	if out, err := kubectl("apply", "-f", file); err != nil {
		return fmt.Errorf("starting it: %w: %s", err, out)
	}
	defer func() { _, _ = kubectl("delete", "pod", name, "--wait=false") }()
	if _, err := kubectl("wait", "--for=condition=Ready", "pod/"+name, "--timeout=5m"); err != nil {
		log, _ := kubectl("logs", name, "-c", "backstage", "--tail=20")
		return fmt.Errorf("waiting until it is ready: %w; its last lines:\n%s", err, log)
	}
	times, err := kubectl("get", "pod", name, "-o", `jsonpath={.status.containerStatuses[0].state.running.startedAt} {.status.conditions[?(@.type=="Ready")].lastTransitionTime}`)
	if err != nil {
		return err
	}
	started, ready, _ := strings.Cut(times, " ")
	from, err := time.Parse(time.RFC3339, started)
	if err != nil {
		return err
	}
	to, err := time.Parse(time.RFC3339, ready)
	r.Ready = to.Sub(from)
	return err
}
