package database

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"github.com/stagecrew/stagecrew/pkg/record"
)

var web = []record.Workload{{Kind: "Deployment", Namespace: "prod", Name: "web"}}

func deployment(c corev1.Container) *appsv1.Deployment {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "prod"}}
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "proxy"}, c}
	return d
}

func secretKey(name, key string) *corev1.EnvVarSource {
	return &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: name}, Key: key}}
}

func objects() []runtime.Object {
	return []runtime.Object{
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "credentials", Namespace: "prod"}, Data: map[string][]byte{
			"POSTGRES_USER": []byte("backstage"), "POSTGRES_PASSWORD": []byte("open sesame"), "url": []byte("postgresql://u:p%40ss@db.prod.svc:5433/portal?sslmode=require"), "bad": []byte("postgresql://p%zz@"),
		}},
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "config", Namespace: "prod"}, Data: map[string]string{"POSTGRES_HOST": "psql-postgresql", "POSTGRES_PORT": "5432"}},
	}
}

func TestTheDatabaseIsFoundAsPodsFindIt(t *testing.T) {
	envFrom := []corev1.EnvFromSource{
		{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "config"}}},
		{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "credentials"}}},
	}
	usually := place{host: "psql-postgresql", port: 5432, user: "backstage", password: "open sesame", prefix: "backstage_plugin_"}
	elsewhere := usually
	elsewhere.host, elsewhere.port = "db.example.org", 6432
	named := usually
	named.host, named.password = "sql", "open sesame"
	for name, c := range map[string]struct {
		container corev1.Container
		variables []string
		want      place
	}{
		"all of a ConfigMap and of a Secret": {corev1.Container{EnvFrom: envFrom}, nil, usually},
		// backstage/charts sets each with a reference of its own.
		"single keys": {corev1.Container{Env: []corev1.EnvVar{
			{Name: "POSTGRES_HOST", Value: "db.example.org"}, {Name: "POSTGRES_PORT", Value: "6432"},
			{Name: "POSTGRES_USER", ValueFrom: secretKey("credentials", "POSTGRES_USER")}, {Name: "POSTGRES_PASSWORD", ValueFrom: secretKey("credentials", "POSTGRES_PASSWORD")},
		}}, nil, elsewhere},
		"a variable wins over those of a whole Secret": {corev1.Container{EnvFrom: envFrom, Env: []corev1.EnvVar{
			{Name: "POSTGRES_HOST", Value: "db.example.org"}, {Name: "POSTGRES_PORT", Value: "6432"},
		}}, nil, elsewhere},
		"a URL": {corev1.Container{Env: []corev1.EnvVar{{Name: "DATABASE_URL", ValueFrom: secretKey("credentials", "url")}}}, nil,
			place{host: "db.prod.svc", port: 5433, user: "u", password: "p@ss", name: "portal", prefix: "backstage_plugin_", sslMode: "require"}},
		"a URL of other variables": {corev1.Container{Env: []corev1.EnvVar{
			{Name: "WHO", Value: "me"}, {Name: "DATABASE_URL", Value: "postgres://$(WHO):$$(x)@db/$(NOBODY)"},
		}}, nil, place{host: "db", port: 5432, user: "me", password: "$(x)", name: "$(NOBODY)", prefix: "backstage_plugin_"}},
		"names of their own": {corev1.Container{Env: []corev1.EnvVar{
			{Name: "PSQL", Value: "sql"}, {Name: "POSTGRES_USER", Value: "backstage"}, {Name: "PW", ValueFrom: secretKey("credentials", "POSTGRES_PASSWORD")},
		}}, []string{"host=PSQL", "password=PW"}, named},
	} {
		t.Run(name, func(t *testing.T) {
			var withheld []string
			o := Options{Client: fake.NewClientset(append(objects(), deployment(c.container))...), Namespace: "prod", Variables: c.variables,
				Withhold: func(values ...string) { withheld = append(withheld, values...) }}
			d, err := Find(t.Context(), o, append([]record.Workload{{Kind: "Deployment", Namespace: "prod", Name: "gone"}}, web...))
			require.NoError(t, err)
			require.Equal(t, c.want, d.place)
			require.Contains(t, withheld, c.want.password)
		})
	}
}

