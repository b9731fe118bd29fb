package release

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	helmrelease "helm.sh/helm/v3/pkg/release"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/record"
)

func invalid(kind, name, path, value, why string) *apierrors.StatusError {
	list := field.ErrorList{field.Invalid(field.NewPath(path), value, why)}
	return apierrors.NewInvalid(schema.GroupKind{Kind: kind}, name, list)
}

func TestTheCauseNamesWhatTheAPIServerRefused(t *testing.T) {
	cases := map[string]struct {
		err  apierrors.APIStatus
		want record.Cause
		part string
	}{
		"an immutable field": {
			invalid("Deployment", "web", "spec.selector", "x", "field is immutable"),
			record.Cause{Code: "release/apply-rejected", Object: "Deployment/web"}, "field is immutable",
		},
		"an admission policy": {
			apierrors.NewForbidden(schema.GroupResource{Resource: "deployments"}, "web", errors.New("policy says no")),
			record.Cause{Code: "release/apply-rejected", Object: "Deployment/web"}, "policy says no",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r, cluster := open(t)
			apply(t, r, "one")
			cluster.RefuseName("web", c.err)
			applied, err := r.Apply(t.Context(), image("two"))
			var rejected *ApplyError
			require.ErrorAs(t, err, &rejected)
			require.Equal(t, 2, rejected.Revision)
			require.Equal(t, 2, applied.Revision.Number)
			require.Equal(t, record.RevisionStatus("failed"), applied.Revision.Status)
			require.Contains(t, rejected.DeployCause().Message, c.part)
			rejected.Cause.Message = ""
			require.Equal(t, c.want, rejected.Cause)
		})
	}
}

const withSecret = `apiVersion: v1
kind: Secret
metadata: {name: db}
stringData: {password: {{ .Values.image.repository }}}
`

func TestAMessageAboutASecretIsWithheld(t *testing.T) {
	cases := map[string]*apierrors.StatusError{
		"about a field":            invalid("Secret", "db", "data", "cGFzc3dvcmQ=", "too long"),
		"with the object":          invalid("Secret", "db", "patch", `{"kind":"Secret","data":{"password":"cGFzc3dvcmQ="}}`, "json: cannot unmarshal"),
		"of another, in its words": apierrors.NewBadRequest("cGFzc3dvcmQ= is bad"),
	}
	for name, refusal := range cases {
		t.Run(name, func(t *testing.T) {
			r, cluster := open(t)
			r.Chart = chartOf(t, withSecret)
			apply(t, r, "one")
			cluster.RefuseName("db", refusal)
			_, err := r.Apply(t.Context(), image("two"))
			require.ErrorContains(t, err, "Secret/db")
			require.NotContains(t, err.Error(), "cGFzc3dvcmQ=")
			require.ErrorContains(t, err, "withheld")
			_, err = r.Plan(t.Context(), image("two").Image())
			require.ErrorContains(t, err, "Secret/db")
			require.NotContains(t, err.Error(), "cGFzc3dvcmQ=")
		})
	}
}

func TestHelmsDebugLogShowsNoValues(t *testing.T) {
	require.Equal(t, `bad: data: Invalid value: (withheld): too long`, apierror.WithoutValues(`bad: data: Invalid value: "a\"b": too long`))
	require.NotContains(t, apierror.WithoutValues(`Invalid value: "{"data":{"password":"cGFzc3dvcmQ="}}": no`), "cGFz")
}

var unreachable = &url.Error{Op: "Get", URL: "https://k", Err: &net.OpError{Op: "dial", Err: errors.New("connection refused")}}

func TestErrorsBeforeAnythingWasWrittenKeepTheirKind(t *testing.T) {
	r := &Release{}
	for name, c := range map[string]struct {
		err  error
		want record.Kind
	}{
		"no connection":       {fmt.Errorf("Kubernetes cluster unreachable: %w", unreachable), record.KindUnavailable},
		"API server starting": {apierrors.NewServiceUnavailable("starting"), record.KindUnavailable},
		"no permission":       {apierrors.NewForbidden(schema.GroupResource{}, "", errors.New("no")), record.KindRefused},
		"old token":           {apierrors.NewUnauthorized("expired"), record.KindUnavailable},
		"a bad template":      {errors.New("template: parse error"), record.KindInput},
		"a bug":               {fmt.Errorf("rendering: %w", &record.Panicked{Value: "index out of range"}), record.KindUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, record.KindOf(r.unapplied("applying chart c", c.err)))
		})
	}
	require.LessOrEqual(t, len(apierror.Message(errors.New(strings.Repeat("x", 5000)))), apierror.MaxMessage+len("…"))
}

