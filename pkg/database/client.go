package database

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// VariableURL is that of [Database.Libpq] with a URL that has the password in it.
const VariableURL = "DATABASE_AT"

// Libpq are the variables with which programs of PostgreSQL get in from a pod of the
// release's namespace. The password is a reference to where the release's own pods have it
// from, or the URL that it stands in is, see [VariableURL].
func (d *Database) Libpq(ctx context.Context) ([]corev1.EnvVar, error) {
	secret, err := d.secret(ctx)
	if err != nil {
		return nil, err
	}
	return append(secret,
		corev1.EnvVar{Name: "PGHOST", Value: d.place.host}, corev1.EnvVar{Name: "PGPORT", Value: strconv.Itoa(d.place.port)},
		corev1.EnvVar{Name: "PGUSER", Value: d.place.user}, corev1.EnvVar{Name: "PGSSLMODE", Value: libpqMode(d.place.sslMode)}), nil
}

// libpqMode is how libpq is told to encrypt. What is not its word, as no-verify of node's
// driver, encrypts; a certificate that the release verifies with files of its own is not
// verified.
func libpqMode(mode string) string {
	switch mode {
	case "", "disable", "allow", "prefer":
		return cmp.Or(mode, "prefer")
	}
	return "require"
}

// secret is the variable with the password, none where there is no password.
func (d *Database) secret(ctx context.Context) ([]corev1.EnvVar, error) {
	e := &environment{o: d.Options}
	env, err := e.of(ctx, d.Namespace, d.container)
	if err != nil {
		return nil, err
	}
	names, err := readVariables(d.Variables)
	if err != nil {
		return nil, err
	}
	what, as := record.DatabasePassword, "PGPASSWORD"
	if names.name(record.DatabaseHost, env) == "" {
		what, as = record.DatabaseURL, VariableURL
	}
	name := names.name(what, env)
	if name == "" {
		return nil, nil
	}
	found, err := e.reference(ctx, d.Namespace, d.container, name)
	found.Name = as
	return []corev1.EnvVar{found}, err
}

// reference is where a container has a variable from. One that is put together of others
// has no such place: its value would stand in the pod.
func (e *environment) reference(ctx context.Context, namespace string, c corev1.Container, name string) (corev1.EnvVar, error) {
	for _, one := range slices.Backward(c.Env) {
		switch {
		case one.Name != name:
		case one.ValueFrom == nil && mention.MatchString(one.Value):
			return corev1.EnvVar{}, record.Refused("database/no-password", "the variable %s of the container %s is put together of others, so that no other pod can have it from where it comes; give the password a variable of its own, from a key of a Secret, and name it with --database-env password=NAME", name, c.Name)
		default:
			return one, nil
		}
	}
	for _, from := range slices.Backward(c.EnvFrom) {
		kind, object := source(from)
		data, err := e.read(ctx, kind, namespace, object)
		if err != nil {
			return corev1.EnvVar{}, err
		}
		key, prefixed := strings.CutPrefix(name, from.Prefix)
		if _, found := data[key]; found && prefixed {
			return corev1.EnvVar{ValueFrom: keyOf(kind, object, key)}, nil
		}
	}
	return corev1.EnvVar{}, nil
}

func keyOf(kind, name, key string) *corev1.EnvVarSource {
	object := corev1.LocalObjectReference{Name: name}
	if kind == "ConfigMap" {
		return &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: object, Key: key}}
	}
	return &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: object, Key: key}}
}

// Server is the container of the database, and its pod, where it runs in the cluster; false
// where it does not.
func (d *Database) Server(ctx context.Context) (corev1.Pod, corev1.Container, bool, error) {
	service, found, err := d.service(ctx)
	if err != nil || !found || len(service.Spec.Selector) == 0 {
		return corev1.Pod{}, corev1.Container{}, false, nil //nolint:nilerr // it is asked for where no image was named
	}
	pods, err := d.Client.CoreV1().Pods(service.Namespace).List(ctx, metav1.ListOptions{LabelSelector: labels.SelectorFromSet(service.Spec.Selector).String()})
	if err != nil {
		return corev1.Pod{}, corev1.Container{}, false, apierror.Classify("looking for the pod of the database", err)
	}
	for _, pod := range pods.Items {
		for _, c := range pod.Spec.Containers {
			if serves(c, service, d.place.port) {
				return pod, c, true, nil
			}
		}
	}
	return corev1.Pod{}, corev1.Container{}, false, nil
}

// serves reports whether a port of a Service leads to a container, or to a pod that does
// not say which of its ports is whose.
func serves(c corev1.Container, service *corev1.Service, port int) bool {
	at := slices.IndexFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return int(p.Port) == port })
	if at < 0 || len(c.Ports) == 0 {
		return at >= 0
	}
	target := service.Spec.Ports[at].TargetPort
	return slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool {
		return p.Name != "" && p.Name == target.StrVal || int(p.ContainerPort) == cmp.Or(target.IntValue(), port)
	})
}
