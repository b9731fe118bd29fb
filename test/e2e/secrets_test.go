package e2e

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/github/githubtest"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/report"
	"github.com/stagecrew/stagecrew/test/envtest"
)

// leaked are the secrets of the release below, by where stagecrew could know them
// from. Tokens of the API server are added by the test.
var leaked = map[string]string{
	"a Secret of the chart": `p@ss/w0rd&"x y`,
	"a Secret of a hook":    "Hook-S3cret-Value",
	"a Secret made by hand": "ExtTok3n-zzzz-9876",
	"Docker's credentials":  "D0cker-pull-pw",
	"a TLS key":             "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj",
	"a connection URL":      "c0nn-Pa55word",
	"--set":                 "HUNTER2-Secret9",
	"a values file":         "Values-F1le-Secret",
	"the registry":          "REGPW-clear-1",
	"a smoke token":         "Smoke-T0ken-11",
	"several lines":         "second-Line-of-Secret",
	"a short password":      "k7Rq",
}

const leakyChart = `apiVersion: v1
kind: Secret
metadata: {name: chart}
stringData:
  password: {{ .Values.chart.password | quote }}
  url: "postgres://joe:c0nn-Pa55word@db:5432/x"
  lines: "first-Line-of-Secret\nsecond-Line-of-Secret\n"
  short: k7Rq
---
apiVersion: v1
kind: Secret
metadata: {name: hook, annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-delete-policy: before-hook-creation}}
stringData: {token: Hook-S3cret-Value}
---
apiVersion: batch/v1
kind: Job
metadata: {name: hook, annotations: {helm.sh/hook: "pre-upgrade", helm.sh/hook-weight: "5", helm.sh/hook-delete-policy: before-hook-creation}}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: hook
        image: "{{ .Values.image.repository }}@{{ .Values.image.digest }}"
        envFrom: [{secretRef: {name: hook}}]
        command: [sh, -c, "echo token=$token; {{ if eq .Values.mode "hook" }}exit 1{{ end }}"]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  progressDeadlineSeconds: 40
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
      terminationGracePeriodSeconds: 1
      imagePullSecrets: [{name: pull}]
      volumes: [{name: tls, secret: {secretName: tls}}]
      containers:
      - name: app
        image: "{{ .Values.image.repository }}@{{ .Values.image.digest }}"
        ports: [{containerPort: 8080, name: http}]
        terminationMessagePolicy: FallbackToLogsOnError
        volumeMounts: [{name: tls, mountPath: /tls}]
        env:
        - {name: SMOKE, value: {{ .Values.smoke | quote }}}
        - {name: SET, value: {{ .Values.auth.password | quote }}}
        - {name: FILE, value: {{ .Values.file.password | quote }}}
        envFrom: [{secretRef: {name: chart}}, {secretRef: {name: ext}}]
        command:
        - sh
        - -c
        - |
          say() {
            for s in "$password" "$ext" "$url" "$lines" "$short" "$SET" "$FILE" "$SMOKE" D0cker-pull-pw REGPW-clear-1 Hook-S3cret-Value c0nn-Pa55word; do
              echo "fatal: plain=$s base64=$(printf '%s' "$s" | base64 -w 0) auth=$(printf 'joe:%s' "$s" | base64 -w 0)"
            done
            cat /tls/tls.key
          }
          say
          {{ if eq .Values.mode "slow" }}sleep 30{{ end }}
          {{ if eq .Values.mode "crash" }}say >&2; exit 1{{ end }}
          mkdir -p /tmp/w; say > /tmp/w/said
          {{ if eq .Values.mode "answer" }}
          mkdir -p /tmp/w/cgi-bin
          printf '#!/bin/sh\nprintf "Status: 500\\r\\nContent-Type: text/plain\\r\\n\\r\\n"; cat /tmp/w/said\n' > /tmp/w/cgi-bin/page
          chmod +x /tmp/w/cgi-bin/page
          {{ else }}
          mkdir -p /tmp/w/cgi-bin; printf '#!/bin/sh\nprintf "Content-Type: text/plain\\r\\n\\r\\nfine"\n' > /tmp/w/cgi-bin/page; chmod +x /tmp/w/cgi-bin/page
          {{ end }}
          exec httpd -f -p 8080 -h /tmp/w
        readinessProbe: {httpGet: {path: /said, port: http}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: app}
spec: {selector: {app: app}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: copy}
data:
  password: {{ .Values.chart.password | quote }}
  set: {{ .Values.auth.password | quote }}
{{- if eq .Values.mode "rejected" }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: rejected, labels: {bad: {{ .Values.chart.password | quote }}}}
{{- end }}
`

