package remains

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/stagecrew/stagecrew/pkg/release/internal/live"
	"github.com/stagecrew/stagecrew/pkg/release/internal/livetest"
)

var portal = live.Owner{Name: "portal", Namespace: "backstage"}

// made is an object of the release in the cluster.
func made(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	object := livetest.Written(t, text)
	portal.Claim(object)
	return object
}

func of(server *livetest.Server) *Remains {
	return &Remains{
		Owner: portal, Log: slog.New(slog.DiscardHandler),
		Place: func(object *unstructured.Unstructured) (*resource.Info, error) { return server.Info(object), nil },
		Versioned: func(info *resource.Info) runtime.Object {
			if info.Mapping.GroupVersionKind.Kind == "Deployment" {
				return &appsv1.Deployment{}
			}
			return info.Object
		},
	}
}

const head = "apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: backstage}"

// helm/helm#12645: what a failed revision added stayed for ever, because the patch of the
// next began with a manifest that did not have it.
func TestTheBaseOfAPatchHasWhatAnyEarlierRevisionAdded(t *testing.T) {
	r := of(&livetest.Server{})
	one := livetest.Written(t, "{"+head+", spec: {template: {spec: {containers: [{name: web, image: a}]}}}}")
	two := livetest.Written(t, "{"+head+", spec: {template: {spec: {containers: [{name: web, image: b, env: [{name: BAD, value: x}]}, {name: side, image: s}]}}}}")
	elsewhere := livetest.Written(t, "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: other}, spec: {paused: true}}")
	base := r.Base([]Revision{{1, []*unstructured.Unstructured{one}}, {2, []*unstructured.Unstructured{elsewhere, two}}, {3, nil}}, place(t, r, one), one)
	containers, _, err := unstructured.NestedSlice(base.(*unstructured.Unstructured).Object, "spec", "template", "spec", "containers")
	require.NoError(t, err)
	require.Len(t, containers, 2, "lists are merged as the API server merges them")
	require.Contains(t, containers, any(map[string]any{"name": "web", "image": "b", "env": []any{map[string]any{"name": "BAD", "value": "x"}}}))
	require.NotContains(t, base.(*unstructured.Unstructured).Object["spec"], "paused")

	fallback := livetest.Written(t, "{"+head+"}")
	copied := r.Base(nil, place(t, r, one), fallback)
	require.Equal(t, fallback, copied)
	copied.(*unstructured.Unstructured).SetName("changed")
	require.Equal(t, "web", fallback.GetName())
}

func place(t *testing.T, r *Remains, object *unstructured.Unstructured) *resource.Info {
	t.Helper()
	info, err := r.Place(object)
	require.NoError(t, err)
	return info
}

func TestRevisionsThatCannotBeComparedAreSaidAndLeaveTheFallback(t *testing.T) {
	var log bytes.Buffer
	r := of(&livetest.Server{})
	r.Log = slog.New(slog.NewTextHandler(&log, nil))
	one := livetest.Written(t, "{"+head+", spec: {template: {spec: {containers: [{name: web}]}}}}")
	odd := livetest.Written(t, "{"+head+", spec: {template: {spec: {containers: [{image: nameless}]}}}}")
	require.Equal(t, odd, r.Base([]Revision{{1, []*unstructured.Unstructured{one}}, {2, []*unstructured.Unstructured{odd}}}, place(t, r, one), odd))
	require.Contains(t, log.String(), "fields left by one may survive")
}

// helm/helm#11748: a policy that a failed revision had renamed stayed beside the new one.
func TestWhatEarlierRevisionsLeftIsFoundAndRemovedButNoData(t *testing.T) {
	server := &livetest.Server{}
	np := func(name string) string {
		return "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {namespace: backstage, uid: u-" + name + ", name: " + name + "}}"
	}
	claim := "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {namespace: backstage, name: data}}"
	kept := made(t, np("kept"))
	kept.SetAnnotations(map[string]string{"helm.sh/resource-policy": "keep", "meta.helm.sh/release-name": "portal", "meta.helm.sh/release-namespace": "backstage"})
	going := made(t, np("going"))
	now := metav1.Unix(1, 0)
	going.SetDeletionTimestamp(&now)
	server.Put(made(t, np("present")), made(t, np("old")), made(t, np("older")), made(t, claim), livetest.Written(t, np("foreign")), kept, going)
	revision := func(number int, texts ...string) (r Revision) {
		r.Number = number
		for _, text := range texts {
			r.Objects = append(r.Objects, livetest.Written(t, text))
		}
		return r
	}
	r := of(server)
	inner := r.Place
	r.Place = func(object *unstructured.Unstructured) (*resource.Info, error) {
		if object.GetKind() == "Gone" {
			return nil, &meta.NoKindMatchError{GroupKind: schema.GroupKind{Kind: "Gone"}}
		}
		return inner(object)
	}
	found, err := r.Leftovers(server.Infos(made(t, np("present"))), []Revision{
		revision(1, np("present"), np("older"), claim), revision(2, np("older"), np("foreign"), np("kept"), np("going")),
		revision(3, np("old"), np("nowhere"), "{apiVersion: example.com/v1, kind: Gone, metadata: {namespace: backstage, name: x}}"),
	})
	require.NoError(t, err)
	var got []string
	for _, l := range found {
		got = append(got, live.Name(l.Info))
	}
	require.Equal(t, []string{"NetworkPolicy/old", "NetworkPolicy/older", "PersistentVolumeClaim/data"}, got)
	lines, err := Remove(found)
	require.NoError(t, err)
	require.Equal(t, []string{
		"removed NetworkPolicy/old, left over from revision 3", "removed NetworkPolicy/older, left over from revision 2",
		"left PersistentVolumeClaim/data of revision 1 in place, because data may go with it; remove it by hand if nobody needs it",
	}, lines)
	require.False(t, server.Has(livetest.Written(t, np("old"))))
	require.True(t, server.Has(livetest.Written(t, claim)))

	r.Place = func(*unstructured.Unstructured) (*resource.Info, error) {
		return nil, errors.New("the API server is away")
	}
	_, err = r.Leftovers(nil, []Revision{revision(1, np("old"))})
	require.ErrorContains(t, err, "the API server is away")
}

