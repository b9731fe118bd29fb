package preflight

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// The kubelet says "strconv.Atoi: parsing "web": invalid syntax" at each try, and nothing
// else happens: https://github.com/jacksontj/promxy/issues/372,
// https://github.com/mconfalonieri/external-dns-hetzner-webhook/issues/33,
// https://github.com/fortify/helm3-charts/issues/35.
func TestCheck_AProbeAsksAPortThatItsContainerHas(t *testing.T) {
	container := func(more string) string {
		return strings.Replace(deployment, "        resources:", "        ports: [{name: http, containerPort: 8080}, {containerPort: 9090}]\n        "+more+"\n        resources:", 1)
	}
	for name, c := range map[string]struct {
		manifest string
		want     string // "" for no concern
		blocks   bool
	}{
		"by its name":                    {container("readinessProbe: {httpGet: {path: /, port: http}}"), "", false},
		"by its number":                  {container("readinessProbe: {tcpSocket: {port: 9090}}"), "", false},
		"by a number that is a text":     {container("readinessProbe: {tcpSocket: {port: '9090'}}"), "", false},
		"by a number that is not listed": {container("livenessProbe: {httpGet: {path: /, port: 1}}"), "", false},
		"without a port":                 {container("readinessProbe: {exec: {command: [a]}}\n        livenessProbe: {grpc: {port: 9090}}\n        lifecycle: {preStop: {sleep: {seconds: 5}}, postStart: {exec: {command: [a]}}}"), "", false},
		"readiness":                      {container("readinessProbe: {httpGet: {path: /, port: web}}"), `container web: its readiness probe asks port "web", and it has no port of that name, only http; the kubelet cannot ask, and no pod is ever ready`, true},
		"startup":                        {container("startupProbe: {tcpSocket: {port: web}}"), "it never counts as started", true},
		"liveness":                       {container("livenessProbe: {tcpSocket: {port: web}}"), "nobody notices when it hangs", false},
		"postStart":                      {container("lifecycle: {postStart: {httpGet: {path: /, port: web}}}"), "it is killed after each start", true},
		"preStop":                        {container("lifecycle: {preStop: {httpGet: {path: /, port: web}}}"), "its preStop hook asks", false},
		"another container's port": {container("readinessProbe: {httpGet: {path: /, port: http}}") + "      - {name: proxy, image: p, readinessProbe: {tcpSocket: {port: http}}, resources: {requests: {cpu: 1m}}}\n",
			`container proxy: its readiness probe asks port "http", and it has no port of that name; `, true},
		"a sidecar": {deployment + "      initContainers: [{name: proxy, image: p, restartPolicy: Always, startupProbe: {tcpSocket: {port: http}}}]\n", "container proxy: its startup probe", true},
		"a Job, which is not asked whether it is ready": {"apiVersion: batch/v1\nkind: Job\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: web, image: w, readinessProbe: {tcpSocket: {port: http}}}]}}}\n", "no pod is ever ready", false},
	} {
		t.Run(name, func(t *testing.T) {
			found := slices.DeleteFunc(checked(t, cluster(nil), c.manifest), func(found record.Concern) bool { return found.Code != "preflight/probe-port" })
			if c.want == "" {
				require.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			require.Contains(t, found[0].Message, c.want)
			require.Equal(t, c.blocks, found[0].Blocks)
		})
	}
}
