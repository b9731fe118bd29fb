package dump

import (
	"context"
	"errors"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/database"
	"github.com/stagecrew/stagecrew/pkg/database/jobs"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// Ready looks for all that a dump and its restore need, and changes nothing: the volume
// and its size, the Secret of an identity, the databases and what their user may, Jobs that
// may be made, and pods that may be stopped. What is wrong comes joined. What only the
// programs of the image can tell is not among it.
func (d Dumps) Ready(ctx context.Context, workloads []record.Workload) error {
	wrong := []error{d.claim(ctx), d.identified(ctx), jobs.Allowed(ctx, d.Client, d.Namespace), database.MayStop(ctx, d.Options.Options, workloads)}
	db, err := database.Find(ctx, d.Options.Options, workloads)
	if err != nil {
		return errors.Join(append(wrong, err)...)
	}
	all, err := db.Holdings(ctx)
	if err == nil {
		err = d.room(ctx, all)
	}
	return errors.Join(append(wrong, err, d.mayCreate(ctx, db))...)
}

// room refuses a volume that is smaller than the tables. How much of it is free only a pod
// that mounts it can tell.
func (d Dumps) room(ctx context.Context, all []database.Holding) error {
	claim, err := d.Client.CoreV1().PersistentVolumeClaims(d.Namespace).Get(ctx, d.Claim, metav1.GetOptions{})
	if err != nil {
		return nil //nolint:nilerr // it is told once
	}
	size, bound := claim.Status.Capacity[corev1.ResourceStorage]
	if !bound { // until a pod comes
		size = claim.Spec.Resources.Requests[corev1.ResourceStorage]
	}
	if has, wanted := size.Value(), need(all)*1024; has > 0 && has < wanted {
		return record.Refused("database/no-space", "the PersistentVolumeClaim %s has %d MiB, and the tables of the databases take %d MiB", d.Claim, has>>20, wanted>>20)
	}
	return nil
}

// identified refuses where the Secret with the identity is not there, which a restore is
// too late to find out.
func (d Dumps) identified(ctx context.Context) error {
	name, key, given := strings.Cut(d.Identity, "/")
	if !given {
		return nil
	}
	secret, err := d.Client.CoreV1().Secrets(d.Namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return record.Refused("database/no-identity", "there is no Secret %s in the namespace %s, which --dump-identity names", name, d.Namespace)
	case apierrors.IsForbidden(err):
		return nil // the pod that mounts it need not be this user
	case err != nil:
		return apierror.Classify("looking for the Secret of the identity", err)
	case len(secret.Data[key]) == 0:
		return record.Refused("database/no-identity", "the Secret %s has no key %s, which --dump-identity names", name, key)
	}
	return nil
}

// mayCreate asks whether the Job of a dump could be made.
func (d Dumps) mayCreate(ctx context.Context, db *database.Database) error {
	spec, err := d.spec(ctx, db, job{kind: kindDump, script: dumping})
	if err != nil {
		return err
	}
	return jobs.MayMake(ctx, d.Client, spec, "dumps the databases")
}
