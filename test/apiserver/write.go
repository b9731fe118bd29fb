package apiserver

import (
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"reflect"
	"strings"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
)

func mapsKeys[V any](m map[string]V) iter.Seq[string] { return maps.Keys(m) }

// write answers POST, PUT, PATCH and DELETE.
func (a *API) write(w http.ResponseWriter, request *http.Request, kind apiKind, namespace, name string) {
	body, err := io.ReadAll(request.Body)
	require.NoError(a.t, err)
	a.Mu.Lock()
	defer a.Mu.Unlock()
	path, dry := request.URL.Path, request.URL.Query().Get("dryRun") != ""
	if name == "" {
		var head metav1.PartialObjectMetadata
		require.NoError(a.t, json.Unmarshal(body, &head))
		path += "/" + head.Name
	}
	if line := request.Method + " " + path; dry {
		a.tried = append(a.tried, line)
	} else {
		a.sent = append(a.sent, line)
	}
	live := a.Objects[path]
	switch {
	case namespace != "" && a.Objects["/api/v1/namespaces/"+namespace] == nil:
		Refusal(w, missing("namespaces "+namespace))
		return
	case name == "" && live != nil:
		Refusal(w, metav1.Status{Code: http.StatusConflict, Reason: metav1.StatusReasonAlreadyExists, Message: path + " already exists"})
		return
	case name != "" && live == nil:
		Refusal(w, missing(path))
		return
	}
	if request.Method == http.MethodDelete {
		a.remove(w, path, body)
		return
	}
	next, status := a.next(request, kind, namespace, live, body)
	if status == nil {
		status = rules(live, next)
	}
	if status == nil && a.Refuse != nil {
		status = a.Refuse(request.Method, next)
	}
	if status != nil {
		Refusal(w, *status)
		return
	}
	if !dry {
		a.store(path, next)
	}
	Reply(w, http.StatusOK, next)
}

func (a *API) remove(w http.ResponseWriter, path string, body []byte) {
	var options metav1.DeleteOptions
	require.NoError(a.t, json.Unmarshal(body, &options))
	accessor, err := meta.Accessor(a.Objects[path])
	require.NoError(a.t, err)
	if p := options.Preconditions; p != nil && p.UID != nil && *p.UID != accessor.GetUID() {
		Refusal(w, metav1.Status{Code: http.StatusConflict, Reason: metav1.StatusReasonConflict, Message: "another uid"})
		return
	}
	delete(a.Objects, path)
	Reply(w, http.StatusOK, metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: metav1.StatusSuccess})
}

// next is the object as the request would make it, with its field managers.
func (a *API) next(request *http.Request, kind apiKind, namespace string, live runtime.Object, body []byte) (runtime.Object, *metav1.Status) {
	manager := request.URL.Query().Get("fieldManager")
	fieldManager, err := managedfields.NewDefaultFieldManager(applyconfigurations.NewTypeConverter(scheme.Scheme),
		scheme.Scheme, nothing{}, scheme.Scheme, kind.gvk(), kind.gvk().GroupVersion(), "", nil)
	require.NoError(a.t, err)
	before := live
	if before == nil {
		before, err = scheme.Scheme.New(kind.gvk())
		require.NoError(a.t, err)
		before.GetObjectKind().SetGroupVersionKind(kind.gvk())
	}
	if request.Header.Get("Content-Type") == string(types.ApplyPatchType) {
		patch, _, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil)
		require.NoError(a.t, err)
		next, err := fieldManager.Apply(before.DeepCopyObject(), patch, manager, true)
		require.NoError(a.t, err)
		return next, nil
	}
	text := body
	switch request.Header.Get("Content-Type") {
	case string(types.StrategicMergePatchType):
		old, err := json.Marshal(live)
		require.NoError(a.t, err)
		if text, err = strategicpatch.StrategicMergePatch(old, body, before); err != nil {
			return nil, &metav1.Status{Code: http.StatusBadRequest, Reason: metav1.StatusReasonBadRequest, Message: err.Error()}
		}
	}
	next, _, err := scheme.Codecs.UniversalDeserializer().Decode(text, nil, nil)
	if err != nil {
		return nil, &metav1.Status{Code: http.StatusBadRequest, Reason: metav1.StatusReasonBadRequest, Message: err.Error()}
	}
	if status := a.carryOver(request.Method, live, next, namespace); status != nil {
		return nil, status
	}
	if kind.kind == "CustomResourceDefinition" {
		return next, nil // there is no schema for it here
	}
	next, err = fieldManager.Update(before.DeepCopyObject(), next, manager)
	require.NoError(a.t, err)
	return next, nil
}

