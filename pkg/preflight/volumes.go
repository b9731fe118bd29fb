package preflight

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// sharedVolumes looks for volumes that keep the pods of a Deployment from running side by
// side, which a rolling update, or more than one replica, needs.
func (c *check) sharedVolumes(ctx context.Context) {
	for _, t := range c.templates() {
		if t.deploy == nil || t.replicas == 0 {
			continue
		}
		for _, v := range t.pod.Spec.Volumes {
			if v.PersistentVolumeClaim == nil {
				continue
			}
			name := v.PersistentVolumeClaim.ClaimName
			for _, mode := range c.accessModes(ctx, t.object.GetNamespace(), name) {
				c.sharedVolume(t, "PersistentVolumeClaim/"+name, mode)
			}
		}
	}
}

// sharedVolume: a volume for one node at a time keeps a new pod waiting when the scheduler
// puts it elsewhere than the old one, one for a single pod each of them
// (https://github.com/kubernetes/enhancements/issues/2485).
func (c *check) sharedVolume(t template, claim string, mode corev1.PersistentVolumeAccessMode) {
	which := "a new pod on another node"
	if mode == corev1.ReadWriteOncePod {
		which = "every new pod"
	}
	switch {
	case mode == corev1.ReadWriteOncePod && t.replicas > 1:
		c.add(record.Concern{Code: "preflight/shared-volume", Object: t.object.name(),
			Message: fmt.Sprintf("its volume %s is %s: of its %d pods only one can run", claim, mode, t.replicas),
			Advice:  "use one replica, or a volume that several pods can mount"})
	case t.surge > 0 && (mode == corev1.ReadWriteOnce || mode == corev1.ReadWriteOncePod):
		c.add(record.Concern{Code: "preflight/shared-volume", Object: t.object.name(),
			Message: fmt.Sprintf("its volume %s is %s: %s waits until the old one, which a rolling update keeps, has ended", claim, mode, which),
			Advice:  "use strategy Recreate, or a volume that several nodes can mount"})
	}
}

// accessModes are those of a claim of the chart, or else of one that is there; none for
// one that may not be read.
func (c *check) accessModes(ctx context.Context, namespace, name string) []corev1.PersistentVolumeAccessMode {
	i := slices.IndexFunc(c.objects, func(o object) bool {
		return o.GetKind() == "PersistentVolumeClaim" && o.GetName() == name && o.GetNamespace() == namespace
	})
	if i >= 0 {
		claim, _ := as[corev1.PersistentVolumeClaim](c.objects[i])
		return claim.Spec.AccessModes
	}
	claim, err := c.Client.CoreV1().PersistentVolumeClaims(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil
	}
	return claim.Spec.AccessModes
}