const leakySchema = `{"type":"object","properties":{"auth":{"type":"object","properties":{"password":{"type":"string","not":{"pattern":"^schema"}}}}}}`

const leakyChecks = `checks:
- name: page
  path: /cgi-bin/page
  headers: {Authorization: "Bearer ${BACKSTAGE_SMOKE_TOKEN}"}
attempts: 2
interval: 1s
`

// leaky is a release that shows every secret it has.
type leaky struct {
	t               *testing.T
	namespace, root string
	kubeconfig      string
}

func newLeaky(t *testing.T, namespace string) leaky {
	l := leaky{t: t, namespace: namespace, root: t.TempDir()}
	kubectl(t, "create", "namespace", l.namespace)
	in := func(args ...string) { kubectl(t, append([]string{"-n", l.namespace}, args...)...) }
	in("create", "secret", "generic", "ext", "--from-literal=ext="+leaked["a Secret made by hand"])
	in("create", "secret", "docker-registry", "pull", "--docker-server=r.example.com", "--docker-username=joe", "--docker-password="+leaked["Docker's credentials"])
	in("create", "secret", "generic", "tls", "--from-literal=tls.key=-----BEGIN PRIVATE KEY-----\n"+leaked["a TLS key"]+"\n-----END PRIVATE KEY-----\n")
	l.file("chart/Chart.yaml", "apiVersion: v2\nname: leaky\nversion: 0.1.0\n")
	l.file("chart/values.yaml", "mode: good\nauth: {password: \"\"}\nfile: {password: \"\"}\n")
	l.file("chart/values.schema.json", leakySchema)
	l.file("chart/templates/all.yaml", leakyChart)
	l.file("values.yaml", fmt.Sprintf("chart: {password: %q}\nfile: {password: %s}\nsmoke: %s\n", leaked["a Secret of the chart"], leaked["a values file"], leaked["a smoke token"]))
	l.file("rotated.yaml", "chart: {password: a-New-Passw0rd}\nfile: {password: other-Values-1}\nsmoke: x\n")
	l.file("smoke.yaml", leakyChecks)
	l.kubeconfig = l.withToken()
	return l
}

// gone takes the namespace away.
func (l leaky) gone() { kubectl(l.t, "delete", "namespace", l.namespace, "--wait=false") }

