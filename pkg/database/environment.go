package database

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/workload"
)

// environment gives the variables that containers get, as a kubelet does.
type environment struct {
	o    Options
	data map[string]map[string]string // of Secrets and ConfigMaps that were read, by kind, namespace and name
}

// podSpec is the template of a workload's pods, zero for one that is not there. One of a
// kind that cannot be read is an error: its pods may use a database.
func (e *environment) podSpec(ctx context.Context, w record.Workload) (corev1.PodSpec, error) {
	object, err := e.o.get(ctx, w)
	if apierrors.IsNotFound(err) {
		return corev1.PodSpec{}, nil
	}
	if err != nil {
		return corev1.PodSpec{}, apierror.Classify("reading "+w.String(), err)
	}
	pods, err := workload.PodsOf(object)
	return pods.Template.Spec, err
}

// place is what the containers of a pod say about their database, and which of them does;
// the init containers come last. One without a host for a pod that says nothing.
func (e *environment) place(ctx context.Context, namespace string, spec corev1.PodSpec, names variables) (place, corev1.Container, error) {
	for _, c := range slices.Concat(spec.Containers, spec.InitContainers) {
		env, err := e.of(ctx, namespace, c)
		if err != nil {
			return place{}, c, err
		}
		found, err := names.read(env)
		if err != nil || found.host != "" {
			return found, c, err
		}
	}
	return place{}, corev1.Container{}, nil
}

// of gives the variables of a container. What is not there is left out: the pod would
// not start, or the reference is optional.
func (e *environment) of(ctx context.Context, namespace string, c corev1.Container) (map[string]string, error) {
	env := map[string]string{}
	for _, from := range c.EnvFrom {
		kind, name := source(from)
		data, err := e.read(ctx, kind, namespace, name)
		if err != nil {
			return nil, err
		}
		for key, value := range data {
			env[from.Prefix+key] = value
		}
	}
	for _, one := range c.Env {
		value, err := e.value(ctx, namespace, one, env)
		if err != nil {
			return nil, err
		}
		env[one.Name] = value
	}
	return env, nil
}

func source(from corev1.EnvFromSource) (kind, name string) {
	switch {
	case from.SecretRef != nil:
		return "Secret", from.SecretRef.Name
	case from.ConfigMapRef != nil:
		return "ConfigMap", from.ConfigMapRef.Name
	}
	return "", ""
}

func (e *environment) value(ctx context.Context, namespace string, one corev1.EnvVar, before map[string]string) (string, error) {
	from := one.ValueFrom
	switch {
	case from == nil:
		return expand(one.Value, before), nil
	case from.SecretKeyRef != nil:
		data, err := e.read(ctx, "Secret", namespace, from.SecretKeyRef.Name)
		return data[from.SecretKeyRef.Key], err
	case from.ConfigMapKeyRef != nil:
		data, err := e.read(ctx, "ConfigMap", namespace, from.ConfigMapKeyRef.Name)
		return data[from.ConfigMapKeyRef.Key], err
	}
	return "", nil
}

var mention = regexp.MustCompile(`\$\$|\$\(([^()\s]+)\)`)

// expand puts variables into a value as Kubernetes does: $(NAME), and $$ for a dollar;
// what is not known stays.
func expand(value string, env map[string]string) string {
	return mention.ReplaceAllStringFunc(value, func(found string) string {
		if found == "$$" {
			return "$"
		}
		if known, there := env[found[2:len(found)-1]]; there {
			return known
		}
		return found
	})
}

// read gives the data of a Secret or ConfigMap, nil for one that is not there.
func (e *environment) read(ctx context.Context, kind, namespace, name string) (map[string]string, error) {
	key := strings.Join([]string{kind, namespace, name}, "/")
	if data, known := e.data[key]; known || name == "" {
		return data, nil
	}
	data := map[string]string{}
	var err error
	if kind == "Secret" {
		var secret *corev1.Secret
		secret, err = e.o.Client.CoreV1().Secrets(namespace).Get(ctx, name, metav1.GetOptions{})
		if err == nil {
			for k, v := range secret.Data {
				data[k] = string(v)
			}
		}
	} else {
		var configMap *corev1.ConfigMap
		configMap, err = e.o.Client.CoreV1().ConfigMaps(namespace).Get(ctx, name, metav1.GetOptions{})
		if err == nil {
			maps.Copy(data, configMap.Data)
		}
	}
	switch {
	case apierrors.IsForbidden(err):
		return nil, record.Refused("database/forbidden", "the credentials of the database are in %s/%s, which the kubeconfig's user may not read: grant it get on it", kind, name)
	case err != nil && !apierrors.IsNotFound(err):
		return nil, apierror.Classify(fmt.Sprintf("reading %s/%s", kind, name), err)
	}
	if e.data == nil {
		e.data = map[string]map[string]string{}
	}
	e.data[key] = data
	return data, nil
}
