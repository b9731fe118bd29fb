package scenarios

import (
	"context"
	"fmt"
	"time"

	"github.com/stretchr/testify/require"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ofTrouble is what happens to a cluster while, or just before, a release is deployed.
var ofTrouble = []reported{
	{
		name: "a node that is drained meanwhile", source: "kubernetes/kubernetes#48307", alone: true,
		steps: []step{
			{values: mayBeAway},
			{values: mayBeAway + "\n" + slowly, during: func(s *site, p *process) {
				p.reaches("watch")
				s.awaits("a new pod", isNew)
				s.cordon(true)
				s.evicts()
				s.awaits("a pod that finds no node", unschedulable)
				time.Sleep(5 * time.Second) // this is what the scenario is about
				s.cordon(false)
			}, serves: 2, after: []deed{isGood}},
		},
	},
	{
		name: "a node that is drained and does not come back", source: "kubernetes/kubernetes#66811", alone: true,
		steps: []step{
			{values: mayBeAway},
			{values: mayBeAway, args: []string{"--timeout", "40s", "--rollback-timeout", "40s"}, during: func(s *site, p *process) {
				p.reaches("watch")
				s.cordon(true)
				s.evicts()
			}, exits: []int{4, 5}, words: []string{"Unschedulable", "unschedulable"}},
			{command: "recover", before: []deed{uncordoned}, exits: []int{0, 4}, after: []deed{isGood}},
			{values: mayBeAway, serves: 3, after: []deed{isGood}},
		},
	},
	{
		name: "a Secret of the release that somebody deletes between two deploys", source: "projectcapsule/capsule#193", beside: true,
		steps: []step{
			{values: withSecret},
			{before: []deed{deletes("secrets/database")}, values: withSecret, serves: 2, after: []deed{isGood, there("secrets/database")}},
		},
	},
	{
		name: "a Secret of the release that somebody deletes while its pods start", source: "projectcapsule/capsule#193", beside: true,
		steps: []step{
			{values: withSecret},
			{values: withSecret + "\npod: {initContainers: [{name: wait, image: \"busybox:1.36\", command: [sleep, \"8\"]}]}", during: func(s *site, _ *process) {
				s.awaits("a new pod", isNew)
				deletes("secrets/database")(s)
			}, exits: rolledBack, words: []string{`secret "database" not found`}, serves: 1, after: []deed{there("secrets/database")}},
		},
	},
	{
		name: "a ConfigMap alone that changes, and pods that start anew for it", source: "helm/helm#4722", beside: true,
		steps: []step{
			{values: named("one", "1"), args: sameVersion, after: []deed{answersWith("release 1 of one")}},
			{values: named("two", "2"), args: sameVersion, after: []deed{isGood, answersWith("release 1 of two")}},
			{values: named("three", "3") + "\n" + missingImage, args: sameVersion, exits: rolledBack, after: []deed{answersWith("release 1 of two"), has("configmaps/settings", "{.data.NAME}", "two")}},
		},
	},
	{
		name: "a ConfigMap alone that changes, and pods that stay", source: "zammad/zammad-helm#364", beside: true,
		steps: []step{
			{values: named("one", "1"), args: sameVersion},
			{values: named("two", "1"), args: sameVersion, words: []string{"ConfigMap/settings", "no pod starts anew", "preflight/no-restart"}, after: []deed{answersWith("release 1 of one")}},
		},
	},
}

// mayBeAway are the values of an application of which one pod may be away.
const mayBeAway = `objects: [{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: app}, spec: {maxUnavailable: 1, selector: {matchLabels: {app: app}}}}]`

const withSecret = `
container: {envFrom: [{secretRef: {name: database}}]}
objects: [{apiVersion: v1, kind: Secret, metadata: {name: database}, stringData: {PASSWORD: database-password}}]`

// sameVersion leaves the pods as they are, unless the values say otherwise.
var sameVersion = []string{"--set", "version=1"}

// named are the values of an application that reads its name from a ConfigMap; another
// sum lets its pods start anew.
func named(name, sum string) string {
	return `
container: {envFrom: [{configMapRef: {name: settings}}], env: [{name: CHECKSUM, value: "` + sum + `"}]}
script: sed -i "s/release $VERSION/& of $NAME/" $www/index.html; exec httpd -f -p 8080 -h $www
objects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {NAME: ` + name + `}}]`
}

// answersWith waits until the page is a text.
func answersWith(text string) deed {
	return func(s *site) { s.t.Helper(); s.until(text, func() bool { return s.page() == text }) }
}

func uncordoned(s *site) { s.t.Helper(); s.cordon(false) }

// cordon lets no further pod on any node, and at the end of the test again.
func (s *site) cordon(closed bool) {
	s.t.Helper()
	set := func(ctx context.Context, closed bool) error {
		return s.patchNodes(ctx, fmt.Sprintf(`{"spec":{"unschedulable":%t}}`, closed))
	}
	require.NoError(s.t, set(s.ctx, closed))
	if closed {
		s.atEnd(func(ctx context.Context) error { return set(ctx, false) })
	}
}

// evicts asks for the end of all pods of the namespace, as kubectl drain does; what a
// disruption budget protects stays.
func (s *site) evicts() {
	s.t.Helper()
	pods, err := s.kube.CoreV1().Pods(s.namespace).List(s.ctx, metav1.ListOptions{})
	require.NoError(s.t, err)
	for _, pod := range pods.Items {
		err := s.kube.PolicyV1().Evictions(s.namespace).Evict(s.ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: s.namespace}})
		if !apierrors.IsTooManyRequests(err) && !apierrors.IsNotFound(err) {
			require.NoError(s.t, err)
		}
	}
}
