package scenarios

// ofLimits are pods that no node takes, or that a node ends, for what they want or do.
var ofLimits = []reported{
	{
		name: "a liveness probe that asks when all look away", source: "sapcc/helm-charts#11365", beside: true,
		steps: []step{
			{args: watched, serves: 1},
			{values: `container: {livenessProbe: {httpGet: {path: /live, port: http}, initialDelaySeconds: 40, periodSeconds: 5, failureThreshold: 2}}`, args: watched,
				exits: rolledBack, words: []string{"container app", "iveness probe", "404"}, serves: 1},
		},
	},
	{
		name: "a pod that its node ends for what it writes", source: "akash-network/support#275", beside: true,
		steps: []step{
			{},
			{values: "container: {resources: {limits: {ephemeral-storage: 2Mi}}}\nscript: \"(sleep 3; dd if=/dev/zero of=/tmp/big bs=1M count=20) & exec httpd -f -p 8080 -h $www\"", args: watched,
				exits: rolledBack, words: []string{"Evicted", "ephemeral local storage"}, serves: 1},
		},
	},
	{
		name: "a path of the node that is of another type", source: "kubernetes/kubernetes#90263", beside: true,
		steps: []step{
			{},
			{values: "pod: {volumes: [{name: host, hostPath: {path: /etc/hostname, type: Directory}}]}\ncontainer: {volumeMounts: [{name: host, mountPath: /host}]}",
				exits: rolledBack, words: []string{"/etc/hostname is not a directory", "rollout/host-path-differs"}, serves: 1},
		},
	},
	{
		name: "a claim for one pod at a time", source: "kubernetes/kubernetes#26567", beside: true,
		steps: []step{
			{values: oneAtATime("RollingUpdate"), serves: 1},
			{values: oneAtATime("RollingUpdate"), exits: rolledBack, words: []string{"PersistentVolumeClaim/data is ReadWriteOncePod", "rollout/volume-claim-in-use"}, serves: 1},
			{values: oneAtATime("Recreate"), serves: 3, after: []deed{isGood}},
		},
	},
	{
		name: "a user by name where none may be root", source: "lobu-ai/lobu#1228", beside: true,
		steps: []step{
			{},
			{values: `pod: {securityContext: {runAsNonRoot: true}}`, exits: rolledBack, words: []string{"runAsNonRoot", "runAsUser", "rollout/runs-as-root"}, serves: 1},
		},
	},
	{
		name: "a file that the ConfigMap does not have", source: "kubernetes/kubernetes#126186",
		steps: []step{{values: "pod: {volumes: [{name: settings, configMap: {name: settings}}]}\ncontainer: {volumeMounts: [{name: settings, mountPath: /etc/app.yaml, subPath: app.yaml}]}\n" +
			`objects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {other.yaml: "1"}}]`, words: []string{`the key "app.yaml" of ConfigMap/settings`, "empty folder"}, serves: 1}},
	},
	{
		name: "a release whose records are in ConfigMaps", source: "lensapp/lens#5332",
		steps: []step{{
			before: []deed{creates(`{apiVersion: v1, kind: ConfigMap, metadata: {name: sh.helm.release.v1.app.v1, labels: {owner: helm, name: app, status: deployed, version: "1"}}, data: {release: H4sI}}`)},
			exits:  refused, words: []string{"ConfigMap/sh.helm.release.v1.app.v1", "release/helm-driver"}, after: []deed{gone("deployments.apps/app")},
		}},
	},
	{
		name: "a Job that is suspended", source: "argoproj/argo-cd#19126", beside: true,
		steps: []step{{}, {values: job("import", "suspend: true,", "echo done"), args: []string{"--timeout", "60s"}, told: []string{"Job/import"}, serves: 2, after: []deed{isGood}}},
	},
	{
		name: "a quota for what pods ask for as a whole", source: "kubernetes/enhancements#2837", beside: true,
		steps: []step{
			{values: `pod: {resources: {requests: {cpu: 100m}}}`},
			{before: []deed{creates(`{apiVersion: v1, kind: ResourceQuota, metadata: {name: small}, spec: {hard: {requests.cpu: 250m}}}`), becomes("resourcequotas/small", "{.status.used}", `{"requests.cpu":"200m"}`)},
				values: `pod: {resources: {requests: {cpu: 100m}}}`, exits: []int{1}, words: []string{"requests.cpu of ResourceQuota/small"}, serves: 1, after: []deed{onlyOneRevision}},
		},
	},
	{
		name: "fewer replicas of a StatefulSet that takes its claims along", source: "kubernetes/enhancements#1847", beside: true,
		steps: []step{
			{values: claiming(2), after: []deed{there("persistentvolumeclaims/data-app-1")}},
			{values: claiming(1), exits: []int{1}, words: []string{"PersistentVolumeClaim/data-app-1"}, serves: 1, after: []deed{there("persistentvolumeclaims/data-app-1")}},
			{values: claiming(1), args: []string{"--allow-delete", "all"}, serves: 3, after: []deed{isGood, gone("persistentvolumeclaims/data-app-1")}},
		},
	},
	{
		name: "an application on its pod's address only", source: "kubernetes/kubernetes#87484", beside: true,
		steps: []step{
			{smoke: checks, values: onItsAddress, serves: 1},
			{values: onItsAddress, serves: 2, after: []deed{isGood}},
		},
	},
	{
		name: "old pods that take too long to end for the strategy Recreate", source: "kubernetes/kubernetes#27362",
		steps: []step{
			{values: lingering},
			{values: lingering, args: []string{"--timeout", "15s"}, exits: []int{4, 5}, words: []string{"its strategy Recreate waits for the old pods to end"}},
		},
	},
}

func oneAtATime(strategy string) string {
	return `
spec: {replicas: 1, strategy: {type: ` + strategy + `}}
pod: {volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]}
container: {volumeMounts: [{name: data, mountPath: /data}]}
objects: [{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}, spec: {accessModes: [ReadWriteOncePod], resources: {requests: {storage: 1Mi}}}}]`
}

// claiming is a StatefulSet whose claims go with its pods.
func claiming(replicas int) string {
	count := map[int]string{1: "1", 2: "2"}[replicas]
	return `
kind: StatefulSet
spec:
  replicas: ` + count + `
  persistentVolumeClaimRetentionPolicy: {whenScaled: Delete}
  volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}}]
container: {volumeMounts: [{name: data, mountPath: /data}]}`
}

// onItsAddress listens where no port-forward ends.
const onItsAddress = `
container: {env: [{name: ADDRESS, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]}
script: exec httpd -f -p $ADDRESS:8080 -h $www`

// lingering does not end when it is asked to.
const lingering = `
spec: {replicas: 1, strategy: {type: Recreate}}
pod: {terminationGracePeriodSeconds: 30}
script: "trap '' TERM; httpd -p 8080 -h $www; while :; do sleep 1; done"`
