package scenarios

import (
	"fmt"
	"strings"
)

// ofHooks are hooks and Jobs.
var ofHooks = []reported{
	{
		name: "a hook after the install that asks the application", source: "helm/helm#11778", beside: true,
		steps: []step{
			{values: asksAfter(1), serves: 1, after: []deed{isGood}},
			{values: asksAfter(2), serves: 2, after: []deed{isGood}},
		},
	},
	{
		name: "a hook that waits for an application that never starts", source: "openfga/helm-charts#100", beside: true,
		steps: []step{
			{},
			{values: onHook("post-upgrade", "until timeout 3 wget -qO- http://app/ | grep 'release 2'; do sleep 1; done") + "\n" + crash,
				exits: rolledBack, words: []string{"container app", "cannot open the database"}, serves: 1},
		},
	},
	{
		name: "a hook whose image, Secret or node does not exist", source: "SUSE/suse-ai-up#26", beside: true,
		steps: []step{
			{},
			{values: hookPod(`containers: [{name: migrate, image: "busybox:9.99", command: ["true"]}]`), exits: rolledBack, words: []string{"migrate", "busybox:9.99", "not found"}, serves: 1},
			{values: hookPod(`containers: [{name: migrate, image: "busybox:1.36", envFrom: [{secretRef: {name: database}}], command: ["true"]}]`),
				exits: rolledBack, words: []string{"migrate", `secret "database" not found`}, serves: 1},
			{values: hookPod(`nodeSelector: {disk: fast}, containers: [{name: migrate, image: "busybox:1.36", command: ["true"]}]`),
				args: []string{"--rollout-rule", "unschedulable=10s"}, exits: rolledBack, words: []string{"migrate", "node affinity/selector"}, serves: 1},
		},
	},
	{
		name: "a hook before the install that fails at first", source: "helm/helm#8401", beside: true,
		steps: []step{
			{values: installs("echo no database >&2; exit 1"), exits: human, words: []string{"Job/init", "no database"}},
			{values: installs("true"), serves: 2, after: []deed{isGood, there("configmaps/made-by-hook")}},
		},
	},
	{
		name: "a hook after the upgrade that takes too long for its own deadline", source: "sentry-kubernetes/charts#753", beside: true,
		steps: []step{
			{},
			{values: strings.Replace(onHook("post-upgrade", "sleep 100"), "backoffLimit: 0,", "backoffLimit: 0, activeDeadlineSeconds: 4,", 1), exits: rolledBack, words: []string{"Job/check", "DeadlineExceeded"}, serves: 1},
		},
	},
	{
		name: "a failed hook that stays in the way of the next one", source: "useparagon/enterprise-installer#211", beside: true,
		steps: []step{
			{},
			{values: inTheWay("echo no migration 42 >&2; exit 1"), exits: rolledBack, words: []string{"Job/check", "no migration 42"}, serves: 1},
			{values: inTheWay("true"), exits: []int{0, 1, 4}, lies: []string{"no migration 42"}},
		},
	},
	{
		name: "hooks that Kubernetes removes when they are done", source: "kumahq/kuma#16084", beside: true,
		steps: []step{{values: vanishing}, {values: vanishing}, {values: vanishing, serves: 3}},
	},
	{
		name: "a hook before the rollback that fails", source: "helm/helm#5825",
		steps: []step{
			{values: onHook("pre-rollback", "echo cannot migrate down >&2; exit 1")},
			{values: crash, exits: human, words: []string{"Job/check", "cannot migrate down"}},
			{serves: 3, after: []deed{isGood}},
		},
	},
	{
		name: "hooks by weight, a test hook, and a hook that goes when it failed", source: "helm/helm#6741",
		steps: []step{
			{values: weighed("test $X = 1")},
			{values: weighed("echo no migration 42 >&2; exit 1"), exits: rolledBack, words: []string{"Job/h", "no migration 42"}, serves: 1, after: []deed{gone("pods/t")}},
			{values: `objects: [{apiVersion: v1, kind: Pod, metadata: {name: ph, annotations: {helm.sh/hook: pre-upgrade, helm.sh/hook-delete-policy: before-hook-creation}}, spec: {restartPolicy: Never, containers: [
  {name: ph, image: "busybox:1.36", command: [sh, -c, "echo pod hook broke >&2; exit 1"]}]}}]`, exits: rolledBack, words: []string{"Pod/ph", "pod hook broke"}, serves: 1},
		},
	},
	{
		name: "a Job that is gone when the next deploy comes", source: "helm/helm#10576", beside: true,
		steps: []step{
			{values: passing(5)},
			{values: passing(5), before: []deed{gone("jobs.batch/import")}, serves: 2, after: []deed{isGood}},
			{command: "gate", before: []deed{gone("jobs.batch/import")}, after: []deed{isGood, isNotBad}},
			{command: "smoke", smoke: checks},
			{values: crash, exits: rolledBack, words: []string{"cannot open the database"}, serves: 2},
		},
	},
	{
		name: "a Job that Kubernetes removes at once", source: "haproxytech/helm-charts#213", beside: true,
		steps: []step{{values: passing(0)}, {values: passing(0)}, {command: "rollback", serves: 1, after: []deed{isGood}}},
	},
	{
		name: "a Job of hours beside the application", source: "rancher/fleet#364", beside: true,
		steps: []step{
			{},
			{values: notWaited(job("reindex", "", "sleep 300")), args: []string{"--timeout", "60s"}, serves: 2, after: []deed{isGood}},
			{values: job("rebuild", "", "sleep 300"), args: []string{"--timeout", "30s", "--allow-delete", "all"}, words: []string{"Job/rebuild", "still at work"}, serves: 3, after: []deed{isGood}},
		},
	},
	{
		name: "a migration Job that changes with the image", source: "fleetdm/fleet#21354", beside: true,
		steps: []step{
			{values: job("migrate", "", "echo 1")},
			{values: job("migrate", "", "echo 2"), exits: refused, words: []string{"Job/migrate", "immutable", "hook"}, serves: 1, after: []deed{onlyOneRevision}},
		},
	},
	{
		name: "a chart that is only a Job", source: "helm/helm#5948", beside: true,
		steps: []step{
			{chart: onlyJob, values: `cmd: "true"`, after: []deed{isGood}},
			{chart: onlyJob, values: `cmd: "echo line 7 is no date >&2; exit 1"`, exits: rolledBack, words: []string{"Job/import-2", "line 7 is no date"}},
		},
	},
}

