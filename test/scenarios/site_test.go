package scenarios

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/crane"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	watchtools "k8s.io/client-go/tools/watch"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/envtest"
	"github.com/stagecrew/stagecrew/test/scenarios/result"
)

// release is the name of the release, the workload and the Service.
const release = "app"

// site is a namespace with one release and the means to look at it.
type site struct {
	t         *testing.T
	ctx       context.Context //nolint:containedctx // a site lives as long as its test
	namespace string
	kube      kubernetes.Interface
	config    *rest.Config
	// image is what is deployed where a scenario says nothing else.
	image string
	// smoke is the file of smoke checks, or none.
	smoke string
	// further flags of every deploy
	args []string
	// last is how the last command of a reported case ended.
	last outcome
	// helm runs beside, in the cases in which it does.
	helmRun *process
}

// cluster gives a client of the stage's cluster.
func cluster(t *testing.T) (*rest.Config, kubernetes.Interface) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", envtest.Env(t, "E2E_KUBECONFIG"))
	require.NoError(t, err)
	config.QPS, config.Burst, config.UserAgent = 200, 400, "scenarios"
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	return config, client
}

// busybox is the digest of the image that nearly every scenario runs.
var busybox = sync.OnceValues(func() (string, error) {
	return crane.Digest(os.Getenv("E2E_REPOSITORY") + "/library/busybox:1.36")
})

// newSite makes a namespace; it is removed when the test is over.
func newSite(t *testing.T, name string) *site {
	t.Helper()
	config, client := cluster(t)
	digest, err := busybox()
	require.NoError(t, err)
	s := &site{t: t, ctx: t.Context(), kube: client, config: config, smoke: "none",
		namespace: namespaceFor(name), image: envtest.Env(t, "E2E_REPOSITORY") + "/library/busybox@" + digest}
	// On a cluster that is kept, an earlier run's namespace may still be on its way out.
	s.until("namespace "+s.namespace+" to be free", func() bool {
		meta := metav1.ObjectMeta{Name: s.namespace}
		_, err = client.CoreV1().Namespaces().Create(s.ctx, &corev1.Namespace{ObjectMeta: meta}, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			err = client.CoreV1().Namespaces().Delete(s.ctx, s.namespace, metav1.DeleteOptions{})
			return false
		}
		return err == nil
	})
	s.atEnd(s.remove)
	return s
}

// atEnd runs when the test is over, the last one first.
func (s *site) atEnd(do func(context.Context) error) {
	s.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := do(ctx); err != nil {
			s.t.Logf("at the end: %v", err)
		}
	})
}

// until waits for a condition of the cluster that has no watch of its own.
func (s *site) until(what string, holds func() bool) {
	s.t.Helper()
	s.within(30*time.Second, what, holds)
}

func (s *site) within(limit time.Duration, what string, holds func() bool) {
	s.t.Helper()
	require.Eventually(s.t, holds, limit, 100*time.Millisecond, what)
}

// awaits waits by a watch until a pod of the namespace is as wanted.
func (s *site) awaits(what string, wanted func(*corev1.Pod) bool) *corev1.Pod {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, 2*time.Minute)
	defer cancel()
	pods := s.kube.CoreV1().Pods(s.namespace)
	source := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) { return pods.List(ctx, o) },
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return pods.Watch(ctx, o)
		},
	}
	event, err := watchtools.UntilWithSync(ctx, source, &corev1.Pod{}, nil, func(e watch.Event) (bool, error) {
		pod, ok := e.Object.(*corev1.Pod)
		return ok && e.Type != watch.Deleted && wanted(pod), nil
	})
	require.NoError(s.t, err, "waiting for %s", what)
	return event.Object.(*corev1.Pod)
}

// namespaceFor makes a namespace's name from words: long ones are cut, and told
// apart by their sum.
func namespaceFor(words string) string {
	name := "sc-" + result.FileName(words)
	if len(name) > 40 {
		sum := fnv.New32a()
		sum.Write([]byte(words))
		name = fmt.Sprintf("%s-%08x", strings.Trim(name[:40], "-"), sum.Sum32())
	}
	return name
}

// remove deletes the namespace without waiting; pods end at once.
func (s *site) remove(ctx context.Context) error {
	err := s.kube.CoreV1().Namespaces().Delete(ctx, s.namespace, metav1.DeleteOptions{})
	// Otherwise each pod would have its whole grace period.
	now := int64(0)
	return errors.Join(err, s.kube.CoreV1().Pods(s.namespace).DeleteCollection(ctx, metav1.DeleteOptions{GracePeriodSeconds: &now}, metav1.ListOptions{}))
}