func TestAKindThatTheClusterDoesNotHaveIsNamed(t *testing.T) {
	r, cluster := open(t)
	r.Chart = chartOf(t, "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {name: web}\n")
	for name, do := range map[string]func() error{
		"plan":  func() error { _, err := r.Plan(t.Context(), image("one").Image()); return err },
		"apply": func() error { _, err := r.Apply(t.Context(), image("one")); return err },
	} {
		t.Run(name, func(t *testing.T) {
			err := do()
			require.Equal(t, record.KindRefused, record.KindOf(err), err)
			require.ErrorContains(t, err, "no kind ServiceMonitor in monitoring.coreos.com/v1")
			require.ErrorContains(t, err, "[release/no-such-kind]")
			require.Empty(t, cluster.Writes(""))
		})
	}
}

func TestARevisionOfSomebodyElseIsNotTakenForOurs(t *testing.T) {
	r, cluster := open(t)
	apply(t, r, "one")
	stored, err := r.helm.config.Releases.Last("backstage")
	require.NoError(t, err)
	stored.Version, stored.Info.Status = 2, helmrelease.StatusPendingUpgrade
	require.NoError(t, r.helm.records.Driver.Create("sh.helm.release.v1.backstage.v2", stored))
	r = reopen(t, cluster)
	applied, err := r.failed("applying", 1, errors.New("another operation is in progress"))
	require.Zero(t, applied.Revision.Number)
	require.Equal(t, record.KindInput, record.KindOf(err))
	history, err := r.History(t.Context())
	require.NoError(t, err)
	require.Equal(t, record.RevisionStatus("pending-upgrade"), history[0].Status, "their change goes on")
}

func TestARollbackToAMissingRevisionIsInput(t *testing.T) {
	r, _ := open(t)
	apply(t, r, "one")
	for _, do := range []func() error{
		func() error { _, err := r.Rollback(t.Context(), 7, nil); return err },
		func() error { _, err := r.PlanRollback(t.Context(), 7); return err },
		func() error { _, err := r.Drift(t.Context(), 7); return err },
		func() error { _, err := r.Diff(t.Context(), 1, 7); return err },
		func() error { _, err := r.Secrets(t.Context(), 7); return err },
	} {
		err := do()
		require.Equal(t, record.KindInput, record.KindOf(err))
		require.ErrorContains(t, err, "[release/no-such-revision]")
	}
}

func TestAnAPIServerThatIsNotThereIsUnavailable(t *testing.T) {
	r, cluster := open(t)
	cluster.Meet = func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusBadGateway)
		return true
	}
	_, err := r.History(t.Context())
	require.Equal(t, record.KindUnavailable, record.KindOf(err))
}

// helm/helm#11602: there is no CustomResourceDefinition to install for what Kubernetes itself brings.
func TestAKindOfKubernetesInAnotherVersionIsNamed(t *testing.T) {
	for text, want := range map[string]string{
		"apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: web}\n":  "no kind Deployment in extensions/v1beta1; it has it as apps/v1: let the chart use that apiVersion",
		"apiVersion: apps/v1beta2\nkind: Deployment\nmetadata: {name: web}\n":        "no kind Deployment in apps/v1beta2; it has it as apps/v1: ",
		"apiVersion: policy/v1beta1\nkind: PodSecurityPolicy\nmetadata: {name: p}\n": "no kind PodSecurityPolicy in policy/v1beta1; this version of Kubernetes serves it no more",
		"apiVersion: kafka.example.com/v1\nkind: Deployment\nmetadata: {name: p}\n":  "no kind Deployment in kafka.example.com/v1; install the CustomResourceDefinition first",
	} {
		r, _ := open(t)
		r.Chart = chartOf(t, text)
		_, err := r.Plan(t.Context(), image("one").Image())
		require.ErrorContains(t, err, want)
	}
}

// helm/helm#30189: Helm does not say which object it cannot read.
func TestAnObjectThatCannotBeReadIsNamed(t *testing.T) {
	r, _ := open(t)
	r.Chart = chartOf(t, web+"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: build, annotations: {number: 7}}\n")
	_, err := r.Plan(t.Context(), image("one").Image())
	require.ErrorContains(t, err, "ConfigMap/build (portal/templates/all.yaml): unable to decode")
}

// dapr/dapr#2752: what stands twice in a template is taken once, without a word.
func TestAKeyThatIsThereTwiceIsTold(t *testing.T) {
	r, _ := open(t)
	r.Chart = chartOf(t, web+"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: build}\ndata:\n  a: one\n  a: two\n")
	plan, err := r.Plan(t.Context(), image("one").Image())
	require.NoError(t, err)
	require.Len(t, plan.Concerns, 1)
	require.Contains(t, plan.Concerns[0].Message, `ConfigMap/build (portal/templates/all.yaml): line `)
	require.Contains(t, plan.Concerns[0].Message, `key "a" already set in map: the last one counts`)
}