// onHook are the values of an application with a Job that runs a script on a hook.
func onHook(event, script string) string {
	return fmt.Sprintf(`
container: {readinessProbe: {initialDelaySeconds: 3}}
objects: [{apiVersion: batch/v1, kind: Job, metadata: {name: check, annotations: {helm.sh/hook: "%s", helm.sh/hook-delete-policy: before-hook-creation}}, spec: {backoffLimit: 0, template: {spec: {
  restartPolicy: Never, terminationGracePeriodSeconds: 1, containers: [{name: check, image: "busybox:1.36", command: [sh, -c, %q]}]}}}}]`, event, script)
}

func asksAfter(version int) string {
	return onHook("post-install,post-upgrade", fmt.Sprintf("timeout 5 wget -qO- http://app/ | grep 'release %d'", version))
}

// inTheWay are the values of a hook that only its success removes.
func inTheWay(script string) string {
	return strings.Replace(onHook("pre-upgrade", script), "before-hook-creation", "hook-succeeded", 1)
}

// hookPod are the values of a Job before the upgrade whose pod has this spec.
func hookPod(spec string) string {
	return `objects: [{apiVersion: batch/v1, kind: Job, metadata: {name: migrate, annotations: {helm.sh/hook: pre-upgrade, helm.sh/hook-delete-policy: before-hook-creation}},
  spec: {backoffLimit: 0, template: {spec: {restartPolicy: Never, ` + spec + `}}}}]`
}