// helm/helm#10983: what had moved to another release went with the one that it had left.
func TestWhatBelongsToAnotherReleaseByNowStays(t *testing.T) {
	server := &livetest.Server{}
	ours, theirs, nobodys := made(t, "{apiVersion: v1, kind: ConfigMap, metadata: {namespace: backstage, name: ours}}"),
		livetest.Written(t, "{apiVersion: v1, kind: ConfigMap, metadata: {namespace: backstage, name: theirs}}"), livetest.Written(t, "{apiVersion: v1, kind: ConfigMap, metadata: {namespace: backstage, name: nobodys}}")
	live.Owner{Name: "search", Namespace: "backstage"}.Claim(theirs)
	server.Put(ours, theirs, nobodys)
	gone := livetest.Written(t, "{apiVersion: v1, kind: ConfigMap, metadata: {namespace: backstage, name: gone}}")
	left, lines, err := of(server).WithoutForeign(t.Context(), server.Infos(ours, theirs, nobodys, gone))
	require.NoError(t, err)
	require.Len(t, left, 3)
	require.Equal(t, []string{`left ConfigMap/theirs in place: it belongs to release "search" of namespace "backstage" now`}, lines)
}

// helm/helm#11359: one object that could not go back kept all others from it.
func TestWhatCannotGoBackStaysOrIsMadeAnew(t *testing.T) {
	refusal := func(message string) *metav1.Status {
		return &metav1.Status{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}, Status: metav1.StatusFailure, Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid, Message: message}
	}
	server := &livetest.Server{Refuse: func(name string) *metav1.Status {
		return map[string]*metav1.Status{
			"PersistentVolumeClaim/data": refusal("spec: Forbidden: spec is immutable after creation"), "Job/migrate": refusal("spec.template: field is immutable"),
			"Job/foreign": refusal("spec.template: field is immutable"), "ConfigMap/odd": refusal("data: Invalid value"),
		}[name]
	}}
	objects := []*unstructured.Unstructured{
		made(t, "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {namespace: backstage, name: data}, spec: {storage: 2}}"),
		made(t, "{apiVersion: batch/v1, kind: Job, metadata: {namespace: backstage, name: migrate, uid: '1'}, spec: {image: b}}"),
		livetest.Written(t, "{apiVersion: batch/v1, kind: Job, metadata: {namespace: backstage, name: foreign}, spec: {image: b}}"),
		made(t, "{apiVersion: v1, kind: ConfigMap, metadata: {namespace: backstage, name: odd}, data: {a: b}}"),
		made(t, "{apiVersion: v1, kind: ConfigMap, metadata: {namespace: backstage, name: fine}, data: {a: b}}"),
	}
	server.Put(objects...)
	var target []*resource.Info
	for _, object := range objects {
		earlier := object.DeepCopy()
		for _, field := range []string{"spec", "data"} {
			delete(earlier.Object, field)
		}
		target = append(target, server.Info(earlier))
	}
	index := map[string]*unstructured.Unstructured{}
	for _, object := range objects {
		index[object.GetName()] = object
	}
	result, lines, err := of(server).TryBack(t.Context(), target, func(info *resource.Info) *resource.Info { return live.With(info, index[info.Name]) })
	require.NoError(t, err)
	require.Len(t, lines, 2)
	require.Contains(t, lines[0], "left PersistentVolumeClaim/data as it is, because it cannot go back: ")
	require.Contains(t, lines[1], "made Job/migrate anew, because it cannot be changed back: ")
	var rest []string
	for _, info := range result.Without(target) {
		rest = append(rest, live.Name(info))
	}
	require.Equal(t, []string{"Job/migrate", "Job/foreign", "ConfigMap/odd", "ConfigMap/fine"}, rest)
	require.Len(t, result.Anew, 1)
	require.NoError(t, DeleteForRecreation(result.Anew))
	require.False(t, server.Has(objects[1]))
	require.NoError(t, DeleteForRecreation(result.Anew), "what is gone is not missed")
}
