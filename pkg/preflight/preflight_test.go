package preflight

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	fakediscovery "k8s.io/client-go/discovery/fake"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// deployment is a chart's Deployment; tests replace parts of it.
const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: registry.test/web@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
        resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {cpu: 200m, memory: 128Mi}}
`

// cluster is a fake API server on which everything is allowed but what is denied. It
// has the namespace, unless the test brings its own.
func cluster(denied func(*authorizationv1.ResourceAttributes) bool, objects ...runtime.Object) *fake.Clientset {
	if !slices.ContainsFunc(objects, func(o runtime.Object) bool { _, ok := o.(*corev1.Namespace); return ok }) {
		objects = append(slices.Clone(objects), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "prod"}})
	}
	client := fake.NewClientset(objects...)
	client.Discovery().(*fakediscovery.FakeDiscovery).Resources = []*metav1.APIResourceList{
		{GroupVersion: "apps/v1", APIResources: []metav1.APIResource{{Name: "deployments", Kind: "Deployment", Namespaced: true}, {Name: "deployments/scale", Kind: "Scale", Namespaced: true}}},
		{GroupVersion: "rbac.authorization.k8s.io/v1", APIResources: []metav1.APIResource{{Name: "clusterroles", Kind: "ClusterRole"}}},
	}
	client.PrependReactor("create", "selfsubjectaccessreviews", func(a k8stesting.Action) (bool, runtime.Object, error) {
		review := a.(k8stesting.CreateAction).GetObject().(*authorizationv1.SelfSubjectAccessReview).DeepCopy()
		review.Status.Allowed = denied == nil || !denied(review.Spec.ResourceAttributes)
		return true, review, nil
	})
	return client
}

func checked(t *testing.T, client *fake.Clientset, manifest string, change ...func(*Options)) []record.Concern {
	t.Helper()
	o := Options{Client: client, Namespace: "prod", Release: "web", ImageValuesPath: "image", Timeout: 10 * time.Minute, RollbackTimeout: 5 * time.Minute}
	for _, c := range change {
		c(&o)
	}
	found, err := Check(t.Context(), o, record.Plan{Manifest: manifest})
	require.NoError(t, err)
	return found
}

func TestCheck_AnOrdinaryDeployRaisesNoConcern(t *testing.T) {
	require.Empty(t, checked(t, cluster(nil), deployment))
}

func TestCheck_MissingPermissionsNameTheRuleToAdd(t *testing.T) {
	client := cluster(func(a *authorizationv1.ResourceAttributes) bool {
		return a.Resource == "secrets" && (a.Verb == "list" || a.Verb == "create") || a.Resource == "leases" && a.Verb == "update" ||
			a.Resource == "clusterroles" && a.Verb == "patch" || a.Resource == "events" || a.Subresource == "portforward"
	})
	manifest := deployment + "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: web}\n"
	found := checked(t, client, manifest)
	require.Len(t, found, 3)
	role, global, optional := found[1], found[0], found[2]
	if strings.Contains(role.Message, "whole cluster") {
		role, global = global, role
	}
	require.True(t, role.Blocks)
	require.Contains(t, role.Message, "in namespace prod: list/create secrets (Helm keeps its records in Secrets)")
	require.Equal(t, "add to its Role:\nrules:\n- apiGroups: [\"\"]\n  resources: [secrets]\n  verbs: [create, list]\n- apiGroups: [\"coordination.k8s.io\"]\n  resources: [leases]\n  verbs: [update]", role.Advice)
	require.True(t, global.Blocks)
	require.Contains(t, global.Advice, "ClusterRole:\nrules:\n- apiGroups: [\"rbac.authorization.k8s.io\"]\n  resources: [clusterroles]\n  verbs: [patch]")
	require.False(t, optional.Blocks, "events only explain")
	require.Contains(t, optional.Advice, "resources: [events]")

	found = checked(t, client, deployment, func(o *Options) { o.Forwarding = true })
	require.Contains(t, found[0].Advice, "pods/portforward", "smoke checks go that way")
}

// Whoever may not list what is watched is told beforehand (ministryofjustice/cloud-platform-environments#7063,
// rootsongjc/kubernetes-handbook#42); custom kinds of the same name are not watched, and their
// role may hold no more than what creates them (volcano-sh/volcano#1758).
func TestCheck_OnlyWhatIsWatchedMustBeListed(t *testing.T) {
	client := cluster(func(a *authorizationv1.ResourceAttributes) bool {
		return slices.Contains([]string{"list", "watch", "create"}, a.Verb) && slices.Contains([]string{"jobs", "replicationcontrollers", "controllerrevisions"}, a.Resource)
	})
	discovery := client.Discovery().(*fakediscovery.FakeDiscovery)
	discovery.Resources = append(discovery.Resources,
		&metav1.APIResourceList{GroupVersion: "v1", APIResources: []metav1.APIResource{{Name: "replicationcontrollers", Kind: "ReplicationController", Namespaced: true}}},
		&metav1.APIResourceList{GroupVersion: "batch/v1", APIResources: []metav1.APIResource{{Name: "jobs", Kind: "Job", Namespaced: true}}},
		&metav1.APIResourceList{GroupVersion: "batch.volcano.sh/v1alpha1", APIResources: []metav1.APIResource{{Name: "jobs", Kind: "Job", Namespaced: true}}})
	discovery.Resources[0].APIResources = append(discovery.Resources[0].APIResources, metav1.APIResource{Name: "controllerrevisions", Kind: "ControllerRevision", Namespaced: true})
	pods := "{template: {metadata: {labels: {a: b}}, spec: {restartPolicy: Never, containers: [{name: a, image: b@sha256:" + strings.Repeat("1", 64) + "}]}}}"
	for group, c := range map[string]struct{ kind, spec, verbs string }{
		"v1":                        {"ReplicationController", pods, "create, list, watch"},
		"batch/v1":                  {"Job", pods, "create, list, watch"},
		"batch.volcano.sh/v1alpha1": {"Job", "{minAvailable: 1}", "create"},
		"apps/v1":                   {"ControllerRevision", "{}", "create"},
	} {
		found := checked(t, client, deployment+"---\napiVersion: "+group+"\nkind: "+c.kind+"\nmetadata: {name: more, namespace: prod}\nspec: "+c.spec+"\n")
		i := slices.IndexFunc(found, func(c record.Concern) bool { return c.Code == "preflight/forbidden" })
		require.GreaterOrEqual(t, i, 0, "%s %v", group, found)
		require.Contains(t, found[i].Advice, "  resources: ["+strings.ToLower(c.kind)+"s]\n  verbs: ["+c.verbs+"]", group)
	}
}

func quota(hard, used map[corev1.ResourceName]string) *corev1.ResourceQuota {
	list := func(m map[corev1.ResourceName]string) corev1.ResourceList {
		l := corev1.ResourceList{}
		for k, v := range m {
			l[k] = resource.MustParse(v)
		}
		return l
	}
	return &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "q", Namespace: "prod"},
		Spec: corev1.ResourceQuotaSpec{Hard: list(hard)}, Status: corev1.ResourceQuotaStatus{Hard: list(hard), Used: list(used)}}
}

// ofChart is a further object of the manifest.
func ofChart(kind, name, spec string) string {
	return "---\napiVersion: v1\nkind: " + kind + "\nmetadata: {name: " + name + ", namespace: prod}\nspec: {" + spec + "}\n"
}

func TestCheck_QuotaIsComparedWithTheSurge(t *testing.T) {
	type amounts = map[corev1.ResourceName]string
	noUnavailable := strings.Replace(deployment, "replicas: 2", "replicas: 2\n  strategy: {rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}", 1)
	bare := strings.Replace(deployment, "        resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {cpu: 200m, memory: 128Mi}}\n", "", 1)
	whole := strings.Replace(strings.Replace(noUnavailable, "        resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {cpu: 200m, memory: 128Mi}}\n", "", 1),
		"    spec:\n      containers", "    spec:\n      resources: {requests: {cpu: 10m}, limits: {memory: 64Mi}}\n      containers", 1)
	sidecar := noUnavailable + "      initContainers:\n      - {name: proxy, image: p, restartPolicy: Always, resources: {requests: {cpu: 100m}}}\n"
	for name, c := range map[string]struct {
		manifest   string
		hard, used amounts
		extra      runtime.Object
		want       string
		blocks     bool
	}{
		"room enough":           {deployment, amounts{"requests.cpu": "1"}, amounts{"requests.cpu": "200m"}, nil, "", false},
		"no room for one":       {noUnavailable, amounts{"pods": "2"}, amounts{"pods": "2"}, nil, "no room for one new pod: a new pod needs 1, the surge of 2 2, used are 2 of 2", true},
		"it waits for old ones": {strings.Replace(noUnavailable, "maxUnavailable: 0", "maxUnavailable: 1", 1), amounts{"limits.memory": "256Mi"}, amounts{"limits.memory": "256Mi"}, nil, "", false},
		"no request given":      {bare, amounts{"requests.cpu": "1"}, nil, nil, "a container sets no requests.cpu", true},
		"a default is given": {bare, amounts{"requests.cpu": "1"}, nil, &corev1.LimitRange{ObjectMeta: metav1.ObjectMeta{Name: "l", Namespace: "prod"},
			Spec: corev1.LimitRangeSpec{Limits: []corev1.LimitRangeItem{{Type: "Container", DefaultRequest: corev1.ResourceList{"cpu": resource.MustParse("50m")}}}}}, "", false},
		// kubernetes/enhancements#2837: resources of the pod as a whole
		"given for the pod": {whole, amounts{"requests.cpu": "1", "requests.memory": "1Gi", "limits.memory": "1Gi"}, nil, nil, "", false},
		"the pod's count":   {whole, amounts{"limits.memory": "40Mi"}, nil, nil, "a new pod needs 64Mi", true},
		// kubernetes/enhancements#753: a native sidecar runs on, so that both count
		"a sidecar": {sidecar, amounts{"requests.cpu": "150m"}, nil, nil, "a new pod needs 200m", true},
		// Seen with charts/backstage: the quota is raised with the replicas.
		"the chart raises it":  {noUnavailable + ofChart("ResourceQuota", "q", "hard: {pods: 4}"), amounts{"pods": "2"}, amounts{"pods": "2"}, nil, "", false},
		"the chart lowers it":  {noUnavailable + ofChart("ResourceQuota", "q", "hard: {pods: 2}"), amounts{"pods": "9"}, amounts{"pods": "2"}, nil, "used are 2 of 2", true},
		"the chart brings one": {noUnavailable + ofChart("ResourceQuota", "r", "hard: {limits.cpu: 100m}"), amounts{"pods": "9"}, nil, nil, "limits.cpu of ResourceQuota/r has no room for one new pod: a new pod needs 200m", true},
		"the chart's defaults": {bare + ofChart("LimitRange", "l", "limits: [{type: Container, defaultRequest: {cpu: 50m}}]"), amounts{"requests.cpu": "1"}, nil, nil, "", false},
		"other resources":      {deployment, amounts{"services.loadbalancers": "0"}, nil, nil, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			objects := []runtime.Object{quota(c.hard, c.used)}
			if c.extra != nil {
				objects = append(objects, c.extra)
			}
			found := checked(t, cluster(nil, objects...), c.manifest)
			if c.want == "" {
				for _, f := range found {
					require.False(t, f.Blocks, f)
				}
				return
			}
			require.NotEmpty(t, found)
			require.Equal(t, "preflight/quota", found[0].Code)
			require.Contains(t, found[0].Message, c.want)
			require.Equal(t, c.blocks, found[0].Blocks)
		})
	}
}

// registry answers for images by name.
type registry map[string]error

func (r registry) Platforms(_ context.Context, reference string, _ [][]byte) ([]string, error) {
	for part, err := range r {
		if strings.Contains(reference, part) {
			return nil, err
		}
	}
	return []string{"linux/amd64"}, nil
}

func node(arch string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: arch}, Status: corev1.NodeStatus{
		NodeInfo:    corev1.NodeSystemInfo{OperatingSystem: "linux", Architecture: arch},
		Allocatable: corev1.ResourceList{"cpu": resource.MustParse("2"), "memory": resource.MustParse("4Gi")}}}
}

func TestCheck_Images(t *testing.T) {
	for name, c := range map[string]struct {
		registry registry
		nodes    []runtime.Object
		manifest string
		code     string
		blocks   bool
	}{
		"there":                         {registry: registry{}, nodes: []runtime.Object{node("amd64")}},
		"not there":                     {registry: registry{"web": record.Refused("build/image-not-found", "manifest unknown")}, code: "preflight/image-not-pullable", blocks: true},
		"not reachable from here":       {registry: registry{"web": record.Unavailable("build/registry-unavailable", "timeout")}, code: "preflight/image-not-pullable"},
		"a tag that is not there (yet)": {registry: registry{"web": record.Refused("build/image-not-found", "manifest unknown")}, manifest: strings.Replace(deployment, "@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", ":1.0", 1), code: "preflight/image-not-pullable"},
		"for no node":                   {registry: registry{}, nodes: []runtime.Object{node("arm64")}, code: "preflight/image-platform", blocks: true},
		"for some nodes":                {registry: registry{}, nodes: []runtime.Object{node("arm64"), node("amd64")}, code: "preflight/image-platform"},
	} {
		t.Run(name, func(t *testing.T) {
			manifest := deployment
			if c.manifest != "" {
				manifest = c.manifest
			}
			found := checked(t, cluster(nil, c.nodes...), manifest, func(o *Options) { o.Images, o.ImagesBlock = c.registry, true })
			if c.code == "" {
				require.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			require.Equal(t, c.code, found[0].Code)
			require.Equal(t, c.blocks, found[0].Blocks)
		})
	}
}

func TestCheck_AnImageOfTwoWorkloadsIsOneConcern(t *testing.T) {
	second := strings.NewReplacer("name: web", "name: other", "containers:", "serviceAccountName: other\n      containers:").Replace(deployment)
	found := checked(t, cluster(nil), deployment+"---\n"+second, func(o *Options) {
		o.Images = registry{"web": record.Unavailable("build/registry-unavailable", "timeout")}
	})
	var images []string
	for _, f := range found {
		if f.Code == "preflight/image-not-pullable" {
			images = append(images, f.Object)
		}
	}
	require.Len(t, images, 1)
}

func TestCheck_AnImageThatNoNodeCanHave(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("a", 64)
	for image, valid := range map[string]bool{
		"nginx": true, "a": true, "web:1.0": true, "registry.test:5000/team/web" + digest: true, "registry.test/web:1.0" + digest: true,
		"localhost/web": true, "Host/web": true, "host:5000/web": true, "[::1]:5000/web:v1": true, "team/a__b--c.d:V1_x": true,
		"registry.test/Team/web": false, "Web": false, "registry.test/web:": false, "registry.test/web@sha256:abc": false, "registry.test//web:1": false,
		"https://registry.test/web:1": false, "registry.test/web:1:2": false, "registry.test/web:v1+2": false, "registry.test/web:<no value>": false, "web@latest": false,
	} {
		require.Equal(t, valid, wellFormed.MatchString(image), image)
	}
	found := checked(t, cluster(nil), strings.Replace(deployment, "registry.test/web"+digest, "registry.test/Web:1", 1), func(o *Options) { o.Images = registry{} })
	require.Len(t, found, 1)
	require.Equal(t, "preflight/image-invalid", found[0].Code)
	require.True(t, found[0].Blocks)
	require.Contains(t, found[0].Message, `"registry.test/Web:1" is not the name of an image`)
	require.Contains(t, found[0].Message, "container web")
}

func TestCheck_WhatAChartContradictsItselfIn(t *testing.T) {
	with := func(old, new string) string {
		require.Contains(t, deployment, old)
		return strings.Replace(deployment, old, new, 1)
	}
	probe := func(failures string) string {
		return with("        resources:", "        startupProbe: {httpGet: {path: /, port: 80}, initialDelaySeconds: 5, failureThreshold: "+failures+"}\n        resources:")
	}
	claim := "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\nspec: {accessModes: [ReadWriteOnce]}\n"
	for name, c := range map[string]struct {
		manifest string
		codes    []string
		words    string
	}{
		"a startup probe longer than the deploy": {probe("90"), []string{"preflight/budget", "preflight/budget", "preflight/budget"}, "may take 15m6s to start by its startup probe, the deploy ends after 10m"},
		"a startup probe that fits":              {probe("20"), nil, ""},
		"minReadySeconds above the deadline":     {with("replicas: 2", "replicas: 2\n  minReadySeconds: 30\n  progressDeadlineSeconds: 20"), []string{"preflight/budget"}, "it can never complete"},
		"one replica that may be unavailable":    {with("replicas: 2", "replicas: 1\n  strategy: {rollingUpdate: {maxUnavailable: 1}}"), []string{"preflight/downtime"}, "with 1 replicas and maxUnavailable 1"},
		"surge and unavailable both nothing":     {with("replicas: 2", "replicas: 1\n  strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0}}"), []string{"preflight/downtime"}, ""},
		"one replica with the defaults":          {with("replicas: 2", "replicas: 1"), nil, ""},
		"Recreate":                               {with("replicas: 2", "replicas: 2\n  strategy: {type: Recreate}"), []string{"preflight/downtime"}, "Recreate"},
		"paused":                                 {with("replicas: 2", "replicas: 2\n  paused: true"), []string{"preflight/paused"}, ""},
		"no replicas":                            {with("replicas: 2", "replicas: 0"), []string{"preflight/no-pods"}, ""},
		"a volume for one node":                  {with("      containers:", "      volumes: [{name: d, persistentVolumeClaim: {claimName: data}}]\n      containers:") + claim, []string{"preflight/shared-volume"}, "PersistentVolumeClaim/data is ReadWriteOnce"},
		"a volume for one pod of several":        {with("      containers:", "      volumes: [{name: d, persistentVolumeClaim: {claimName: data}}]\n      containers:") + strings.Replace(claim, "ReadWriteOnce", "ReadWriteOncePod", 1), []string{"preflight/shared-volume"}, "PersistentVolumeClaim/data is ReadWriteOncePod: of its 2 pods only one can run"},
		"a volume for one pod":                   {strings.Replace(with("      containers:", "      volumes: [{name: d, persistentVolumeClaim: {claimName: data}}]\n      containers:")+strings.Replace(claim, "ReadWriteOnce", "ReadWriteOncePod", 1), "replicas: 2", "replicas: 1", 1), []string{"preflight/shared-volume"}, "PersistentVolumeClaim/data is ReadWriteOncePod: every new pod waits"},
		"a volume for one pod that is there":     {with("      containers:", "      volumes: [{name: d, persistentVolumeClaim: {claimName: kept}}]\n      containers:"), []string{"preflight/shared-volume"}, "PersistentVolumeClaim/kept is ReadWriteOncePod"},
		"a liveness probe that asks late":        {with("        resources:", "        livenessProbe: {httpGet: {path: /, port: 80}, initialDelaySeconds: 300}\n        resources:"), []string{"preflight/budget"}, "asks for the first time 5m after the start"},
		"a readiness probe that asks too late":   {with("        resources:", "        readinessProbe: {httpGet: {path: /, port: 80}, initialDelaySeconds: 600}\n        resources:"), []string{"preflight/budget"}, "its readiness probe asks for the first time 10m after the start, the deploy ends after 10m"},
		"a late one that asks as readiness does": {with("        resources:", "        livenessProbe: {httpGet: {path: /, port: 80}, initialDelaySeconds: 300}\n        readinessProbe: {httpGet: {path: /, port: 80}}\n        resources:"), nil, ""},
		"a Secret that nobody made":              {with("        resources:", "        envFrom: [{secretRef: {name: creds}}]\n        resources:"), []string{"preflight/reference"}, "Secret/creds, which is not there"},
		"a key that the Secret lacks":            {with("        resources:", "        env: [{name: A, valueFrom: {secretKeyRef: {name: there, key: b}}}]\n        resources:"), []string{"preflight/reference"}, `the key "b" of Secret/there`},
		// kubernetes/kubernetes#126186: the pod starts, with a folder in the place of the file.
		"a file that the ConfigMap lacks":     {with("        resources:", "        volumeMounts: [{name: c, mountPath: /etc/app.yaml, subPath: app.yaml}]\n        resources:") + "      volumes: [{name: c, configMap: {name: c}}]\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: b}\n", []string{"preflight/reference"}, `the key "app.yaml" of ConfigMap/c, which the chart makes without it; they start all the same, with an empty folder`},
		"a file that the ConfigMap has":       {with("        resources:", "        volumeMounts: [{name: c, mountPath: /etc/app.yaml, subPath: app.yaml}]\n        resources:") + "      volumes: [{name: c, configMap: {name: c}}]\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {app.yaml: b}\n", nil, ""},
		"a ConfigMap that others fill":        {with("        resources:", "        volumeMounts: [{name: c, mountPath: /etc/app.yaml, subPath: app.yaml}]\n        resources:") + "      volumes: [{name: c, configMap: {name: c}}]\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n", nil, ""},
		"an item that the Secret lacks":       {with("        resources:", "        resources:") + "      volumes: [{name: c, secret: {secretName: there, items: [{key: tls.crt, path: crt}]}}]\n", []string{"preflight/reference"}, `the key "tls.crt" of Secret/there, which has no such key; they will not start`},
		"a projected Secret that nobody made": {deployment + "      volumes: [{name: c, projected: {sources: [{secret: {name: creds}}]}}]\n", []string{"preflight/reference"}, "Secret/creds, which is not there"},
		"a runtime that nobody set up":        {with("      containers:", "      runtimeClassName: gvisor\n      containers:"), []string{"preflight/reference"}, "RuntimeClass/gvisor, which is not there and not in the chart; they will not start"}, // kubernetes-sigs/agent-sandbox#285
		"an optional Secret":                  {with("        resources:", "        envFrom: [{secretRef: {name: creds, optional: true}}]\n        resources:"), nil, ""},
		"a Secret that the chart brings":      {with("        resources:", "        envFrom: [{secretRef: {name: creds}}]\n        resources:") + "---\napiVersion: v1\nkind: Secret\nmetadata: {name: creds}\n", nil, ""},
		"a pod larger than every node":        {with("cpu: 100m", "cpu: 64"), []string{"preflight/unschedulable"}, "requests.cpu 64"},
		"a chart without anything to watch":   {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", []string{"preflight/no-workload"}, ""},
		"a ReplicationController alone":       {"apiVersion: v1\nkind: ReplicationController\nmetadata: {name: a}\nspec: {template: {spec: {containers: [{name: a, image: a}]}}}\n", nil, ""},
		"a list of objects":                   {"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n", []string{"preflight/no-workload"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "there", Namespace: "prod"}, Data: map[string][]byte{"a": nil}}
			kept := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "kept", Namespace: "prod"}, Spec: corev1.PersistentVolumeClaimSpec{AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOncePod}}}
			found := checked(t, cluster(nil, secret, kept, node("amd64")), c.manifest)
			var codes []string
			words := ""
			for _, f := range found {
				codes = append(codes, f.Code)
				words += f.Message + "\n"
				require.Equal(t, f.Code == "preflight/paused", f.Blocks, f)
			}
			require.Equal(t, c.codes, codes)
			require.Contains(t, words, c.words)
		})
	}
}

func TestCheck_WhatCannotBeReadIsSaid(t *testing.T) {
	client := cluster(nil)
	client.PrependReactor("list", "resourcequotas", func(k8stesting.Action) (bool, runtime.Object, error) {
		return true, nil, context.DeadlineExceeded
	})
	found := checked(t, client, deployment)
	require.Len(t, found, 1)
	require.Equal(t, "preflight/not-checked", found[0].Code)
	require.False(t, found[0].Blocks)

	client.PrependReactor("create", "selfsubjectaccessreviews", func(k8stesting.Action) (bool, runtime.Object, error) {
		return true, nil, context.DeadlineExceeded
	})
	_, err := Check(t.Context(), Options{Client: client, Namespace: "prod"}, record.Plan{Manifest: deployment})
	require.Equal(t, record.KindUnavailable, record.KindOf(err))
	_, err = Check(t.Context(), Options{Client: client}, record.Plan{Manifest: "a: [\n"})
	require.Equal(t, record.KindInput, record.KindOf(err))
}
