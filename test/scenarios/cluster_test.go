package scenarios

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/util/jsonpath"
	"sigs.k8s.io/yaml"

	"github.com/stagecrew/stagecrew/test/envtest"
)

// What follows is for people, controllers and kubectl: objects of any kind by
// their resource and name, as in "deployments.apps/app". Fields are written in the name of
// kubectl, since who wrote a field decides whether it may be written over.

// resource gives the means to reach objects of a kind, in the site's namespace
// where the kind has one.
func (s *site) resource(kind schema.GroupResource) dynamic.ResourceInterface {
	s.t.Helper()
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(s.kube.Discovery()))
	version, err := mapper.KindFor(kind.WithVersion(""))
	require.NoError(s.t, err)
	mapping, err := mapper.RESTMapping(version.GroupKind(), version.Version)
	require.NoError(s.t, err)
	client, err := dynamic.NewForConfig(s.config)
	require.NoError(s.t, err)
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		return client.Resource(mapping.Resource).Namespace(s.namespace)
	}
	return client.Resource(mapping.Resource)
}

func (s *site) object(id string) (dynamic.ResourceInterface, string) {
	s.t.Helper()
	kind, name, found := strings.Cut(id, "/")
	require.True(s.t, found, id)
	return s.resource(schema.ParseGroupResource(kind)), name
}

// there requires that an object exists and is not about to go.
func there(id string) deed {
	return func(s *site) {
		s.t.Helper()
		client, name := s.object(id)
		o, err := client.Get(s.ctx, name, metav1.GetOptions{})
		require.NoError(s.t, err)
		require.Nil(s.t, o.GetDeletionTimestamp(), "%s is being deleted", id)
	}
}

// gone requires that an object does not exist, or ends.
func gone(id string) deed {
	return func(s *site) {
		s.t.Helper()
		client, name := s.object(id)
		s.until(id+" to be gone", func() bool {
			_, err := client.Get(s.ctx, name, metav1.GetOptions{})
			return apierrors.IsNotFound(err)
		})
	}
}

// has requires what a JSONPath finds in an object.
func has(id, path, want string) deed {
	return func(s *site) {
		s.t.Helper()
		require.Equal(s.t, want, s.field(id, path), "%s of %s", path, id)
	}
}

// becomes waits until a JSONPath finds something in an object.
func becomes(id, path, want string) deed {
	return func(s *site) {
		s.t.Helper()
		s.until(id+" "+path+" to be "+want, func() bool { return s.field(id, path) == want })
	}
}

func (s *site) field(id, path string) string {
	s.t.Helper()
	client, name := s.object(id)
	o, err := client.Get(s.ctx, name, metav1.GetOptions{})
	require.NoError(s.t, err)
	query := jsonpath.New(id).AllowMissingKeys(true)
	require.NoError(s.t, query.Parse(path))
	var out bytes.Buffer
	require.NoError(s.t, query.Execute(&out, o.Object))
	return out.String()
}

// deletes removes an object and waits for its end.
func deletes(id string) deed {
	return func(s *site) {
		s.t.Helper()
		client, name := s.object(id)
		foreground := metav1.DeletePropagationForeground
		require.NoError(s.t, client.Delete(s.ctx, name, metav1.DeleteOptions{PropagationPolicy: &foreground}))
		gone(id)(s)
	}
}

// patches merges JSON into an object.
func patches(id, patch string) deed {
	return func(s *site) { s.t.Helper(); s.patch(id, types.MergePatchType, patch) }
}

func (s *site) patch(id string, kind types.PatchType, patch string) {
	s.t.Helper()
	client, name := s.object(id)
	_, err := client.Patch(s.ctx, name, kind, []byte(patch), metav1.PatchOptions{FieldManager: "kubectl-patch"})
	require.NoError(s.t, err)
}