// write puts a file into a directory of its own. Helm takes a comma for the end of
// a file's name, so that the test's own directory, named like the test, will not do.
func (s *site) write(name, content string) string {
	s.t.Helper()
	dir, err := os.MkdirTemp("", "scenario-")
	require.NoError(s.t, err)
	s.t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, name)
	require.NoError(s.t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

func (s *site) flags() []string {
	return []string{"--release", release, "--namespace", s.namespace, "--kubeconfig", envtest.Env(s.t, "E2E_KUBECONFIG"), "--output", "json"}
}

// deploy starts `stagecrew deploy` of a version with these values.
func (s *site) deploy(version int, values string, extra ...string) *process {
	return s.deployImage(s.image, version, values, extra...)
}

func (s *site) deployImage(image string, version int, values string, extra ...string) *process {
	s.t.Helper()
	args := slices.Concat([]string{"deploy", "--image", image, "--allow-unsigned-unsafe", "--smoke", s.smoke,
		"--chart", ownChart(s),
		"--values", s.write("values.yaml", values), "--set", fmt.Sprintf("version=%d", version),
		"--timeout", "2m", "--rollback-timeout", "2m", "--soak", "0s"}, s.flags(), s.args, extra)
	return start(s.t, envtest.Env(s.t, "E2E_STAGECREW"), nil, args...)
}

// command starts another stagecrew command for the release.
func (s *site) command(name string, extra ...string) *process {
	s.t.Helper()
	return start(s.t, envtest.Env(s.t, "E2E_STAGECREW"), nil, slices.Concat([]string{name}, s.flags(), extra)...)
}

// revisions gives what `stagecrew status` says, newest first.
func (s *site) revisions() []record.Revision {
	s.t.Helper()
	o := s.command("status").wait()
	require.Zero(s.t, o.exit, o.stderr)
	var document struct{ Revisions []record.Revision }
	require.NoError(s.t, json.Unmarshal([]byte(o.stdout), &document))
	return document.Revisions
}

// provenGood requires that the live revision is deployed and verified-good.
func (s *site) provenGood() {
	s.t.Helper()
	live := s.revisions()[0]
	require.Equal(s.t, record.StatusDeployed, live.Status, "revision %d", live.Number)
	require.Equal(s.t, record.MarkGood, live.Verdict, "revision %d", live.Number)
}

// page asks the Service for its page; the answer in words where there is none.
func (s *site) page() string {
	service, err := s.kube.CoreV1().Services(s.namespace).Get(s.ctx, release, metav1.GetOptions{})
	if err != nil {
		return "no Service"
	}
	// The node's Services answer on the host, too.
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + service.Spec.ClusterIP + "/")
	if err != nil {
		return "nothing"
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4<<10))
	if err != nil {
		return "nothing"
	}
	_, text, found := strings.Cut(string(body), "</script>")
	if !found {
		return fmt.Sprintf("status %d", response.StatusCode)
	}
	text, _, _ = strings.Cut(text, "</html>")
	return strings.TrimSpace(text)
}

// serves requires that the Service leads to pods of one version only: its endpoints
// at once, and what it answers as soon as the node's rules have followed them.
func (s *site) serves(version int) {
	s.t.Helper()
	for pod, command := range s.endpoints() {
		require.True(s.t, strings.HasPrefix(command, fmt.Sprintf("VERSION=%d\n", version)), "pod %s of another version is still among the endpoints", pod)
	}
	want := fmt.Sprintf("release %d", version)
	s.until("the page of "+want+" alone", func() bool {
		for range 5 {
			if s.page() != want {
				return false
			}
		}
		return true
	})
}

// endpoints gives the pods that the Service's EndpointSlices call ready, with the
// script that each runs; "" for a pod that is gone.
func (s *site) endpoints() map[string]string {
	s.t.Helper()
	slices, err := s.kube.DiscoveryV1().EndpointSlices(s.namespace).List(s.ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + release})
	require.NoError(s.t, err)
	pods, err := s.kube.CoreV1().Pods(s.namespace).List(s.ctx, metav1.ListOptions{})
	require.NoError(s.t, err)
	scripts := map[string]string{}
	for _, slice := range slices.Items {
		for _, e := range slice.Endpoints {
			if e.Conditions.Ready != nil && *e.Conditions.Ready {
				scripts[e.TargetRef.Name] = ""
			}
		}
	}
	for _, p := range pods.Items {
		if _, listed := scripts[p.Name]; listed {
			command := p.Spec.Containers[0].Command
			scripts[p.Name] = command[len(command)-1]
		}
	}
	return scripts
}

// settled requires that as many pods as wanted are there and ready, all of the
// workload's present revision, and none of another that serves.
func (s *site) settled() {
	s.t.Helper()
	pods, err := s.kube.CoreV1().Pods(s.namespace).List(s.ctx, metav1.ListOptions{LabelSelector: "app"})
	require.NoError(s.t, err)
	for _, pod := range pods.Items {
		if pod.DeletionTimestamp == nil {
			require.True(s.t, ready(&pod), "pod %s is left and not ready: %s", pod.Name, pod.Status.Phase)
		}
	}
}

func ready(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}
