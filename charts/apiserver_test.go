package charts_test

import (
	"cmp"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/stagecrew/stagecrew/test/envtest"
)

// stage names the file by which test/withenv tells of a real cluster.
const stage = "E2E_KUBECONFIG"

// admitted gives the objects as the API server would store them, where there is one
// (make e2e-main); elsewhere as they are.
func admitted(t *testing.T, documents map[string]document) map[string]document {
	t.Helper()
	if os.Getenv(stage) == "" {
		return documents
	}
	server := newServer(t)
	answers := map[string]document{}
	for key, d := range documents {
		answers[key] = server.try(t, d)
	}
	return answers
}

func TestARealAPIServerTakesEveryObject(t *testing.T) {
	envtest.Env(t, stage)
	for name, values := range sets {
		t.Run(name, func(t *testing.T) { admitted(t, mustRender(t, values)) })
	}
}

// server is a real one that stores nothing.
type server struct {
	objects dynamic.Interface
	kinds   meta.RESTMapper
}

func newServer(t *testing.T) server {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv(stage))
	require.NoError(t, err)
	config.QPS, config.Burst = 100, 100
	client, err := kubernetes.NewForConfig(config)
	require.NoError(t, err)
	objects, err := dynamic.NewForConfig(config)
	require.NoError(t, err)
	namespace(t, client)
	return server{objects, restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client.Discovery()))}
}

// namespace makes that of the release, unless it is there, and waits for the account
// without which no pod is admitted. It stays for the next test, with nothing in it.
func namespace(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	ctx := t.Context()
	_, err := client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "backstage"}}, metav1.CreateOptions{})
	require.True(t, err == nil || apierrors.IsAlreadyExists(err), "%v", err)
	require.Eventually(t, func() bool {
		_, err := client.CoreV1().ServiceAccounts("backstage").Get(ctx, "default", metav1.GetOptions{})
		return err == nil
	}, 2*time.Minute, 100*time.Millisecond)
}

// try gives a document as the server would store it. Kinds whose definition a plain
// cluster lacks stay as they are.
func (s server) try(t *testing.T, d document) document {
	t.Helper()
	o := unstructured.Unstructured{Object: d.object}
	client, err := s.of(o)
	if meta.IsNoMatchError(err) {
		require.True(t, strings.HasPrefix(o.GetAPIVersion(), "gateway.networking.k8s.io/"), o.GetAPIVersion())
		return d
	}
	require.NoError(t, err)
	text, err := json.Marshal(o.Object)
	require.NoError(t, err)
	force := true
	answer, err := client.Patch(t.Context(), o.GetName(), "application/apply-patch+yaml", text, metav1.PatchOptions{
		FieldManager: "charts-test", Force: &force, DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict})
	require.NoError(t, err, "%s", d.text)
	return stored(t, answer, d)
}

// of is where objects of a kind are, in the namespace of the release.
func (s server) of(o unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	mapping, err := s.kinds.RESTMapping(o.GroupVersionKind().GroupKind(), o.GroupVersionKind().Version)
	if err != nil {
		return nil, err
	}
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		return s.objects.Resource(mapping.Resource).Namespace(cmp.Or(o.GetNamespace(), "backstage")), nil
	}
	return s.objects.Resource(mapping.Resource), nil
}

// stored is a document as the server has it, with numbers as a rendered one has them.
func stored(t *testing.T, answer *unstructured.Unstructured, d document) document {
	t.Helper()
	text, err := json.Marshal(answer.Object)
	require.NoError(t, err)
	var o object
	require.NoError(t, json.Unmarshal(text, &o))
	return document{object: o, text: d.text}
}
