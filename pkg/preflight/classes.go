package preflight

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// claim is a claim that the chart makes, or its workload.
type claim struct {
	object object
	name   string
	spec   corev1.PersistentVolumeClaimSpec
}

// storage looks for claims of a class that is not there: no rollout waits for those that only
// a CronJob or another release mounts (https://github.com/helm/helm/issues/10733,
// https://github.com/rancher/rancher/issues/32096). A volume that was made by hand needs no
// class of its name; who may not list volumes is told nothing.
func (c *check) storage(ctx context.Context) {
	for _, claim := range c.claims() {
		class := claim.spec.StorageClassName
		if class == nil || *class == "" || c.makes("", reference{kind: "StorageClass", name: *class}) || c.makes(c.Namespace, reference{kind: "StorageClass", name: *class}) {
			continue
		}
		if _, err := c.Client.StorageV1().StorageClasses().Get(ctx, *class, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
			continue
		}
		if _, err := c.Client.CoreV1().PersistentVolumeClaims(claim.object.GetNamespace()).Get(ctx, claim.name, metav1.GetOptions{}); err == nil {
			continue // it has its volume, or the rollout tells
		}
		volumes, err := c.Client.CoreV1().PersistentVolumes().List(ctx, metav1.ListOptions{})
		if err != nil || slices.ContainsFunc(volumes.Items, func(v corev1.PersistentVolume) bool { return v.Spec.StorageClassName == *class }) {
			continue
		}
		c.add(record.Concern{Code: "preflight/reference", Object: claim.object.name(),
			Message: fmt.Sprintf("its claim %s is of StorageClass/%s, which is not there, and no PersistentVolume is of that class: it stays Pending, and so does whatever mounts it", claim.name, *class),
			Advice:  "use a class that `kubectl get storageclasses` lists, or leave storageClassName out for the default"})
	}
}

func (c *check) claims() []claim {
	var all []claim
	for _, o := range c.objects {
		switch o.GroupVersionKind().GroupKind().String() {
		case "PersistentVolumeClaim":
			if p, ok := as[corev1.PersistentVolumeClaim](o); ok {
				all = append(all, claim{o, p.Name, p.Spec})
			}
		case "StatefulSet.apps":
			s, _ := as[appsv1.StatefulSet](o) // one that does not fit has none
			for _, p := range s.Spec.VolumeClaimTemplates {
				all = append(all, claim{o, p.Name + "-" + s.Name + "-0", p.Spec})
			}
		}
	}
	return all
}
