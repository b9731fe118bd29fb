package scenarios

import "strings"

// failing are releases that cannot work. What the values leave out is as in the
// first release: two pods that serve a page.
var failing = []scenario{
	{
		name:   "an image tag that does not exist, in a second container",
		second: `containers: [{name: sidecar, image: "busybox:9.99"}]`,
		exit:   4, code: "rollout/image-not-found", words: []string{"Pod/app-", "sidecar", "busybox:9.99", "not found"}, soon: true,
	},
	{
		name:  "an image digest that does not exist",
		image: func(s *site) string { return strings.Split(s.image, "@")[0] + "@sha256:" + strings.Repeat("1", 64) },
		exit:  4, code: "rollout/image-not-found", words: []string{"app", "ErrImagePull", "sha256:1111", "not found"}, soon: true,
	},
	{
		name:   "an image name that cannot be parsed",
		second: `containers: [{name: sidecar, image: "Busybox:1.36"}]`,
		exit:   1, code: "preflight/image-invalid", words: []string{"sidecar", "InvalidImageName", "Busybox:1.36"}, soon: true,
	},
	{
		name:   "an image that must be on the node and is not",
		second: `containers: [{name: sidecar, image: "busybox:local", imagePullPolicy: Never}]`,
		exit:   4, code: "rollout/image-never-pull", words: []string{"sidecar", "ErrImageNeverPull", "busybox:local"}, soon: true,
	},
	{
		name:   "a process that exits at its start",
		second: `script: "echo cannot open the database >&2; exit 3"`,
		exit:   4, code: "rollout/crash-loop", words: []string{"container app", "cannot open the database", "3"}, soon: true,
	},
	{
		name:   "a process that needs more memory than its limit",
		second: `{script: exec tail /dev/zero, container: {resources: {limits: {memory: 24Mi}}}}`,
		exit:   4, code: "rollout/oom-killed", words: []string{"OOMKilled", "24Mi"}, soon: true,
	},
	{
		name:   "a Secret that is not there",
		second: `container: {envFrom: [{secretRef: {name: database}}]}`,
		exit:   4, code: "rollout/config-missing", words: []string{`secret "database" not found`}, soon: true,
	},
	{
		name: "a key that the Secret does not have",
		second: `
container: {env: [{name: PASSWORD, valueFrom: {secretKeyRef: {name: database, key: password}}}]}
objects: [{apiVersion: v1, kind: Secret, metadata: {name: database}, stringData: {user: app}}]`,
		exit: 4, code: "rollout/config-missing", words: []string{"couldn't find key password"}, soon: true,
	},
	{
		name: "a ConfigMap volume that is not there",
		second: `
pod: {volumes: [{name: settings, configMap: {name: settings}}]}
container: {volumeMounts: [{name: settings, mountPath: /settings}]}`,
		exit: 4, code: "rollout/volume-source-missing", words: []string{`configmap "settings" not found`}, soon: true,
	},
	{
		name:   "a program that the image does not have",
		second: `container: {command: [/opt/server, --listen]}`,
		exit:   4, code: "rollout/container-not-started", words: []string{"/opt/server", "no such file or directory"}, soon: true,
	},
	{
		name:   "an init container that fails",
		second: `pod: {initContainers: [{name: migrate, image: "busybox:1.36", command: [sh, -c, "echo no such schema >&2; exit 1"]}]}`,
		exit:   4, code: "rollout/crash-loop", words: []string{"container migrate", "no such schema"}, soon: true,
	},
	{
		name:   "an init container that hangs",
		second: `pod: {initContainers: [{name: migrate, image: "busybox:1.36", command: [sleep, "3600"]}]}`,
		args:   []string{"--timeout", "20s"},
		exit:   4, code: "rollout/timeout", words: []string{"migrate"},
	},
	{
		name: "a startup probe that never passes",
		second: `
container: {startupProbe: {httpGet: {path: /started, port: http}, periodSeconds: 1, failureThreshold: 3}}`,
		exit: 4, code: "rollout/startup-probe-failed", words: []string{"container app", "startup probe", "404"}, soon: true,
	},
	{
		name: "a readiness that comes and goes",
		second: `
spec: {minReadySeconds: 10}
script: |
  (while sleep 3; do rm $www/ready; sleep 3; echo ready > $www/ready; done) &
  exec httpd -f -p 8080 -h $www`,
		args: []string{"--timeout", "40s"},
		exit: 4, code: "rollout/timeout", words: []string{"app", "Readiness probe failed", "404"},
	},
	{
		name:   "a process that stays alive, is never ready, and says why",
		second: `script: "echo Plugin catalog threw an error during startup. no database; rm $www/ready; exec httpd -f -p 8080 -h $www"`,
		exit:   4, code: "rollout/log-pattern", words: []string{"threw an error during startup. no database"}, soon: true,
	},
	{
		name:   "a node selector that no node has",
		second: `pod: {nodeSelector: {disk: fast}}`,
		args:   []string{"--rollout-rule", "unschedulable=10s"},
		exit:   4, code: "rollout/no-node-fits", words: []string{"node affinity/selector"}, soon: true,
	},
	{
		name:   "more CPU than any node has, until the time is over",
		second: `container: {resources: {requests: {cpu: 900}}}`,
		args:   []string{"--timeout", "20s"},
		exit:   4, code: "rollout/", words: []string{"Insufficient cpu"},
	},
	{
		name:    "a quota that leaves no room for one more pod",
		between: func(s *site) { s.apply(quota("quota", "pods: 2")) },
		exit:    1, code: "preflight/quota", words: []string{"pods"}, soon: true,
	},
	{
		name: "a quota that is used up after the preflight",
		during: func(s *site, p *process) {
			p.reaches("lock")
			s.apply(quota("quota", "pods: 2"))
		},
		exit: 4, code: "rollout/quota-exceeded", words: []string{"ReplicaSet/app-", "quota"}, soon: true, alone: true,
	},
	{
		name:    "an admission policy that denies the pods",
		between: denyPods,
		exit:    4, code: "rollout/admission-denied", words: []string{"ReplicaSet/app-", "pods need a cost centre"}, soon: true,
	},
	{
		name:    "a namespace whose pods must be restricted",
		between: func(s *site) { s.label("pod-security.kubernetes.io/enforce", "restricted") },
		exit:    4, code: "rollout/admission-denied", words: []string{"PodSecurity", "runAsNonRoot"}, soon: true,
	},
	{
		name: "a claim for a storage class that does not exist",
		second: `
objects: [{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}, spec: {storageClassName: fast, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}}]
pod: {volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]}
container: {volumeMounts: [{name: data, mountPath: /data}]}`,
		args: []string{"--timeout", "60s"},
		exit: 4, code: "rollout/", words: []string{"fast"},
	},
	{
		name: "a Job that fails",
		second: `
objects: [{apiVersion: batch/v1, kind: Job, metadata: {name: import}, spec: {backoffLimit: 0, template: {spec: {restartPolicy: Never, containers: [
  {name: import, image: "busybox:1.36", command: [sh, -c, "echo line 7 is no date >&2; exit 1"]}]}}}}]`,
		exit: 4, code: "rollout/job-failed", words: []string{"Job/import", "BackoffLimitExceeded", "line 7 is no date"}, soon: true,
	},
	{
		name:   "a selector that cannot be changed",
		second: `selector: {app: other}`,
		exit:   1, code: "release/immutable-field", words: []string{"Deployment/app", "selector"}, soon: true,
	},
	{
		name:   "an object that the API server rejects",
		second: `objects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: not_a_name}}]`,
		exit:   1, code: "release/", words: []string{"not_a_name"}, soon: true,
	},
	{
		name:   "a StatefulSet whose image does not exist",
		first:  `kind: StatefulSet`,
		second: `{kind: StatefulSet, containers: [{name: sidecar, image: "busybox:9.99"}]}`,
		exit:   4, code: "rollout/image-not-found", words: []string{"Pod/app-1", "busybox:9.99", "not found"}, soon: true,
	},
	{
		name:   "a StatefulSet whose process exits at its start",
		first:  `kind: StatefulSet`,
		second: `{kind: StatefulSet, script: "echo cannot open the ledger >&2; exit 1"}`,
		exit:   4, code: "rollout/crash-loop", words: []string{"Pod/app-1", "cannot open the ledger"}, soon: true,
	},
	{
		name:   "a DaemonSet whose process exits at its start",
		first:  `{kind: DaemonSet, spec: {replicas: null}}`,
		second: `{kind: DaemonSet, spec: {replicas: null}, script: "echo no such device >&2; exit 1"}`,
		exit:   4, code: "rollout/crash-loop", words: []string{"no such device"}, soon: true,
	},
	{
		name:  "a page that answers 500",
		smoke: smokeChecks, first: answers(says("200 OK", "ok")),
		second: answers(says("500 Internal Server Error", "no connection")),
		exit:   4, code: "smoke/check-failed", words: []string{"Pod/app-", "status", "500"}, soon: true,
	},
	{
		name:  "a page with another content",
		smoke: smokeChecks, first: answers(says("200 OK", "ok")),
		second: answers(says("200 OK", "maintenance")),
		exit:   4, code: "smoke/check-failed", words: []string{"Pod/app-", "maintenance"}, soon: true,
	},
	{
		name:  "a page that takes too long",
		smoke: smokeChecks, first: answers(says("200 OK", "ok")),
		second: answers("sleep 2; " + says("200 OK", "ok")),
		exit:   4, code: "smoke/check-failed", words: []string{"Pod/app-", "1s"}, soon: true,
	},
	{
		name:  "a script of the page that is not there",
		smoke: smokeChecks, first: answers(says("200 OK", "ok")),
		second: strings.ReplaceAll(answers(says("200 OK", "ok")), "exec httpd", "rm $www/app.js; exec httpd"),
		exit:   4, code: "smoke/check-failed", words: []string{"Pod/app-", "/app.js", "404"}, soon: true,
	},
	{
		// Every file is there, and visitors look at a white page.
		name:  "a bundle of the page that is broken",
		smoke: seenChecks, first: page("/", ""), second: page("/", "+ {"),
		exit: 4, code: "smoke/check-failed", words: []string{"Pod/app-", "the page is blank", "SyntaxError", "/app.js"}, soon: true,
	},
	{
		name:  "a page that takes another path for its root",
		smoke: seenChecks, first: page("/", ""), second: page("/portal/", ""),
		exit: 4, code: "smoke/check-failed", words: []string{"Pod/app-", "the page is blank"}, soon: true,
	},
	{
		name: "a liveness probe that kills before the pod is ready",
		second: `
container:
  readinessProbe: {initialDelaySeconds: 60}
  livenessProbe: {httpGet: {path: /alive, port: http}, periodSeconds: 1, failureThreshold: 2}`,
		exit: 4, code: "rollout/liveness-probe-failed", words: []string{"container app", "iveness probe", "404"}, soon: true,
	},
	{
		name:   "a process that ends soon after it was ready",
		second: `script: "httpd -p 8080 -h $www; sleep 6; echo lost the lease >&2; exit 1"`,
		args:   []string{"--soak", "auto"},
		exit:   4, code: "rollout/", words: []string{"lost the lease"}, soon: true,
	},
	{
		name:   "a hook that fails",
		second: hook(`echo no migration 0042 >&2; exit 1`),
		exit:   4, code: "release/", words: []string{"migrate"}, soon: true,
	},
	{
		name:   "a hook that hangs",
		second: hook(`sleep 3600`),
		args:   []string{"--timeout", "20s"},
		exit:   4, code: "release/", words: []string{"migrate"},
	},
	{
		name:   "a start that takes longer than the progress deadline",
		second: `{spec: {progressDeadlineSeconds: 8}, script: "sleep 40; exec httpd -f -p 8080 -h $www"}`,
		exit:   4, code: "rollout/progress-deadline", words: []string{"has timed out progressing", "Readiness probe failed"}, soon: true,
	},
	{
		name:   "a service account that does not exist",
		second: `pod: {serviceAccountName: runner}`,
		exit:   4, code: "rollout/", words: []string{`serviceaccount "runner" not found`}, soon: true,
	},
	{
		name: "a program for another processor",
		second: `
objects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: program}, binaryData: {server: ` + foreignProgram + `}}]
pod: {volumes: [{name: program, configMap: {name: program, defaultMode: 0755}}]}
container: {volumeMounts: [{name: program, mountPath: /opt}], command: [/opt/server]}`,
		exit: 4, code: "rollout/", words: []string{"exec format error"}, soon: true,
	},
	{
		name:   "a Deployment that is paused",
		second: `spec: {paused: true}`,
		exit:   1, code: "preflight/paused", words: []string{"Deployment/app", "paused"}, soon: true,
	},
}
