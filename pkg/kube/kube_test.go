package kube

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/klog/v2"

	"github.com/stagecrew/stagecrew/pkg/record"
)

const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "SERVER", certificate-authority: CA}}]
users: [{name: u, user: {token: admin}}]
contexts:
- {name: prod, context: {cluster: c, user: u, namespace: portal}}
- {name: test, context: {cluster: c, user: u}}
current-context: prod
`

func write(t *testing.T, server string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(path), "CA"), nil, 0o600))
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(kubeconfig, "SERVER", server, 1)), 0o600))
	return path
}

func TestNamespace_ComesFromTheContextUnlessGiven(t *testing.T) {
	path := write(t, "https://127.0.0.1:1")
	for name, c := range map[string]struct {
		options Options
		want    string
	}{
		"current context":            {Options{Kubeconfig: path}, "portal"},
		"context without namespace":  {Options{Kubeconfig: path, Context: "test"}, "default"},
		"option before the context":  {Options{Kubeconfig: path, Namespace: "other"}, "other"},
		"option and another context": {Options{Kubeconfig: path, Context: "test", Namespace: "other"}, "other"},
	} {
		t.Run(name, func(t *testing.T) {
			cluster, err := Connect(c.options)
			require.NoError(t, err)
			require.Equal(t, c.want, cluster.Namespace)
		})
	}
}

func TestConnect_BadKubeconfigsSayWhatIsWrong(t *testing.T) {
	path := write(t, "https://127.0.0.1:1")
	broken := filepath.Join(t.TempDir(), "broken")
	require.NoError(t, os.WriteFile(broken, []byte("{"), 0o600))
	pipe, large := broken+".pipe", broken+".large"
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	require.NoError(t, os.WriteFile(large, nil, 0o600))
	require.NoError(t, os.Truncate(large, 1<<32))
	for name, c := range map[string]struct {
		options Options
		want    string
	}{
		"no such file":                     {Options{Kubeconfig: path + "x"}, "there is no such file"},
		"its content in place of the file": {Options{Kubeconfig: "apiVersion: v1\nusers: [{user: {token: SECRET}}]"}, "give the path of the file, not its content"},
		"a folder":                         {Options{Kubeconfig: filepath.Dir(path)}, "it is no regular file"},
		"a pipe that nobody writes to":     {Options{Kubeconfig: pipe}, "it is no regular file: it is read for each connection; give --kubeconfig FILE"},
		"far too large":                    {Options{Kubeconfig: large}, "it is larger than"},
		"not a config":                     {Options{Kubeconfig: broken}, "reading the kubeconfig"},
		"no such context":                  {Options{Kubeconfig: path, Context: "staging"}, `has no context "staging"; there are: ["prod" "test"]`},
		"a namespace that cannot be":       {Options{Kubeconfig: path, Namespace: "Portal prod"}, `the namespace "Portal prod"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Connect(c.options)
			require.ErrorContains(t, err, c.want)
			require.Equal(t, record.KindInput, record.KindOf(err))
			require.NotContains(t, err.Error(), "SECRET")
		})
	}
}

func TestConnect_ClientGoDoesNotEndTheProcess(t *testing.T) {
	record.TakePanics()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer utilruntime.HandleCrash()
		panic("in an informer")
	}()
	<-done
	require.Len(t, record.TakePanics(), 1, "it is kept")
	var panicked *record.Panicked
	require.ErrorAs(t, record.Guard(func() error { klog.Fatal("no way on"); return nil }), &panicked)
}

func TestConnect_WhichKubeconfigNamesNoCluster(t *testing.T) {
	require.Equal(t, "no file was found", namesNone(nil))
	require.Equal(t, "a, b names no cluster", namesNone([]string{"a", "b"}))
}

func TestConnect_WithoutAnyKubeconfig(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "config")
	require.NoError(t, os.WriteFile(empty, []byte("apiVersion: v1\nkind: Config\n"), 0o600))
	_, err := Connect(Options{Kubeconfig: empty})
	require.ErrorContains(t, err, "names no cluster")
	require.Equal(t, record.KindInput, record.KindOf(err))
}
