package release

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	helmrelease "helm.sh/helm/v3/pkg/release"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

func invalid(kind, name, path, value string) error {
	list := field.ErrorList{field.Invalid(field.NewPath(path), value, "field is immutable")}
	return fmt.Errorf("cannot patch %q with kind %s: %w", name, kind, apierrors.NewInvalid(schema.GroupKind{Kind: kind}, name, list))
}

var refused = &url.Error{Op: "Get", URL: "https://k", Err: &net.OpError{Op: "dial", Err: errors.New("connection refused")}}

func TestTheCauseNamesWhatTheAPIServerRefused(t *testing.T) {
	cases := map[string]struct {
		err  error
		want pipeline.Cause
		part string
	}{
		"an immutable field": {
			invalid("Deployment", "web", "spec.selector", "x"),
			pipeline.Cause{Code: "release/apply-rejected", Object: "Deployment/web", Reason: "Invalid"}, "field is immutable",
		},
		"an admission policy": {
			apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "web", errors.New("policy says no")),
			pipeline.Cause{Code: "release/apply-rejected", Object: "pods/web", Reason: "Forbidden"}, "policy says no",
		},
		"a lost connection": {
			refused,
			pipeline.Cause{Code: "release/apply-interrupted", Object: "Release/backstage"}, "connection refused",
		},
		"words of Helm alone": {
			errors.New("failed pre-install: job failed"),
			pipeline.Cause{Code: "release/apply-rejected", Object: "Release/backstage"}, "failed pre-install",
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r, client := open(t)
			apply(t, r, "one")
			client.refuse = c.err
			_, err := r.Apply(t.Context(), image("two"))
			var rejected *ApplyError
			require.ErrorAs(t, err, &rejected)
			require.Equal(t, 2, rejected.Revision)
			require.Contains(t, rejected.Cause.Message, c.part)
			rejected.Cause.Message = ""
			require.Equal(t, c.want, rejected.Cause)
		})
	}
}

func TestAMessageAboutASecretIsWithheld(t *testing.T) {
	r, client := open(t)
	apply(t, r, "one")
	client.refuse = invalid("Secret", "db", "data", "cGFzc3dvcmQ=")
	_, err := r.Apply(t.Context(), image("two"))
	require.NotContains(t, err.Error(), "cGFzc3dvcmQ=")
	require.ErrorContains(t, err, `rejected fields ["data"]`)
}

// misfit is the API server's answer to a patch that does not fit the type: it
// repeats the whole object and does not name it.
func misfit(kind, name string) error {
	list := field.ErrorList{field.Invalid(field.NewPath("patch"), `{"kind":"`+kind+`","data":{"password":"cGFzc3dvcmQ="}}`, "json: cannot unmarshal string into replicas")}
	return fmt.Errorf("cannot patch %q with kind %s: %w", name, kind, apierrors.NewInvalid(schema.GroupKind{}, "", list))
}

func TestAPatchThatDoesNotFitDoesNotShowTheObject(t *testing.T) {
	for kind, want := range map[string]string{"Secret": "is withheld", "Deployment": "json: cannot unmarshal string into replicas"} {
		r, client := open(t)
		apply(t, r, "one")
		client.refuse = misfit(kind, "db")
		_, err := r.Apply(t.Context(), image("two"))
		require.NotContains(t, err.Error(), "cGFzc3dvcmQ=")
		require.ErrorContains(t, err, kind+"/db: Invalid: ")
		require.ErrorContains(t, err, want)
	}
}

func TestErrorsBeforeAnythingWasWrittenKeepTheirKind(t *testing.T) {
	r, _ := open(t)
	for name, c := range map[string]struct {
		err  error
		want pipeline.Kind
	}{
		"no connection":       {fmt.Errorf("Kubernetes cluster unreachable: %w", refused), pipeline.KindUnavailable},
		"API server starting": {apierrors.NewServiceUnavailable("starting"), pipeline.KindUnavailable},
		"no permission":       {apierrors.NewForbidden(schema.GroupResource{}, "", errors.New("no")), pipeline.KindRefused},
		"old token":           {apierrors.NewUnauthorized("expired"), pipeline.KindUnavailable},
		"a bad template":      {errors.New("template: parse error"), pipeline.KindInput},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, pipeline.KindOf(r.unapplied("applying chart c", c.err)))
		})
	}
	require.LessOrEqual(t, len(words(errors.New(strings.Repeat("x", 5000)))), maxWords+len("…"))
}

func TestARevisionOfSomebodyElseIsNotTakenForOurs(t *testing.T) {
	r, _ := open(t)
	apply(t, r, "one")
	require.NoError(t, r.Mark(t.Context(), 1, pipeline.MarkGood))
	record, err := r.helm.Releases.Last("backstage")
	require.NoError(t, err)
	theirs := *record
	theirs.Version, theirs.Info = 2, &helmrelease.Info{Status: helmrelease.StatusPendingUpgrade}
	require.NoError(t, r.marks.Driver.Create("sh.helm.release.v1.backstage.v2", &theirs))
	applied, err := r.failed("applying", 1, errors.New("another operation is in progress"))
	require.Zero(t, applied.Revision.Number)
	require.Equal(t, pipeline.KindInput, pipeline.KindOf(err))
	history, err := r.History(t.Context())
	require.NoError(t, err)
	require.Equal(t, "pending-upgrade", history[0].Status, "their change goes on")
}

func TestARollbackToAMissingRevisionIsInput(t *testing.T) {
	r, _ := open(t)
	apply(t, r, "one")
	_, err := r.Rollback(t.Context(), 7)
	require.Equal(t, pipeline.KindInput, pipeline.KindOf(err))
	require.ErrorContains(t, err, "[release/no-such-revision]")
}

func TestARenewalWhoseAnswerWasLostDoesNotCostTheLock(t *testing.T) {
	r, _ := open(t)
	client := r.client.(*fake.Clientset)
	lease, err := r.acquire(t.Context(), "run 1")
	require.NoError(t, err)
	conflicts := 1
	client.PrependReactor("update", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
		if conflicts == 0 {
			return false, nil, nil
		}
		conflicts--
		return true, nil, apierrors.NewConflict(schema.GroupResource{Resource: "leases"}, lease.Name, errors.New("newer"))
	})
	again, err := r.renewOnce(t.Context(), lease)
	require.NoError(t, err)
	require.Equal(t, "run 1", *again.Spec.HolderIdentity)
	renewed, err := r.renewOnce(t.Context(), again)
	require.NoError(t, err)
	require.True(t, renewed.Spec.RenewTime.After(lease.Spec.RenewTime.Time))
}

func TestARunThatLostItsLockDoesNotTakeItBack(t *testing.T) {
	r, _ := open(t)
	lease, err := r.acquire(t.Context(), "run 1")
	require.NoError(t, err)
	other := "run 2"
	taken := lease.DeepCopy()
	taken.Spec.HolderIdentity = &other
	r.client.(*fake.Clientset).PrependReactor("update", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewConflict(schema.GroupResource{Resource: "leases"}, lease.Name, errors.New("newer"))
	})
	r.client.(*fake.Clientset).PrependReactor("get", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, taken, nil
	})
	r.renew(t.Context(), lease) // ends by itself
	require.NoError(t, r.unlock(t.Context(), "run 1"), "an update would meet the conflict")
}