// creates makes an object that is none of the release's; at the end of the test it
// goes, as what belongs to no namespace would stay.
func creates(text string) deed {
	return func(s *site) {
		s.t.Helper()
		o := &unstructured.Unstructured{}
		require.NoError(s.t, yaml.Unmarshal([]byte(strings.ReplaceAll(text, "NAMESPACE", s.namespace)), &o.Object))
		kind, _ := meta.UnsafeGuessKindToResource(o.GroupVersionKind())
		client := s.resource(kind.GroupResource())
		// What belongs to no namespace may be left of an earlier run.
		s.until(o.GetKind()+" "+o.GetName(), func() bool {
			_, err := client.Create(s.ctx, o, metav1.CreateOptions{FieldManager: "kubectl-create"})
			if apierrors.IsAlreadyExists(err) {
				err = errors.Join(err, client.Delete(s.ctx, o.GetName(), metav1.DeleteOptions{}))
			}
			return err == nil
		})
		s.atEnd(func(ctx context.Context) error {
			err := client.Delete(ctx, o.GetName(), metav1.DeleteOptions{})
			if apierrors.IsNotFound(err) {
				return nil
			}
			return err
		})
	}
}

// defines makes a CustomResourceDefinition and waits until its kind is served.
func defines(kind string) deed {
	return func(s *site) {
		s.t.Helper()
		creates(definition(kind))(s)
		becomes("customresourcedefinitions.apiextensions.k8s.io/"+crd(kind), `{.status.conditions[?(@.type=="Established")].status}`, "True")(s)
	}
}

// forgets removes a CustomResourceDefinition that a chart or an earlier run left.
func forgets(kind string) deed {
	return func(s *site) {
		s.t.Helper()
		client, name := s.object("customresourcedefinitions.apiextensions.k8s.io/" + crd(kind))
		remove := func(ctx context.Context) error {
			err := client.Delete(ctx, name, metav1.DeleteOptions{})
			if apierrors.IsNotFound(err) {
				return nil
			}
			return err
		}
		require.NoError(s.t, remove(s.ctx))
		gone("customresourcedefinitions.apiextensions.k8s.io/" + name)(s)
		s.atEnd(remove)
	}
}

const apiGroup = "scenarios.example.com"

func crd(kind string) string { return strings.ToLower(kind) + "s." + apiGroup }

// definition is a CustomResourceDefinition whose objects may hold anything.
func definition(kind string) string {
	low := strings.ToLower(kind)
	return `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: ` + crd(kind) + `}
spec:
  group: ` + apiGroup + `
  scope: Namespaced
  names: {plural: ` + low + `s, singular: ` + low + `, kind: ` + kind + `}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]
`
}

// custom is an object of such a kind, as values.
func custom(kind string) string {
	return `objects: [{apiVersion: ` + apiGroup + `/v1, kind: ` + kind + `, metadata: {name: mine}, spec: {size: 1}}]`
}

func ownChart(s *site) string {
	return filepath.Join(envtest.Env(s.t, "E2E_ROOT"), "test", "scenarios", "chart")
}

// with is the scenarios' chart with further files, or others in place of its own;
// an empty one is left out.
func with(files map[string]string) func(*site) string {
	return func(s *site) string {
		s.t.Helper()
		dir := s.folder()
		require.NoError(s.t, os.CopyFS(dir, os.DirFS(ownChart(s))))
		s.fill(dir, files)
		return dir
	}
}

// chart is one of these files alone.
func chart(files map[string]string) func(*site) string {
	return func(s *site) string {
		s.t.Helper()
		dir := s.folder()
		s.fill(dir, files)
		return dir
	}
}

// folder makes an empty one.
func (s *site) folder() string {
	s.t.Helper()
	return filepath.Dir(s.write("x", ""))
}

func (s *site) fill(dir string, files map[string]string) {
	s.t.Helper()
	require.NoError(s.t, os.RemoveAll(filepath.Join(dir, "x")))
	for name, content := range files {
		path := filepath.Join(dir, name)
		require.NoError(s.t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(s.t, os.RemoveAll(path))
		if content != "" {
			require.NoError(s.t, os.WriteFile(path, []byte(content), 0o644))
		}
	}
}