func TestADatabaseThatIsNotFound(t *testing.T) {
	env := func(name, value string) corev1.Container {
		return corev1.Container{Env: []corev1.EnvVar{{Name: "POSTGRES_HOST", Value: "db"}, {Name: name, Value: value}}}
	}
	for name, c := range map[string]struct {
		container corev1.Container
		code      string
	}{
		"no variable names one":   {corev1.Container{}, "database/none-known"},
		"no number for the port":  {env("POSTGRES_PORT", "tcp://10.0.0.1:5432"), "database/port"},
		"a URL that is none":      {corev1.Container{Env: []corev1.EnvVar{{Name: "DATABASE_URL", ValueFrom: secretKey("credentials", "bad")}}}, "database/url"},
		"a Secret nobody may see": {corev1.Container{Env: []corev1.EnvVar{{Name: "POSTGRES_HOST", ValueFrom: secretKey("denied", "host")}}}, "database/forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			client := fake.NewClientset(append(objects(), deployment(c.container))...)
			client.PrependReactor("get", "secrets", func(a k8stesting.Action) (bool, runtime.Object, error) {
				if a.(k8stesting.GetAction).GetName() != "denied" {
					return false, nil, nil
				}
				return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "denied", nil)
			})
			_, err := Find(t.Context(), Options{Client: client, Namespace: "prod"}, web)
			require.Equal(t, c.code, record.CodeOf(err), "%v", err)
		})
	}
	require.ErrorContains(t, Check([]string{"hots=X"}), "host")
	require.ErrorContains(t, Check([]string{"host="}), "WHAT=NAME")
}

// Pods of every kind that is watched may use a database: one that is not seen would let a
// rollback go on unasked.
func TestFind_TheDatabaseOfEachWatchedKindIsFound(t *testing.T) {
	pod := corev1.PodTemplateSpec{Spec: deployment(corev1.Container{Env: []corev1.EnvVar{{Name: "POSTGRES_HOST", Value: "db"}, {Name: "POSTGRES_USER", Value: "u"}}}).Spec.Template.Spec}
	meta := metav1.ObjectMeta{Name: "web", Namespace: "prod"}
	client := fake.NewClientset(
		&appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Template: pod}},
		&appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{Template: pod}},
		&appsv1.DaemonSet{ObjectMeta: meta, Spec: appsv1.DaemonSetSpec{Template: pod}},
		&appsv1.ReplicaSet{ObjectMeta: meta, Spec: appsv1.ReplicaSetSpec{Template: pod}},
		&batchv1.Job{ObjectMeta: meta, Spec: batchv1.JobSpec{Template: pod}},
		&corev1.Pod{ObjectMeta: meta, Spec: pod.Spec},
		&corev1.ReplicationController{ObjectMeta: meta, Spec: corev1.ReplicationControllerSpec{Template: &pod}},
	)
	for kind := range record.WatchedKinds {
		t.Run(kind, func(t *testing.T) {
			d, err := Find(t.Context(), Options{Client: client, Namespace: "prod"}, []record.Workload{{Kind: kind, Namespace: "prod", Name: "web"}})
			require.NoError(t, err)
			require.Equal(t, "db", d.place.host)
		})
	}
	_, err := Find(t.Context(), Options{Client: client, Namespace: "prod"}, []record.Workload{{Kind: "Rollout", Namespace: "prod", Name: "web"}})
	require.ErrorContains(t, err, "Rollout/web is of a kind that is not known here")
	require.NotEqual(t, "database/none-known", record.CodeOf(err))
}

func TestStop_WhatHasANumberOfReplicasIsStoppedAndStartedAgain(t *testing.T) {
	c := corev1.Container{Env: []corev1.EnvVar{{Name: "POSTGRES_HOST", Value: "db"}, {Name: "POSTGRES_USER", Value: "u"}}}
	set := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "prod"}, Spec: appsv1.ReplicaSetSpec{
		Replicas: new(int32(3)), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}, Template: deployment(c).Spec.Template}}
	o := Options{Client: fake.NewClientset(set), Namespace: "prod", Log: slog.New(slog.DiscardHandler)}
	workloads := []record.Workload{{Kind: "ReplicaSet", Namespace: "prod", Name: "web"}}
	replicas := func() int32 {
		found, err := o.Client.AppsV1().ReplicaSets("prod").Get(t.Context(), "web", metav1.GetOptions{})
		require.NoError(t, err)
		return *found.Spec.Replicas
	}
	require.NoError(t, Stop(t.Context(), o, workloads))
	require.Zero(t, replicas())
	require.NoError(t, Start(t.Context(), o, workloads))
	require.Equal(t, int32(3), replicas())
}
