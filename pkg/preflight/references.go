package preflight

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// reference is something that a pod names and cannot start without.
type reference struct {
	kind, name, key string // key "" for the whole
	file            bool   // mounted by itself: without it the pod starts, with an empty folder there
}

// references looks for what pods name and is not there. Operators may make it
// late, so that it never blocks.
func (c *check) references(ctx context.Context) {
	for _, t := range c.templates() {
		for _, r := range named(t.pod.Spec) {
			if gone, found := c.deletes(t.object.GetNamespace(), r); found {
				c.deleted(t, r, gone)
			}
		}
		for _, r := range unmade(c, t) {
			c.reference(ctx, t, r)
		}
	}
}

// deleted tells of a reference that this very plan deletes; a hook may have made
// the object a moment before.
func (c *check) deleted(t template, r reference, gone record.Deletion) {
	c.add(record.Concern{Code: "preflight/reference", Object: t.object.name(), Blocks: !c.mayDelete(gone) && !c.remade(r.name),
		Message: fmt.Sprintf("its pods need %s/%s, which this very deploy deletes, because the chart no longer makes it; they will not start", r.kind, r.name),
		Advice:  fmt.Sprintf("let the chart make it with upgrades, too, and not as a hook, or annotate the live object helm.sh/resource-policy: keep; --allow-delete %s if something else makes it", gone.Object())})
}

// unmade are the references that the manifest itself does not satisfy.
func unmade(c *check, t template) []reference {
	return slices.DeleteFunc(named(t.pod.Spec), func(r reference) bool {
		return slices.ContainsFunc(c.objects, func(o object) bool { return o.is(t.object.GetNamespace(), r) && o.holds(r.key) })
	})
}

// makes reports whether the manifest makes what is named.
func (c *check) makes(namespace string, r reference) bool {
	return slices.ContainsFunc(c.objects, func(o object) bool { return o.is(namespace, r) })
}

// is reports whether an object is the one that is named.
func (o object) is(namespace string, r reference) bool {
	return o.GetKind() == r.kind && o.GetName() == r.name && o.GetNamespace() == namespace
}

// holds reports whether an object has a key; one without any content is filled by others.
func (o object) holds(key string) bool {
	content := 0
	for _, field := range []string{"data", "binaryData", "stringData"} {
		m, _, _ := unstructured.NestedMap(o.Object, field)
		if _, found := m[key]; found {
			return true
		}
		content += len(m)
	}
	return key == "" || content == 0
}

// named are the references that a pod cannot start without.
func named(pod corev1.PodSpec) []reference {
	var all []reference
	add := func(r reference, optional *bool) {
		if r.name != "" && (optional == nil || !*optional) && !slices.Contains(all, r) {
			all = append(all, r)
		}
	}
	mentioned(pod, func(kind, name, key string, optional *bool) {
		add(reference{kind: kind, name: name, key: key}, optional)
	})
	files(pod, add)
	return all
}

// files are the keys that are mounted by themselves, with subPath
// (https://github.com/kubernetes/kubernetes/issues/126186).
func files(pod corev1.PodSpec, add func(r reference, optional *bool)) {
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		for _, mount := range c.VolumeMounts {
			i := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == mount.Name })
			if i < 0 || mount.SubPath == "" || strings.Contains(mount.SubPath, "/") {
				continue
			}
			switch v := pod.Volumes[i]; {
			case v.ConfigMap != nil && len(v.ConfigMap.Items) == 0:
				add(reference{"ConfigMap", v.ConfigMap.Name, mount.SubPath, true}, v.ConfigMap.Optional)
			case v.Secret != nil && len(v.Secret.Items) == 0:
				add(reference{"Secret", v.Secret.SecretName, mount.SubPath, true}, v.Secret.Optional)
			}
		}
	}
}

