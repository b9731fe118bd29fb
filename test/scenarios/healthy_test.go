package scenarios

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// healthy are releases that only look as if they could not work.
var healthy = []scenario{
	{
		name:   "a slow start within its budget",
		second: `{container: {startupProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 1, failureThreshold: 60}}, script: "sleep 30; exec httpd -f -p 8080 -h $www"}`,
	},
	{
		name:  "a registry that answers 503 for 40 seconds",
		image: throughProxy(40 * time.Second),
	},
	{
		name:   "a process that crashes once",
		second: once(`echo the database is starting up >&2; exit 1`),
	},
	{
		name:   "a process that ends once without an error",
		second: once(`exit 0`),
	},
	{
		name:   "a process that is killed once by its probe",
		second: once(`sleep 3600`, "livenessProbe: {httpGet: {path: /ready, port: http}, periodSeconds: 1, failureThreshold: 3}"),
	},
	{
		name: "an init container that fails twice while it waits for something",
		second: `
pod:
  volumes: [{name: state, emptyDir: {}}]
  initContainers: [{name: wait, image: "busybox:1.36", volumeMounts: [{name: state, mountPath: /state}],
    command: [sh, -c, 'echo x >> /state/tries; [ $(wc -l < /state/tries) -ge 3 ]']}]`,
	},
	{
		name: "a readiness that is lost for a moment",
		second: `
script: |
  (sleep 2; rm $www/ready; sleep 4; echo ready > $www/ready) &
  exec httpd -f -p 8080 -h $www
spec: {minReadySeconds: 5}`,
	},
	{
		name:   "many warning events about the new pods",
		during: spam,
	},
	{
		name: "an autoscaler that scales meanwhile",
		first: `
objects: [{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: app}, spec: {minReplicas: 2, maxReplicas: 5, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: app}}}]`,
		second: `
objects: [{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: app}, spec: {minReplicas: 2, maxReplicas: 5, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: app}}}]
container: {readinessProbe: {initialDelaySeconds: 8}}`,
		between: func(s *site) { s.scale(3) },
		during: func(s *site, p *process) {
			p.reaches("watch")
			s.scale(4)
		},
		after: func(s *site) {
			s.provenGood()
			s.serves(2)
			require.EqualValues(s.t, 4, *s.deployment().Spec.Replicas, "the autoscaler's number stays")
		},
	},
	{
		name: "a public URL that cannot be reached, before and after",
		// Nothing listens on port 9 of the runner.
		args:  []string{"--public-url", "http://127.0.0.1:9/"},
		smoke: smokeChecks, first: answers(says("200 OK", "ok")),
		second: answers(says("200 OK", "ok")),
	},
	{
		name: "a check that failed before the deploy, too",
		between: func(s *site) {
			s.smoke = s.write("smoke.yaml", smokeChecks+"- {name: known to be broken, path: /cgi-bin/nothing}\n")
		},
		smoke: smokeChecks, first: answers(says("200 OK", "ok")), second: answers(says("200 OK", "ok")),
	},
	{
		// A tunnel to a pod ends a second after the application's connection.
		name:  "an answer that ends with its connection",
		smoke: strings.ReplaceAll(smokeChecks, "maxLatency: 1s", "maxLatency: 500ms"),
		first: answers(says("200 OK", "ok")), second: answers("printf 'HTTP/1.0 200 OK\\r\\n\\r\\n{\"status\":\"ok\"}'"),
	},
	{
		name:  "an old pod that takes long to end",
		first: `pod: {terminationGracePeriodSeconds: 60}`,
		after: func(s *site) {
			s.provenGood()
			s.settled()
			s.serves(2)
			require.NotEmpty(s.t, s.terminating(), "nothing was waited for that does not serve any more")
		},
	},
	{
		name:   "a Secret that arrives late",
		second: `container: {envFrom: [{secretRef: {name: late}}]}`,
		during: func(s *site, _ *process) {
			s.awaits("a container without its Secret", func(p *corev1.Pod) bool { return waits(p, "CreateContainerConfigError") })
			time.Sleep(5 * time.Second) // this is what the scenario is about
			secret := object[corev1.Secret](`{metadata: {name: late}, stringData: {PASSWORD: late-password}}`)
			_, err := s.kube.CoreV1().Secrets(s.namespace).Create(s.ctx, secret, metav1.CreateOptions{})
			require.NoError(s.t, err)
		},
	},
	{
		name:  "from no pods at all to three",
		first: `spec: {replicas: 0}`, second: `spec: {replicas: 3}`,
	},
	{
		name:   "a Job that fails once",
		second: `objects: [{apiVersion: batch/v1, kind: Job, metadata: {name: import}, spec: {backoffLimit: 3, template: {spec: ` + failsOnce + `}}}]`,
	},
	{
		name:   "a new pod that somebody deletes",
		second: `container: {readinessProbe: {initialDelaySeconds: 5}}`,
		during: func(s *site, p *process) {
			p.reaches("watch")
			pod := s.awaits("a new pod", func(p *corev1.Pod) bool { return isNew(p) && p.Status.Phase == corev1.PodRunning })
			require.NoError(s.t, s.kube.CoreV1().Pods(s.namespace).Delete(s.ctx, pod.Name, metav1.DeleteOptions{}))
		},
	},
}

