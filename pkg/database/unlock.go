package database

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// Unlock frees the locks that killed migrations have left, and gives the tables. It
// refuses as long as anybody lives who may be migrating (database/lock-held). Pods that met
// the lock are replaced.
func (d *Database) Unlock(ctx context.Context) ([]record.MigrationTable, error) {
	all, err := d.Applied(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range all.Locked() {
		if len(t.Lock.Holders) > 0 {
			return nil, record.Refused("database/lock-held", "%s: %s; nothing was freed: wait for its end, or end it", t, t.Lock)
		}
	}
	for _, t := range all.Locked() {
		// knex takes no lock that is held: there is no new holder since the question.
		err := d.in(ctx, t.Database, pgx.ReadWrite, func(tx pgx.Tx) error {
			table := quoted(t, lockSuffix)
			_, err := tx.Exec(ctx, fmt.Sprintf("UPDATE %s SET is_locked = 0 WHERE is_locked = 1; DELETE FROM %s WHERE ctid > (SELECT min(ctid) FROM %s)", table, table, table))
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("freeing the lock of %s: %w", t, err)
		}
	}
	if len(all.Locked()) > 0 {
		d.startAnew(ctx)
	}
	return all.Locked(), nil
}

// startAnew has pods replaced that met a lock: a backend does not try again, and one that
// ended is restarted late. Where that may not be done, a person is told.
func (d *Database) startAnew(ctx context.Context) {
	pods, err := d.Client.CoreV1().Pods(d.Namespace).List(ctx, metav1.ListOptions{})
	if err == nil {
		err = d.users(ctx, pods.Items, func(pod corev1.Pod, container string) {
			s, _ := status(pod, container)
			isOver := s.State.Running == nil
			if s.Ready || pod.DeletionTimestamp != nil || !d.says(ctx, pod, container, isOver && s.State.Terminated == nil, backstage.MigrationLocked) {
				return
			}
			d.Log.Info("a pod that met the lock is replaced, as it does not try again", "pod", pod.Name)
			if err := d.Client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(pod.UID))}); err != nil {
				d.Log.Warn("a pod that met the lock does not try again; `kubectl delete pod "+pod.Name+"` has it replaced", "error", err)
			}
		})
	}
	if err != nil {
		d.Log.Warn("looking for pods that met the lock", "error", err)
	}
}
