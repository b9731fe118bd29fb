package rollout

import (
	"cmp"
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/rollout/detect"
)

// lookTimeout bounds asking for what is missing.
const lookTimeout = 3 * time.Second

// exists reports whether a thing that was missing is there now. Without the right to
// read it, it is missing still.
func exists(ctx context.Context, client kubernetes.Interface, m detect.MissingObject) bool {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	options := metav1.GetOptions{}
	var err error
	switch m.Kind {
	case "secret":
		secret, failed := client.CoreV1().Secrets(m.Namespace).Get(ctx, m.Name, options)
		if err = failed; err == nil && m.Key != "" {
			_, found := secret.Data[m.Key]
			return found
		}
	case "configmap":
		config, failed := client.CoreV1().ConfigMaps(m.Namespace).Get(ctx, m.Name, options)
		if err = failed; err == nil && m.Key != "" {
			_, text := config.Data[m.Key]
			_, binary := config.BinaryData[m.Key]
			return text || binary
		}
	case "serviceaccount":
		_, err = client.CoreV1().ServiceAccounts(m.Namespace).Get(ctx, m.Name, options)
	case "persistentvolumeclaim":
		_, err = client.CoreV1().PersistentVolumeClaims(m.Namespace).Get(ctx, m.Name, options)
	case "storageclass":
		_, err = client.StorageV1().StorageClasses().Get(ctx, m.Name, options)
	case "priorityclass":
		_, err = client.SchedulingV1().PriorityClasses().Get(ctx, m.Name, options)
	default:
		return false
	}
	return err == nil
}

// found asks whether what a trouble complains of has come meanwhile.
func (v *wait) found(t detect.Trouble) bool {
	if t.Missing == nil {
		return false
	}
	if t.Missing.Kind != "image" {
		m := *t.Missing
		m.Namespace = cmp.Or(m.Namespace, t.Workload.Namespace)
		return exists(v.ctx, v.watch.client, m)
	}
	if v.ImageExists == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(v.ctx, lookTimeout)
	defer cancel()
	return v.ImageExists(ctx, t.Missing.Name)
}
