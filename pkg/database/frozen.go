package database

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/retry"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// How long an application is watched that does not compare its files with what is applied:
// in ten seconds a catalog that cannot work says so about ten times, and an entity that is
// due is worked on within a few.
var (
	watchFrozen = 10 * time.Second
	probeFrozen = 45 * time.Second
	everyFrozen = time.Second
)

// Frozen says why an application that runs on migrations which its image lacks is green,
// and writes nothing any more: nil where it writes, and where none of the workloads skips
// the comparison of its files. An entity of the catalog is made due, as its own refresh
// does, and must have been worked on; and no container may say that a column or a table
// is not there.
func Frozen(ctx context.Context, o Options, workloads []record.Workload) (*record.Cause, error) {
	skips, err := skipping(ctx, o, workloads)
	if err != nil || !skips {
		return nil, err
	}
	f := &frozen{Options: o, began: time.Now()}
	if err := f.makeDue(ctx, workloads); err != nil {
		return nil, err
	}
	for {
		if cause, over, err := f.look(ctx); cause != nil || over || err != nil {
			return cause, err
		}
		if err := retry.Sleep(ctx, everyFrozen); err != nil {
			return nil, err
		}
	}
}

// frozen is one such look.
type frozen struct {
	Options
	began    time.Time
	database *Database
	catalog  string // the database that has the entity, "" for none
	table    string
	entity   string
	done     bool // it was worked on
}

// skipping reports whether a workload runs with the variable that skips the comparison.
func skipping(ctx context.Context, o Options, workloads []record.Workload) (bool, error) {
	e := &environment{o: o}
	for _, w := range workloads {
		spec, err := e.podSpec(ctx, w)
		if err != nil {
			return false, err
		}
		if skipsIn(spec) != "" {
			return true, nil
		}
	}
	return false, nil
}

// skipsIn is the container of a pod that skips the comparison, "" for none.
func skipsIn(spec corev1.PodSpec) string {
	for _, c := range spec.Containers {
		for _, e := range c.Env {
			if e.Name == backstage.SkipValidation && e.Value == "true" {
				return c.Name
			}
		}
	}
	return ""
}

const (
	probeMark = "stagecrew-probe"
	findQueue = `SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = 'refresh_state' AND c.relkind = 'r' ORDER BY 1`
)

// makeDue has the catalog work on one entity anew. A release without a catalog has none.
func (f *frozen) makeDue(ctx context.Context, workloads []record.Workload) error {
	found, err := Find(ctx, f.Options, workloads)
	if record.CodeOf(err) == record.CodeNoDatabase {
		return nil
	}
	if err != nil {
		return err
	}
	f.database = found
	return f.probe(ctx)
}

// probe makes one entity due, in the first database that has one; that of the catalog is
// looked into before the others.
func (f *frozen) probe(ctx context.Context) error {
	names, err := f.database.databases(ctx)
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(notCatalog(a), notCatalog(b)) })
	for _, name := range names {
		if err == nil && f.catalog == "" {
			err = f.database.in(ctx, name, pgx.ReadWrite, func(tx pgx.Tx) error { return f.due(ctx, name, tx) })
		}
	}
	return err
}

// notCatalog is 0 for the name of a catalog's database.
func notCatalog(name string) int {
	if strings.HasSuffix(name, "catalog") {
		return 0
	}
	return 1
}

// due makes one entity due in a database that has a catalog's.
func (f *frozen) due(ctx context.Context, name string, tx pgx.Tx) error {
	result, err := tx.Query(ctx, findQueue)
	if err != nil {
		return err
	}
	schemas, err := pgx.CollectRows(result, pgx.RowTo[string])
	if err != nil || len(schemas) == 0 {
		return err
	}
	table := pgx.Identifier{schemas[0], "refresh_state"}.Sanitize()
	var entity string
	err = tx.QueryRow(ctx, fmt.Sprintf(`UPDATE %s SET next_update_at = now(), result_hash = $1 WHERE entity_id = (SELECT entity_id FROM %s ORDER BY next_update_at LIMIT 1) RETURNING entity_id::text`, table, table), probeMark).Scan(&entity)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	f.catalog, f.table, f.entity = name, table, entity
	return err
}

// look reads what the containers say and what became of the entity.
func (f *frozen) look(ctx context.Context) (cause *record.Cause, over bool, err error) {
	if cause, err = f.listen(ctx); cause != nil || err != nil {
		return cause, true, err
	}
	if f.done, err = f.isDone(ctx); err != nil {
		return nil, true, err
	}
	passed := time.Since(f.began)
	switch {
	case f.done && passed >= watchFrozen:
		return nil, true, nil
	case passed >= probeFrozen:
		return &record.Cause{Code: record.CodeFrozen, Message: fmt.Sprintf("it is up, but writes nothing: an entity of the catalog in %s that was made due was not worked on within %s", f.catalog, probeFrozen)}, true, nil
	}
	return nil, false, nil
}

func (f *frozen) isDone(ctx context.Context) (done bool, err error) {
	if f.done || f.catalog == "" {
		return true, nil
	}
	err = f.database.in(ctx, f.catalog, pgx.ReadOnly, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, fmt.Sprintf(`SELECT count(*) = 0 FROM %s WHERE entity_id::text = $1 AND result_hash = $2`, f.table), f.entity, probeMark).Scan(&done)
	})
	return done, err
}

// broken are words of PostgreSQL, in a log, about code that works with another schema:
// SQLSTATE 42703 and 42P01, and 23502 of a column that the code does not know.
var broken = regexp.MustCompile(`"code":\s*"(42703|42P01|23502)"|column \\?"?[\w.]+\\?"? (of relation \S+ )?does not exist|relation \\?"[\w.]+\\?" does not exist|violates not-null constraint|Failed to load stitchable entities`)

// listen looks for them in the logs of the pods that skip the comparison.
func (f *frozen) listen(ctx context.Context) (*record.Cause, error) {
	pods, err := f.Client.CoreV1().Pods(f.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, apierror.Classify("looking for the pods that skip the comparison of migrations", err)
	}
	for _, pod := range pods.Items {
		container := skipsIn(pod.Spec)
		if container == "" || pod.DeletionTimestamp != nil {
			continue
		}
		if line := f.line(ctx, pod, corev1.PodLogOptions{Container: container}, broken.MatchString); line != "" {
			return complaint(pod.Name, container, line), nil
		}
	}
	return nil, nil
}

// complaint is the cause for a line of a container's log.
func complaint(pod, container, line string) *record.Cause {
	return &record.Cause{Code: record.CodeFrozen, Object: "Pod/" + pod, Container: container,
		Message: "it is up, but does not work with what the databases hold; " + record.Said + text.Cut(line, maxLine)}
}

// maxLine bounds what is shown of a line, in bytes.
const maxLine = 400
