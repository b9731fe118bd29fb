package forecast

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/livetest"
)

// invalid is the API server's answer 422.
func invalid(message string, causes ...metav1.StatusCause) metav1.Status {
	return metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid,
		Message: message, Details: &metav1.StatusDetails{Causes: causes},
	}
}

const (
	setHead = "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db, namespace: portal}, spec: {replicas: 3, "
	// mayChange is the message of Kubernetes 1.34.
	mayChange = "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)

func TestWhyTheAPIServerWouldRejectAnObject(t *testing.T) {
	immutable := func(field string) metav1.StatusCause {
		return metav1.StatusCause{Type: metav1.CauseTypeFieldValueInvalid, Field: field, Message: `Invalid value: {"a very": "long Go value"}: field is immutable`}
	}
	for name, c := range map[string]struct {
		live, wanted string
		status       metav1.Status
		code         string
		want         []string
		without      string
	}{
		"a Job with another image (helm/helm#7725, kubernetes/kubernetes#89657)": {
			live:   "{apiVersion: batch/v1, kind: Job, metadata: {name: migrate, namespace: portal}, spec: {template: {spec: {image: 'a:1'}}}}",
			wanted: "{apiVersion: batch/v1, kind: Job, metadata: {name: migrate, namespace: portal}, spec: {template: {spec: {image: 'a:2'}}}}",
			status: invalid("Job.batch \"migrate\" is invalid: spec.template: field is immutable", immutable("spec.template")), code: "release/immutable-field",
			want:    []string{"Job/migrate: spec.template.spec.image (\"a:1\" -> \"a:2\") cannot be changed; make it a hook", "kubectl delete job migrate --namespace portal"},
			without: "Go value",
		},
		"labels of claims with the chart's version (groundhog2k/helm-charts#191, pajikos/home-assistant-helm-chart#167)": {
			live:   setHead + "serviceName: db, volumeClaimTemplates: [{metadata: {name: data, labels: {chart: db-1}}}]}}",
			wanted: setHead + "serviceName: db, template: {spec: {}}, volumeClaimTemplates: [{metadata: {name: data, labels: {chart: db-2}}}]}}",
			status: invalid("StatefulSet.apps \"db\" is invalid: spec: "+mayChange, metav1.StatusCause{Field: "spec", Message: mayChange}), code: "release/immutable-field",
			want:    []string{"labels.chart (\"db-1\" -> \"db-2\")", "kubectl delete statefulset db --namespace portal --cascade=orphan"},
			without: "spec.template",
		},
		"another class of storage": {
			live:   "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data, namespace: portal}, spec: {storageClassName: fast}}",
			wanted: "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data, namespace: portal}, spec: {storageClassName: slow}}",
			status: invalid("spec is immutable after creation", immutable("spec.storageClassName")), code: "release/immutable-field",
			want:    []string{"spec.storageClassName (\"fast\" -> \"slow\") cannot be changed; undo the change, or use another name and move the data"},
			without: "kubectl delete",
		},
		"an immutable Secret, whose content nobody sees": {
			live:   "{apiVersion: v1, kind: Secret, metadata: {name: keys, namespace: portal}, data: {k: aHVudGVyMg==}}",
			wanted: "{apiVersion: v1, kind: Secret, metadata: {name: keys, namespace: portal}, data: {k: aHVudGVyMw==}}",
			status: invalid("Secret \"keys\" is invalid: data: Forbidden: field is immutable when `immutable` is set", metav1.StatusCause{Field: "data", Message: "Forbidden: field is immutable when `immutable` is set"}), code: "release/immutable-field",
			want: []string{"Secret/keys: data cannot be changed"}, without: "aHVudGVy",
		},
		"a Secret that is wrong": {
			wanted: "{apiVersion: v1, kind: Secret, metadata: {name: keys, namespace: portal}, type: kubernetes.io/tls, data: {}}",
			status: invalid("Secret \"keys\" is invalid: data[tls.key]: hunter2", metav1.StatusCause{Field: "data[tls.key]", Message: "Required value: hunter2"}), code: "release/rejected",
			want: []string{`rejected fields ["data[tls.key]"]; the message is withheld`}, without: "hunter2",
		},
		"what a webhook denies": {
			wanted: "{apiVersion: v1, kind: ConfigMap, metadata: {name: web, namespace: portal}}",
			status: metav1.Status{Status: metav1.StatusFailure, Code: http.StatusForbidden, Message: `admission webhook "validate.kyverno.svc-fail" denied the request: no owner`}, code: "release/rejected",
			want: []string{"ConfigMap/web: ", "no owner"}, without: "cannot be changed",
		},
		"an immutable field in a message only": {
			live:   "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: reader}, roleRef: {name: a}}",
			wanted: "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: reader}, roleRef: {name: b}}",
			status: invalid("cannot change roleRef"), code: "release/immutable-field",
			want: []string{"cannot change roleRef; undo the change, give the object another name, or delete it before the deploy: kubectl delete clusterrolebinding reader"}, without: "--namespace",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := Rejection{Info: (&livetest.Server{}).Info(livetest.Written(t, c.wanted)), Status: c.status}
			if c.live != "" {
				r.Live = livetest.Written(t, c.live)
			}
			err := Rejected("upgrading release \"portal\"", []Rejection{r})
			require.Equal(t, record.KindRefused, record.KindOf(err))
			require.ErrorContains(t, err, "["+c.code+"]")
			for _, text := range c.want {
				require.ErrorContains(t, err, text)
			}
			require.NotContains(t, err.Error(), c.without)
		})
	}
}

func TestAllRejectionsAreToldAtOnceInAnOrderThatStays(t *testing.T) {
	server := &livetest.Server{}
	of := func(name string) Rejection {
		return Rejection{Info: server.Info(livetest.Written(t, "{apiVersion: v1, kind: ConfigMap, metadata: {namespace: portal, name: "+name+"}}")), Status: metav1.Status{Message: "no " + name}}
	}
	want := "installing: the API server would reject 2 objects:\n  ConfigMap/a: no a\n  ConfigMap/b: no b [release/rejected]"
	require.EqualError(t, Rejected("installing", []Rejection{of("b"), of("a")}), want)
	require.EqualError(t, Rejected("installing", []Rejection{of("a"), of("b")}), want)
}
