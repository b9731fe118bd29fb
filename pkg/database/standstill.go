package database

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/retry"
	"github.com/stagecrew/stagecrew/pkg/workload"
)

// annotationReplicas is on a workload whose pods were stopped: how many it had.
const annotationReplicas = "stagecrew.dev/stopped-replicas"

// scaled is a workload that has replicas.
type scaled struct {
	record.Workload
	replicas int32
	selector *metav1.LabelSelector
	before   string // what the annotation says
}

// scalable are the workloads that use the database. One that does and has no replicas
// cannot be stopped.
func (o Options) scalable(ctx context.Context, workloads []record.Workload) (all []scaled, err error) {
	for _, w := range workloads {
		if _, _, _, err := o.container(ctx, []record.Workload{w}); err != nil {
			if record.CodeOf(err) == record.CodeNoDatabase {
				continue
			}
			return nil, err
		}
		s, err := o.scaled(ctx, w)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

// scaled reads a workload that has a number of replicas; another is refused.
func (o Options) scaled(ctx context.Context, w record.Workload) (scaled, error) {
	s := scaled{Workload: w, replicas: 1}
	if kind, _ := workload.Watched(w); !kind.Replicas {
		return s, record.Refused("database/not-stoppable", "%s uses the database and has no number of replicas: its pods cannot be stopped while migrations are taken back", w)
	}
	object, err := o.get(ctx, w)
	if err != nil {
		return s, apierror.Classify("reading "+w.String(), err)
	}
	pods, err := workload.PodsOf(object)
	s.selector, s.before = pods.Selector, object.GetAnnotations()[annotationReplicas]
	if pods.Replicas != nil {
		s.replicas = *pods.Replicas
	}
	return s, err
}

// patch changes the number of replicas, and what is noted of it; an empty note takes it away.
func (o Options) patch(ctx context.Context, w record.Workload, replicas int32, note any, dry bool) error {
	text, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{annotationReplicas: note}}, "spec": map[string]any{"replicas": replicas}})
	if err != nil {
		return err
	}
	p := metav1.PatchOptions{FieldManager: "stagecrew"}
	if dry {
		p.DryRun = []string{metav1.DryRunAll}
	}
	err = resources[w.Kind].merge(ctx, o.Client, w, text, p)
	if apierrors.IsForbidden(err) {
		return record.Refused("database/not-stoppable", "the pods of %s may not be stopped: %s", w, apierror.Message(err))
	}
	return apierror.Classify(fmt.Sprintf("scaling %s to %d", w, replicas), err)
}

// MayStop refuses workloads that use the database and whose pods may not be stopped.
func MayStop(ctx context.Context, o Options, workloads []record.Workload) error {
	all, err := o.scalable(ctx, workloads)
	for _, s := range all {
		if err == nil {
			err = o.patch(ctx, s.Workload, s.replicas, nil, true)
		}
	}
	return err
}

// Stop ends the pods of the workloads that use the database, and waits until the last is
// gone: what would write, or migrate, does not. The number that a workload had stays noted
// on it, for [Start], also of another run.
func Stop(ctx context.Context, o Options, workloads []record.Workload) error {
	all, err := o.scalable(ctx, workloads)
	if err != nil {
		return err
	}
	for _, s := range all {
		note := s.before
		if note == "" || s.replicas > 0 {
			note = strconv.Itoa(int(s.replicas))
		}
		o.Log.Info("its pods are stopped, as they would migrate again", "workload", s.String(), "replicas", note)
		if err := o.patch(ctx, s.Workload, 0, note, false); err != nil {
			return err
		}
	}
	for _, s := range all {
		if err := o.gone(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// lookAgain lies between two looks at pods that are stopped.
const lookAgain = 500 * time.Millisecond

// gone waits for the end of a workload's pods.
func (o Options) gone(ctx context.Context, s scaled) error {
	selector, err := metav1.LabelSelectorAsSelector(s.selector)
	if err != nil {
		return fmt.Errorf("reading the selector of %s: %w", s, err)
	}
	for {
		pods, err := o.Client.CoreV1().Pods(s.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String()})
		if err != nil && (!apierror.IsUnreachable(err) || ctx.Err() != nil) {
			return apierror.Classify("waiting for the end of the pods of "+s.String(), err)
		}
		if err == nil && living(pods.Items) == 0 {
			return nil
		}
		if err := retry.Sleep(ctx, lookAgain); err != nil {
			return fmt.Errorf("waiting for the end of the pods of %s: %w", s, err)
		}
	}
}

// living is how many pods have not come to their end.
func living(pods []corev1.Pod) (n int) {
	for _, pod := range pods {
		if pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
			n++
		}
	}
	return n
}

// Start starts the pods again that [Stop] has ended, also in a run of before, where what
// was applied since has not.
func Start(ctx context.Context, o Options, workloads []record.Workload) error {
	for _, w := range workloads {
		if kind, _ := workload.Watched(w); !kind.Replicas {
			continue
		}
		s, err := o.scaled(ctx, w)
		if err != nil && record.KindOf(err) == record.KindUnavailable {
			return err
		}
		if err != nil || s.before == "" {
			continue
		}
		wanted := s.replicas
		if wanted == 0 {
			number, err := strconv.ParseInt(s.before, 10, 32)
			if err != nil {
				continue
			}
			wanted = int32(number)
		}
		if err := o.patch(ctx, w, wanted, nil, false); err != nil {
			return err
		}
	}
	return nil
}