// failsOnce is the spec of a pod that succeeds when it is started again in place.
const failsOnce = `{restartPolicy: OnFailure, volumes: [{name: state, emptyDir: {}}], containers: [{name: import, image: "busybox:1.36", ` +
	`volumeMounts: [{name: state, mountPath: /state}], command: [sh, -c, "[ -e /state/tried ] || { touch /state/tried; exit 1; }"]}]}`

// once are the values of an application whose first run in each pod is a script's;
// container holds further fields of the container.
func once(script string, container ...string) string {
	return fmt.Sprintf(`
pod: {volumes: [{name: state, emptyDir: {}}]}
container: {volumeMounts: [{name: state, mountPath: /state}], %s}
script: "[ -e /state/tried ] || { touch /state/tried; %s; }; exec httpd -f -p 8080 -h $www"`, strings.Join(container, ","), script)
}

// isNew reports whether a pod is of the second release.
func isNew(p *corev1.Pod) bool {
	command := p.Spec.Containers[0].Command
	return strings.HasPrefix(command[len(command)-1], "VERSION=2\n")
}

// waits reports whether a container waits for a reason.
func waits(p *corev1.Pod, reason string) bool {
	for _, c := range p.Status.ContainerStatuses {
		if c.State.Waiting != nil && c.State.Waiting.Reason == reason {
			return true
		}
	}
	return false
}

func (s *site) deployment() *appsv1.Deployment {
	s.t.Helper()
	d, err := s.kube.AppsV1().Deployments(s.namespace).Get(s.ctx, release, metav1.GetOptions{})
	require.NoError(s.t, err)
	return d
}

// scale does what an autoscaler would.
func (s *site) scale(replicas int32) {
	s.t.Helper()
	scale := &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Name: release, Namespace: s.namespace}, Spec: autoscalingv1.ScaleSpec{Replicas: replicas}}
	_, err := s.kube.AppsV1().Deployments(s.namespace).UpdateScale(s.ctx, release, scale, metav1.UpdateOptions{})
	require.NoError(s.t, err)
}

// terminating lists the pods that are about to end.
func (s *site) terminating() []string {
	s.t.Helper()
	pods, err := s.kube.CoreV1().Pods(s.namespace).List(s.ctx, metav1.ListOptions{LabelSelector: "app"})
	require.NoError(s.t, err)
	var names []string
	for _, p := range pods.Items {
		if p.DeletionTimestamp != nil {
			names = append(names, p.Name)
		}
	}
	return names
}

// spam writes many warnings about a new pod and its Deployment.
func spam(s *site, p *process) {
	p.reaches("watch")
	pod := s.awaits("a new pod", isNew)
	for i := range 400 {
		object := corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: s.namespace, Name: pod.Name, UID: pod.UID}
		if i%2 == 1 {
			object = corev1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: s.namespace, Name: release}
		}
		event := &corev1.Event{ObjectMeta: metav1.ObjectMeta{GenerateName: "spam-"}, InvolvedObject: object, Type: corev1.EventTypeWarning,
			Reason: "Unhealthy", Message: fmt.Sprintf("something looks odd, for the %d. time", i), LastTimestamp: metav1.Now()}
		_, err := s.kube.CoreV1().Events(s.namespace).Create(s.ctx, event, metav1.CreateOptions{})
		require.NoError(s.t, err)
	}
}

// throughProxy gives the scenario's image under the name of a registry that
// answers 503 for a while.
func throughProxy(broken time.Duration) func(s *site) string {
	return func(s *site) string {
		host := s.flakyRegistry(broken)
		return strings.Replace(s.image, os.Getenv("E2E_REPOSITORY"), host, 1)
	}
}