// carryOver does what the API server does to all objects, and some defaults.
func (a *API) carryOver(method string, live, next runtime.Object, namespace string) *metav1.Status {
	accessor, err := meta.Accessor(next)
	require.NoError(a.t, err)
	if namespace != "" {
		accessor.SetNamespace(namespace)
	}
	switch o := next.(type) {
	case *appsv1.Deployment:
		if o.Spec.Replicas == nil {
			o.Spec.Replicas = new(int32(1))
		}
	case *corev1.Secret:
		for k, v := range o.StringData {
			if o.Data == nil {
				o.Data = map[string][]byte{}
			}
			o.Data[k] = []byte(v)
		}
		o.StringData = nil
	case *batchv1.Job:
		if strings.Contains(o.Name, "fail") {
			o.Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobFailed, Status: corev1.ConditionTrue, Reason: "BackoffLimitExceeded"}}
		} else if !strings.Contains(o.Name, "hang") {
			o.Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}}
		}
	}
	if live == nil {
		return nil
	}
	old, err := meta.Accessor(live)
	require.NoError(a.t, err)
	if version := accessor.GetResourceVersion(); method == http.MethodPut && version != "" && version != old.GetResourceVersion() {
		return &metav1.Status{Code: http.StatusConflict, Reason: metav1.StatusReasonConflict, Message: "the object has been modified"}
	}
	accessor.SetUID(old.GetUID())
	accessor.SetResourceVersion(old.GetResourceVersion())
	switch o := next.(type) {
	case *corev1.Service:
		if o.Spec.ClusterIP == "" {
			o.Spec.ClusterIP = live.(*corev1.Service).Spec.ClusterIP
		}
	case *appsv1.StatefulSet:
		o.Status = live.(*appsv1.StatefulSet).Status
	}
	return nil
}

// rules are those of the API server's about changes that this double knows.
func rules(live, next runtime.Object) *metav1.Status {
	if live == nil {
		return nil
	}
	field, message, from, to := "", "", any(nil), any(nil)
	switch n := next.(type) {
	case *appsv1.Deployment:
		field, message, from, to = "spec.selector", "field is immutable", live.(*appsv1.Deployment).Spec.Selector, n.Spec.Selector
	case *corev1.PersistentVolumeClaim:
		field, message, from, to = "spec", "spec is immutable after creation except resources.requests", live.(*corev1.PersistentVolumeClaim).Spec, n.Spec
	case *appsv1.StatefulSet:
		field, message = "spec", "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy' are forbidden"
		from, to = live.(*appsv1.StatefulSet).Spec.VolumeClaimTemplates, n.Spec.VolumeClaimTemplates
	}
	if reflect.DeepEqual(from, to) {
		return nil
	}
	accessor, _ := meta.Accessor(next)
	kind := next.GetObjectKind().GroupVersionKind().Kind
	return &metav1.Status{
		Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid,
		Message: fmt.Sprintf("%s %q is invalid: %s: Invalid value: {}: %s", kind, accessor.GetName(), field, message),
		Details: &metav1.StatusDetails{Kind: kind, Name: accessor.GetName(), Causes: []metav1.StatusCause{{Type: metav1.CauseTypeFieldValueInvalid, Field: field, Message: message}}},
	}
}

type nothing struct{}

func (nothing) Default(runtime.Object) {}
