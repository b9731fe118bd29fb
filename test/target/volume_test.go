package target

import (
	"path/filepath"
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/envtest"
)

// small is a volume of 200 MiB: a pod mounts memory on its node, and fills it when it is told to.
const small = `
apiVersion: v1
kind: Namespace
metadata: {name: target-full}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: target-full}
spec:
  storageClassName: target-full
  capacity: {storage: 8Gi}
  accessModes: [ReadWriteOnce]
  hostPath: {path: DISKS/full, type: Directory}
---
apiVersion: v1
kind: Pod
metadata: {name: disk, namespace: target-full}
spec:
  terminationGracePeriodSeconds: 5
  containers:
  - name: disk
    image: busybox:1.36
    command:
    - sh
    - -c
    - |
      mkdir -p /node/full && mount -t tmpfs -o size=200m,mode=0777 tmpfs /node/full && touch /tmp/ready
      while :; do
        if [ -e /tmp/fill ]; then cat /dev/zero >>/node/full/filler; else rm -f /node/full/filler; fi 2>/dev/null
        sleep 0.2
      done
    readinessProbe: {exec: {command: [cat, /tmp/ready]}, periodSeconds: 1}
    lifecycle: {preStop: {exec: {command: [umount, -l, /node/full]}}}
    securityContext: {privileged: true, runAsUser: 0}
    volumeMounts: [{name: node, mountPath: /node, mountPropagation: Bidirectional}]
  volumes: [{name: node, hostPath: {path: DISKS, type: DirectoryOrCreate}}]
`

// withSmall are the values of a Backstage whose database is on that volume, beside the target's own.
const withSmall = `
nameOverride: full
secrets: {postgresPassword: target-password}
rbac: {mode: none}
networkPolicy: {enabled: false}
postgresql: {storage: {className: target-full}}
waitForPostgres: {timeoutSeconds: 10}
`

// fullVolume lets a database's volume run full before a deploy. No release can mend that, and
// none serves: a human is needed, and is told of it
// (bitnami/charts#30441, holos-run/holos#97). With room again the same deploy ends well.
func (g *site) fullVolume(image record.Image) {
	g.t.Helper()
	const full = "target-full"
	apply(g.t, strings.ReplaceAll(small, "DISKS", filepath.Join(filepath.Dir(g.Kubeconfig), "disks")))
	kubectl(g.t, "-n", full, "wait", "--for=condition=Ready", "pod/disk", "--timeout", "2m")
	deploy := func(release string) outcome {
		values := g.write("full.yaml", withSmall+"podAnnotations: {release: "+release+"}\n")
		return g.stagecrewIn(full, "deploy", "--release", "full", "--image", image.String(), "--chart", g.chart(), "--values", values,
			"--verify-key", envtest.Env(g.t, "E2E_VERIFY_KEY"), "--soak", "0", "--rollback-timeout", "1m")
	}
	o := deploy("empty")
	require.Zero(g.t, o.exit, "%s", o.log)

	g.disk(full, "touch /tmp/fill", `[ "$room" -eq 0 ]`)
	kubectl(g.t, "-n", full, "delete", "pod", "psql-postgresql-0")
	require.Eventually(g.t, func() bool {
		out, err := try(g.t, "-n", full, "get", "pod", "psql-postgresql-0", "-o", "jsonpath={.status.containerStatuses[0].state.waiting.reason}")
		return err == nil && out == "CrashLoopBackOff"
	}, patience, time.Second, "a database without room does not start")
	start := time.Now()
	o = deploy("full")
	g.doc.row("the database's volume is full", "5", seconds(time.Since(start)), string(o.record.Verdict), "nothing can serve; the cause and the advice have PostgreSQL's words, No space left on device")
	require.Equal(g.t, 5, o.exit, "%s", o.log)
	require.Contains(g.t, o.record.Cause.Message, "No space left on device")

	g.disk(full, "rm /tmp/fill", `[ "$room" -gt 0 ]`)
	kubectl(g.t, "-n", full, "delete", "pod", "psql-postgresql-0")
	start = time.Now()
	o = deploy("room")
	require.Zero(g.t, o.exit, "%s", o.log)
	g.doc.row("there is room again: the same deploy", "0", seconds(time.Since(start)), string(o.record.Verdict), "good")
}

// disk tells the pod with the volume what to do, and waits until the room is as it should be.
func (g *site) disk(namespace, do, until string) {
	g.t.Helper()
	kubectl(g.t, "-n", namespace, "exec", "disk", "--", "sh", "-c", do+`; until room=$(df -P /node/full | tail -n 1 | tr -s ' ' | cut -d ' ' -f 4); `+until+`; do sleep 0.2; done`)
}
