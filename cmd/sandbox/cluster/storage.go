package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

const provisionerName = "stagecrew.dev/sandbox-hostpath"

// provisioner makes a directory of the node for each PersistentVolumeClaim.
type provisioner struct{ node Node }

// provisionVolumes runs the provisioner until ctx ends.
func (n Node) provisionVolumes(ctx context.Context, client kubernetes.Interface) {
	ctx = klog.NewContext(ctx, logr.Discard())
	controller.NewProvisionController(ctx, client, provisionerName, provisioner{n}, controller.LeaderElection(false)).Run(ctx)
}

// Provision makes the directory; it is open to every user, as volumes of a real
// driver are after fsGroup was applied, which the kubelet does not do for hostPath.
func (p provisioner) Provision(_ context.Context, o controller.ProvisionOptions) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	path := p.node.Path("volumes", o.PVName)
	if err := os.MkdirAll(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	if err := os.Chmod(path, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	create := corev1.HostPathDirectory
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: o.PVName},
		Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *o.StorageClass.ReclaimPolicy,
			AccessModes:                   o.PVC.Spec.AccessModes,
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: o.PVC.Spec.Resources.Requests[corev1.ResourceStorage]},
			PersistentVolumeSource:        corev1.PersistentVolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path, Type: &create}},
		},
	}, controller.ProvisioningFinished, nil
}

// Delete removes the directory with the volume.
func (p provisioner) Delete(_ context.Context, volume *corev1.PersistentVolume) error {
	path := volume.Spec.HostPath.Path
	if filepath.Dir(path) != p.node.Path("volumes") {
		return fmt.Errorf("volume %s is not one of this sandbox", volume.Name)
	}
	return os.RemoveAll(path)
}