func (l leaky) file(name, text string) string {
	path := filepath.Join(l.root, name)
	require.NoError(l.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(l.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// withToken is a kubeconfig with a service account's token.
func (l leaky) withToken() string {
	t := l.t
	in := func(args ...string) string { return kubectl(t, append([]string{"-n", l.namespace}, args...)...) }
	in("create", "serviceaccount", "deployer")
	in("create", "rolebinding", "deployer", "--clusterrole=admin", "--serviceaccount="+l.namespace+":deployer")
	in("create", "role", "leases", "--verb=*", "--resource=leases.coordination.k8s.io")
	in("create", "rolebinding", "leases", "--role=leases", "--serviceaccount="+l.namespace+":deployer")
	token := strings.TrimSpace(in("create", "token", "deployer"))
	path := l.file("kubeconfig", kubectl(t, "config", "view", "--raw", "--minify"))
	set := func(args ...string) {
		out, err := exec.CommandContext(t.Context(), "kubectl", append([]string{"--kubeconfig", path, "config"}, args...)...).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	set("set-credentials", "deployer", "--token="+token)
	set("set-context", "--current", "--user=deployer")
	leaked["a token of the kubeconfig"] = token
	return path
}

// deploy are the arguments of a deploy in one of the chart's modes.
func (l leaky) deploy(mode string, extra ...string) []string {
	args := []string{"deploy", "--set", "mode=" + mode, "--values", filepath.Join(l.root, "values.yaml"), "--set", "auth.password=" + leaked["--set"]}
	return append(args, extra...)
}

// run is one command in a step of a workflow, with all that left it.
func (l leaky) run(name string, args ...string) (exit int, sinks map[string]string) {
	return l.disturbed(envtest.Env(l.t, "E2E_STAGECREW"), name, func(*running) {}, args...)
}

// disturbed is run of a program to which something happens meanwhile.
func (l leaky) disturbed(program, name string, disturb func(*running), args ...string) (exit int, sinks map[string]string) {
	t, dir := l.t, filepath.Join(l.root, name)
	require.NoError(t, os.Mkdir(dir, 0o755))
	in := func(file string) string { return filepath.Join(dir, file) }
	args = append(args, "--release", "leaky", "--namespace", l.namespace, "--kubeconfig", l.kubeconfig, "--record", in("record.json"))
	if args[0] == "deploy" {
		args = append(args, "--image", image(t), "--chart", filepath.Join(l.root, "chart"), "--allow-unsigned-unsafe",
			"--smoke", filepath.Join(l.root, "smoke.yaml"), "--evidence-dir", in("evidence"), "--timeout", "90s", "--rollback-timeout", "90s")
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	github := githubtest.New(t, []string{"deployments: write", "pull-requests: write"}, commit)
	// Where a stack is kept that no record has.
	require.NoError(t, os.Mkdir(in("tmp"), 0o755))
	cmd.Env = append(os.Environ(), "GITHUB_ACTIONS=true", "GITHUB_OUTPUT="+in("output"), "GITHUB_STEP_SUMMARY="+in("summary.md"),
		"TMPDIR="+in("tmp"), "REGISTRY_PASSWORD="+leaked["the registry"], "REGISTRY_USERNAME=joe", "BACKSTAGE_SMOKE_TOKEN="+leaked["a smoke token"],
		"GITHUB_API_URL="+github.URL, "GITHUB_TOKEN="+githubtest.Token, "GITHUB_REPOSITORY="+githubtest.Repository, "GITHUB_SERVER_URL=https://github.com",
		"GITHUB_SHA="+commit, "GITHUB_REF=refs/pull/7/merge", "GITHUB_RUN_ID=1", "GITHUB_RUN_ATTEMPT=1", "STAGECREW_GITHUB_DEPLOYMENT=always", "STAGECREW_GITHUB_COMMENT=always")
	var stdout strings.Builder
	log := &running{cmd: cmd}
	cmd.Stdout, cmd.Stderr = &stdout, log
	require.NoError(t, cmd.Start())
	disturb(log)
	_ = cmd.Wait()
	sinks = map[string]string{"stdout": stdout.String()}
	for line := range strings.Lines(log.String()) {
		if !strings.HasPrefix(line, "::add-mask::") { // the runner shows none
			sinks["stderr"] += line
		}
	}
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		sinks[strings.TrimPrefix(path, dir)] = string(text)
		return err
	}))
	for sink, text := range l.shown(dir, github) {
		sinks[sink] = text
	}
	t.Logf("%s: exit %d\n%s", name, cmd.ProcessState.ExitCode(), sinks["stderr"])
	return cmd.ProcessState.ExitCode(), sinks
}

// commit is the one of the workflow's run.
const commit = "0123456789abcdef0123456789abcdef01234567"

// shown is what people see of a run elsewhere than in its job: its record as a page and as
// a summary, GitHub's page of deployments, the comment on the pull request, and what that
// would be of any run.
func (l leaky) shown(dir string, github *githubtest.Server) map[string]string {
	t := l.t
	shown := map[string]string{}
	for name, what := range map[string]any{"deployments": github.Deployments(), "comments": github.Comments()} {
		text, err := json.Marshal(what)
		require.NoError(t, err)
		shown[name] = string(text)
	}
	file := filepath.Join(dir, "record.json")
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return shown
	}
	require.NoError(t, err)
	var rec record.Record
	require.NoError(t, json.Unmarshal(text, &rec))
	shown["comment of any run"] = report.Comment(rec, 1<<20)
	for name, args := range map[string][]string{"page": {"report", "--html", file}, "report": {"report", file}} {
		out, err := exec.CommandContext(t.Context(), envtest.Env(t, "E2E_STAGECREW"), args...).Output()
		require.NoError(t, err)
		shown[name] = string(out)
	}
	return shown
}

// image is the busybox of the sandbox's registry, by its digest.
func image(t *testing.T) string {
	t.Helper()
	repository := envtest.Env(t, "E2E_REPOSITORY") + "/library/busybox"
	host, path, _ := strings.Cut(repository, "/")
	out, err := exec.CommandContext(t.Context(), "curl", "-sSfI", "--cacert", envtest.Env(t, "SSL_CERT_FILE"), "-H", "Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, "+
		"application/vnd.docker.distribution.manifest.list.v2+json, application/vnd.docker.distribution.manifest.v2+json", "https://"+host+"/v2/"+path+"/manifests/1.36").Output()
	require.NoError(t, err)
	digest := regexp.MustCompile(`(?i)docker-content-digest: (\S+)`).FindSubmatch(out)
	require.NotNil(t, digest, string(out))
	return repository + "@" + string(digest[1])
}

// forms are how a leak of a secret would look.
func forms(secret string) []string {
	return []string{
		secret, url.QueryEscape(secret), url.PathEscape(secret), strings.Trim(strconv.Quote(secret), `"`),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.StdEncoding.EncodeToString([]byte("joe:" + secret))[4:],
	}
}

func TestNoSecretLeaves(t *testing.T) {
	t.Parallel()
	envtest.Env(t, "E2E_KUBECONFIG")
	l := newLeaky(t, "e2e-secrets")
	defer l.gone()
	deploy := l.deploy
	for _, c := range []struct {
		name string
		args []string
		exit int
	}{
		{"a good first install", deploy("good", "--output", "json"), 0},
		{"a container that crashes", deploy("crash", "--output", "json"), 4},
		{"an answer with everything in it", deploy("answer"), 4},
		{"a hook that fails", deploy("hook", "--output", "json"), 4},
		{"an object that is rejected", deploy("rejected", "--output", "json"), 1},
		{"a rotated password in a dry run", []string{"deploy", "--dry-run", "--values", filepath.Join(l.root, "rotated.yaml"), "--set", "auth.password=other"}, 0},
		{"values that a schema refuses", []string{"deploy", "--values", filepath.Join(l.root, "values.yaml"), "--set", "auth.password=schema-" + leaked["--set"]}, 2},
		{"a comma in a value", []string{"deploy", "--values", filepath.Join(l.root, "values.yaml"), "--set", "auth.password=pa," + leaked["--set"]}, 2},
		{"the text of a kubeconfig", nil, 2},
		{"a table", []string{"status"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			run, args := l, c.args
			run.t = t
			if args == nil {
				text, err := os.ReadFile(l.kubeconfig)
				require.NoError(t, err)
				run.kubeconfig, args = string(text), deploy("good")
			}
			exit, sinks := run.run(strings.ReplaceAll(c.name, " ", "-"), args...)
			noneIn(t, sinks)
			require.Equal(t, c.exit, exit)
		})
	}
}

// noneIn requires that no sink has a secret, in any form.
func noneIn(t *testing.T, sinks map[string]string) {
	t.Helper()
	require.Contains(t, sinks, "deployments", "GitHub's page is a sink, too")
	for sink, text := range sinks {
		for kind, secret := range leaked {
			for _, form := range forms(secret) {
				require.NotContains(t, text, form, "%s in %s", kind, sink)
			}
		}
	}
}