// mentioned goes through all references of a pod, the optional ones, too.
func mentioned(pod corev1.PodSpec, add func(kind, name, key string, optional *bool)) {
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		for _, e := range c.EnvFrom {
			if e.SecretRef != nil {
				add("Secret", e.SecretRef.Name, "", e.SecretRef.Optional)
			}
			if e.ConfigMapRef != nil {
				add("ConfigMap", e.ConfigMapRef.Name, "", e.ConfigMapRef.Optional)
			}
		}
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
				add("Secret", e.ValueFrom.SecretKeyRef.Name, e.ValueFrom.SecretKeyRef.Key, e.ValueFrom.SecretKeyRef.Optional)
			}
			if e.ValueFrom != nil && e.ValueFrom.ConfigMapKeyRef != nil {
				add("ConfigMap", e.ValueFrom.ConfigMapKeyRef.Name, e.ValueFrom.ConfigMapKeyRef.Key, e.ValueFrom.ConfigMapKeyRef.Optional)
			}
		}
	}
	source := func(kind, name string, items []corev1.KeyToPath, optional *bool) {
		add(kind, name, "", optional)
		for _, item := range items {
			add(kind, name, item.Key, optional)
		}
	}
	for _, v := range pod.Volumes {
		if v.Secret != nil {
			source("Secret", v.Secret.SecretName, v.Secret.Items, v.Secret.Optional)
		}
		if v.ConfigMap != nil {
			source("ConfigMap", v.ConfigMap.Name, v.ConfigMap.Items, v.ConfigMap.Optional)
		}
		if v.Projected != nil {
			for _, p := range v.Projected.Sources {
				if p.Secret != nil {
					source("Secret", p.Secret.Name, p.Secret.Items, p.Secret.Optional)
				}
				if p.ConfigMap != nil {
					source("ConfigMap", p.ConfigMap.Name, p.ConfigMap.Items, p.ConfigMap.Optional)
				}
			}
		}
		if v.PersistentVolumeClaim != nil {
			add("PersistentVolumeClaim", v.PersistentVolumeClaim.ClaimName, "", nil)
		}
	}
	add("ServiceAccount", pod.ServiceAccountName, "", nil)
	add("PriorityClass", pod.PriorityClassName, "", nil)
	if pod.RuntimeClassName != nil {
		add("RuntimeClass", *pod.RuntimeClassName, "", nil)
	}
}

// takesOut reports whether the plan removes a key that an object has now.
func (c *check) takesOut(r reference) bool {
	i := slices.IndexFunc(c.plan.Changes, func(change record.Change) bool { return change.Object == r.kind+"/"+r.name })
	if i < 0 {
		return false
	}
	has := func(sign string) bool {
		return regexp.MustCompile(`(?m)^` + sign + ` {2}"?` + regexp.QuoteMeta(r.key) + `"?:`).MatchString(c.plan.Changes[i].Diff)
	}
	return has("-") && !has(`\+`)
}

func (c *check) reference(ctx context.Context, t template, r reference) {
	namespace := t.object.GetNamespace()
	if _, found := c.deletes(namespace, r); found {
		return
	}
	keys := map[string]bool{}
	var err error
	core := c.Client.CoreV1()
	switch r.kind {
	case "Secret":
		var s *corev1.Secret
		if s, err = core.Secrets(namespace).Get(ctx, r.name, metav1.GetOptions{}); err == nil {
			for key := range s.Data {
				keys[key] = true
			}
		}
	case "ConfigMap":
		var m *corev1.ConfigMap
		if m, err = core.ConfigMaps(namespace).Get(ctx, r.name, metav1.GetOptions{}); err == nil {
			for key := range m.Data {
				keys[key] = true
			}
			for key := range m.BinaryData {
				keys[key] = true
			}
		}
	case "PersistentVolumeClaim":
		_, err = core.PersistentVolumeClaims(namespace).Get(ctx, r.name, metav1.GetOptions{})
	case "ServiceAccount":
		_, err = core.ServiceAccounts(namespace).Get(ctx, r.name, metav1.GetOptions{})
	case "RuntimeClass":
		_, err = c.Client.NodeV1().RuntimeClasses().Get(ctx, r.name, metav1.GetOptions{})
	case "PriorityClass":
		_, err = c.Client.SchedulingV1().PriorityClasses().Get(ctx, r.name, metav1.GetOptions{})
	}
	message := ""
	switch {
	case apierrors.IsNotFound(err) && c.makes(namespace, r):
		message = fmt.Sprintf("its pods name the key %q of %s/%s, which the chart makes without it", r.key, r.kind, r.name)
	case apierrors.IsNotFound(err):
		message = fmt.Sprintf("its pods name %s/%s, which is not there and not in the chart", r.kind, r.name)
	case err != nil:
		return // who may not read it cannot tell
	case r.key != "" && c.takesOut(r):
		message = fmt.Sprintf("its pods name the key %q of %s/%s, which this very deploy takes out of it", r.key, r.kind, r.name)
	case r.key != "" && !keys[r.key]:
		message = fmt.Sprintf("its pods name the key %q of %s/%s, which has no such key", r.key, r.kind, r.name)
	default:
		return
	}
	consequence := "they will not start unless somebody makes it meanwhile"
	if r.file && (err == nil || c.makes(namespace, r)) {
		consequence = "they start all the same, with an empty folder in the place of the file, unless somebody makes it meanwhile"
	}
	c.add(record.Concern{Code: "preflight/reference", Object: t.object.name(), Message: message + "; " + consequence})
}