// installs are the values of an application that needs what a hook of the install
// made, after a Job that runs a script.
func installs(script string) string {
	return fmt.Sprintf(`
container: {envFrom: [{configMapRef: {name: made-by-hook}}]}
objects:
- {apiVersion: batch/v1, kind: Job, metadata: {name: init, annotations: {helm.sh/hook: pre-install, helm.sh/hook-weight: "1", helm.sh/hook-delete-policy: before-hook-creation}}, spec: {backoffLimit: 0, template: {spec: {
    restartPolicy: Never, containers: [{name: init, image: "busybox:1.36", command: [sh, -c, %q]}]}}}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: made-by-hook, annotations: {helm.sh/hook: pre-install, helm.sh/hook-weight: "5"}}, data: {X: "1"}}`, script)
}

const vanishing = `
objects: [{apiVersion: batch/v1, kind: Job, metadata: {name: init, annotations: {helm.sh/hook: "pre-install,pre-upgrade,post-install,post-upgrade", helm.sh/hook-delete-policy: "before-hook-creation,hook-succeeded"}},
  spec: {ttlSecondsAfterFinished: 0, backoffLimit: 0, template: {spec: {restartPolicy: Never, containers: [{name: init, image: "busybox:1.36", command: ["true"]}]}}}}]`

// weighed are a ConfigMap, a test and a Job as hooks; the Job runs a script.
func weighed(script string) string {
	return fmt.Sprintf(`
objects:
- {apiVersion: v1, kind: ConfigMap, metadata: {name: hookcm, annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-weight: "-5"}}, data: {X: "1"}}
- {apiVersion: v1, kind: Pod, metadata: {name: t, annotations: {helm.sh/hook: test}}, spec: {restartPolicy: Never, containers: [{name: t, image: "busybox:1.36", command: ["false"]}]}}
- {apiVersion: batch/v1, kind: Job, metadata: {name: h, annotations: {helm.sh/hook: "pre-install,pre-upgrade", helm.sh/hook-delete-policy: "before-hook-creation,hook-failed,hook-succeeded"}}, spec: {
    backoffLimit: 0, template: {spec: {restartPolicy: Never, containers: [{name: h, image: "busybox:1.36", envFrom: [{configMapRef: {name: hookcm}}], command: [sh, -c, %q]}]}}}}`, script)
}

// job are the values of an application with a Job; fields are further ones of its spec.
func job(name, fields, script string) string {
	return fmt.Sprintf(`objects: [{apiVersion: batch/v1, kind: Job, metadata: {name: %s}, spec: {%s template: {spec: {restartPolicy: Never, terminationGracePeriodSeconds: 1, containers: [
  {name: %s, image: "busybox:1.36", command: [sh, -c, %q]}]}}}}]`, name, fields, name, script)
}

// notWaited says of a Job that nobody waits for it.
func notWaited(values string) string {
	return strings.Replace(values, "metadata: {", `metadata: {annotations: {stagecrew.dev/wait: "false"}, `, 1)
}

// passing is a Job that goes some seconds after its end.
func passing(ttl int) string {
	return job("import", fmt.Sprintf("ttlSecondsAfterFinished: %d,", ttl), "true")
}

func onlyJob(s *site) string {
	return with(map[string]string{"templates/workload.yaml": `
apiVersion: batch/v1
kind: Job
metadata: {name: import-{{ .Values.version }}}
spec: {backoffLimit: 0, template: {spec: {restartPolicy: Never, containers: [{name: m, image: "{{ .Values.image.repository }}@{{ .Values.image.digest }}", command: [sh, -c, {{ .Values.cmd | quote }}]}]}}}
`})(s)
}
