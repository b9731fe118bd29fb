package database

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/postgres"
)

func TestMain(m *testing.M) { postgres.Main(m) }

const password = postgres.Password

// world is a release with a database of its own.
type world struct {
	t      *testing.T
	server postgres.Server
	place  place
	pods   []runtime.Object
}

// newWorld starts the server where the machine has one. Its databases begin with prefix.
func newWorld(t *testing.T, prefix string) *world {
	t.Helper()
	w := &world{t: t, server: postgres.Start(t), place: place{host: "db", port: 5432, user: "admin", password: password, prefix: prefix}}
	require.Eventually(t, func() bool {
		c, err := w.database().connect(t.Context(), "postgres")
		if err != nil {
			return false
		}
		return c.Close(t.Context()) == nil
	}, patience, tick)
	t.Cleanup(w.clear)
	return w
}

// clear takes away what the test has made, so that it can run again (-count).
func (w *world) clear() {
	d := w.database()
	d.place.user, d.place.password = "admin", password
	c, err := d.connect(context.Background(), "postgres")
	require.NoError(w.t, err)
	defer func() { _ = c.Close(context.Background()) }()
	drop := func(all, statement string) {
		rows, err := c.Query(context.Background(), all)
		require.NoError(w.t, err)
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(w.t, err)
		for _, name := range names {
			_, err := c.Exec(context.Background(), fmt.Sprintf(statement, pgx.Identifier{name}.Sanitize()))
			require.NoError(w.t, err)
		}
	}
	drop("SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'", "DROP DATABASE %s WITH (FORCE)")
	drop("SELECT rolname FROM pg_roles WHERE oid >= 16384", "DROP ROLE %s")
}

func (w *world) database() *Database {
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "db", Namespace: "prod"}}
	o := Options{Log: slog.New(slog.DiscardHandler), Client: fake.NewClientset(append(w.pods, service)...), Namespace: "prod", Tunnel: func(ctx context.Context, s record.Service) (net.Conn, error) {
		require.Equal(w.t, record.Service{Namespace: "prod", Name: "db", Port: 5432}, s)
		return w.server.Dial(ctx)
	}}
	return &Database{Options: o, place: w.place}
}

// admin runs statements in a database as somebody who may do anything.
func (w *world) admin(name string, statements ...string) *pgx.Conn {
	w.t.Helper()
	d := w.database()
	d.place.user = "admin"
	connection, err := d.connect(w.t.Context(), name)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = connection.Close(context.Background()) })
	for _, s := range statements {
		_, err := connection.Exec(w.t.Context(), s)
		require.NoError(w.t, err, s)
	}
	return connection
}

// knex makes the tables that knex makes, with the migrations of one batch each.
func (w *world) knex(name, table string, batches ...[]string) {
	w.t.Helper()
	id := pgx.Identifier{table}.Sanitize()
	lock := pgx.Identifier{table + "_lock"}.Sanitize()
	c := w.admin(name,
		"CREATE TABLE "+id+" (id serial PRIMARY KEY, name varchar(255), batch integer, migration_time timestamptz)",
		"CREATE TABLE "+lock+" (index serial PRIMARY KEY, is_locked integer)", "INSERT INTO "+lock+" (is_locked) VALUES (0)")
	for i, names := range batches {
		for _, one := range names {
			_, err := c.Exec(w.t.Context(), "INSERT INTO "+id+" (name, batch, migration_time) VALUES ($1, $2, now())", one, i+1)
			require.NoError(w.t, err)
		}
	}
}
