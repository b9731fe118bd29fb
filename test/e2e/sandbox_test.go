package e2e

import (
	"encoding/json"
	"os/exec"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/test/envtest"
)

// manifest is an ordinary small application as a chart would have it.
const manifest = `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      securityContext: {runAsNonRoot: true, runAsUser: 1000, fsGroup: 1000, seccompProfile: {type: RuntimeDefault}}
      initContainers:
      - name: wait
        image: busybox:1.36
        command: [sh, -c, "nslookup kubernetes.default && nslookup web.e2e-sandbox.svc.cluster.local"]
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
      containers:
      - name: web
        image: busybox:1.36
        command: [sh, -c, "hostname > /tmp/index.html; echo started; httpd -f -p 8080 -h /tmp"]
        ports: [{containerPort: 8080, name: http}]
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
        startupProbe: {httpGet: {path: /, port: http}, periodSeconds: 1, failureThreshold: 30}
        readinessProbe: {httpGet: {path: /, port: http}}
        livenessProbe: {httpGet: {path: /, port: http}}
        volumeMounts: [{name: tmp, mountPath: /tmp}]
      volumes: [{name: tmp, emptyDir: {}}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}], sessionAffinity: ClientIP}
---
apiVersion: v1
kind: Pod
metadata: {name: writer}
spec:
  securityContext: {runAsUser: 999, runAsNonRoot: true}
  containers:
  - {name: writer, image: "busybox:1.36", command: [sh, -c, "id -u > /data/id && cat /data/id && sleep 3600"], volumeMounts: [{name: data, mountPath: /data}]}
  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
`

func TestTheSandboxIsAKubernetes(t *testing.T) {
	t.Parallel()
	envtest.Env(t, "E2E_SANDBOX")
	const namespace = "e2e-sandbox"
	in := func(args ...string) string { return kubectl(t, append([]string{"-n", namespace}, args...)...) }
	kubectl(t, "create", "namespace", namespace)
	defer kubectl(t, "delete", "namespace", namespace, "--wait=false")
	in("apply", "-f", write(t, "manifest.yaml", manifest))
	in("rollout", "status", "deployment/web", "--timeout", "2m")
	in("wait", "--for=condition=Ready", "pod/writer", "--timeout", "2m")

	require.Equal(t, "Bound", in("get", "pvc", "data", "-o", "jsonpath={.status.phase}"))
	require.Equal(t, "999\n", in("logs", "writer"))
	require.Contains(t, in("logs", "deployment/web", "-c", "web", "--tail", "1"), "started\n")

	// ClientIP affinity: one client keeps its pod.
	ask := "for i in 1 2 3 4 5 6 7 8; do wget -q -O- http://web/; done | sort -u | wc -l"
	require.Equal(t, "1", strings.TrimSpace(in("exec", "writer", "--", "sh", "-c", ask)))

	forward := exec.CommandContext(t.Context(), "kubectl", "--kubeconfig", envtest.Env(t, "E2E_KUBECONFIG"), "-n", namespace, "port-forward", "service/web", ":80")
	out, err := forward.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, forward.Start())
	defer func() { _ = forward.Process.Kill(); _ = forward.Wait() }()
	line := make([]byte, 200)
	n, err := out.Read(line)
	require.NoError(t, err)
	port := strings.TrimPrefix(strings.Fields(string(line[:n]))[2], "127.0.0.1:")
	answer, err := exec.CommandContext(t.Context(), "curl", "-s", "-m", "5", "http://127.0.0.1:"+port+"/").Output()
	require.NoError(t, err)
	require.Contains(t, string(answer), "web-")
}

// victimLink is the interface of the sandbox that is killed; its name follows from the sandbox's directory.
const victimLink = "sc-d66a0975"

var anyLink = regexp.MustCompile(`\bsc-[0-9a-f]{8}\b`)

// footprint is what a sandbox could leave on the host, one line for each thing. Others come and go beside it: their interfaces,
// and the routes through these, are left out.
func footprint(t *testing.T) (all []string) {
	t.Helper()
	for name, command := range map[string]string{
		"processes":  `grep -lsE 'stagecrew-sandbox[-/]victim' /proc/[0-9]*/cmdline /proc/[0-9]*/cgroup /proc/[0-9]*/mountinfo | grep -v "/$$/"`,
		"mounts":     `cut -d' ' -f2,3 /proc/self/mounts | sort`,
		"namespaces": `ip netns list`,
		"nftables":   `nft list tables`,
		"interfaces": `ip -o link | cut -d: -f2 | sort`,
		"routes":     `ip route`,
		"cgroups":    `find /sys/fs/cgroup -maxdepth 3 -name 'stagecrew*victim*'`,
		"state":      `ls -d /var/lib/stagecrew-sandbox/victim 2>/dev/null`,
	} {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", command+" || true").Output()
		require.NoError(t, err)
		for line := range strings.Lines(string(out)) {
			if link := anyLink.FindString(line); link == "" || link == victimLink {
				all = append(all, name+": "+strings.TrimSpace(line))
			}
		}
	}
	return all
}

func TestDownLeavesNothingAlsoAfterKills(t *testing.T) {
	binary := envtest.Env(t, "E2E_SANDBOX")
	sandbox := func(args ...string) string {
		out, err := exec.CommandContext(t.Context(), binary, args...).CombinedOutput()
		require.NoError(t, err, "sandbox %v: %s", args, out)
		return string(out)
	}
	before := footprint(t)
	for _, victim := range []string{"", "containerd", "kubelet", "supervisor", "first process"} {
		t.Run("kill -9 of "+victim, func(t *testing.T) {
			start := time.Now()
			sandbox("up", "--name", "victim")
			t.Logf("up after %.1f s", time.Since(start).Seconds())
			require.Contains(t, sandbox("up", "--name", "victim"), "running already")
			require.Contains(t, strings.Join(footprint(t), "\n"), victimLink, "what is to be gone is seen while it is there")
			if victim != "" {
				kill(t, victim, sandbox("status", "--name", "victim", "--output", "json"))
			}
			sandbox("down", "--name", "victim")
			require.Subset(t, before, footprint(t)) // of others something may go meanwhile
		})
	}
	sandbox("down", "--name", "victim")
}

// kill finds the victim among the descendants of the sandbox's first process.
func kill(t *testing.T, victim, status string) {
	t.Helper()
	var document struct{ Kubeconfig string }
	require.NoError(t, json.Unmarshal([]byte(status), &document))
	out, err := exec.CommandContext(t.Context(), "sh", "-c", "cat "+strings.Replace(document.Kubeconfig, "kubeconfig.yaml", "pid", 1)).Output()
	require.NoError(t, err)
	first := strings.Fields(string(out))[0]
	pids := []string{first}
	if victim != "first process" {
		pids = descendants(t, first, victim)
	}
	require.NotEmpty(t, pids, "no process %s to kill", victim)
	require.NoError(t, exec.CommandContext(t.Context(), "kill", append([]string{"-9"}, pids...)...).Run())
}

func descendants(t *testing.T, first, name string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ps", "-eo", "pid=,ppid=,args=").Output()
	require.NoError(t, err)
	parent, program := map[string]string{}, map[string]string{}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		parent[f[0]], program[f[0]] = f[1], f[2]
	}
	var found []string
	for pid, args := range program {
		if args != name {
			continue
		}
		for at := pid; at != "" && at != "0"; at = parent[at] {
			if at == first {
				found = append(found, pid)
				break
			}
		}
	}
	sort.Slice(found, func(i, j int) bool { a, _ := strconv.Atoi(found[i]); b, _ := strconv.Atoi(found[j]); return a < b })
	return found
}
