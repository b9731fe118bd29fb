// Package database asks the PostgreSQL of a release which migrations knex has applied
// in it, and frees a lock that a killed migration has left. It finds the way and the
// credentials as the pods of the release do: in their variables. All it asks is
// read-only, and nothing of what it knows gets into a log but names.
package database

import (
	"context"
	"log/slog"
	"net"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Options say where a release's pods are, and how one gets at what they use.
type Options struct {
	Client    kubernetes.Interface
	Namespace string
	// Variables name those of the pods that say where the database is, as "host=PSQL_HOST",
	// where they are not the usual ones, see [Check].
	Variables []string
	// Tunnel connects with a ready pod behind a Service's port; an error of
	// [record.KindUnavailable] says nothing about the database.
	Tunnel func(ctx context.Context, service record.Service) (net.Conn, error)
	// Withhold makes values secret before anything is done with them.
	Withhold func(values ...string)
	Log      *slog.Logger
}

// Database is the PostgreSQL of a release.
type Database struct {
	Options
	place place
	// container is the one whose variables say so.
	container corev1.Container
}

// place is where a database is and how one is let in.
type place struct {
	host           string
	port           int
	user, password string
	name           string // of the database that the connection names; may be ""
	prefix         string // of the databases of the plugins
	sslMode        string // in the words of libpq, or ""
}

// errorNone is for a release whose pods name no database that is known here.
func errorNone() error {
	return record.Refused(record.CodeNoDatabase, "no pod of the release has variables that say where a PostgreSQL is (POSTGRES_HOST or DATABASE_URL); --database-env names others")
}

// Find looks for the database that the pods of the workloads use: the first of them
// whose variables name one. An error with the code database/none-known says that none
// does.
func Find(ctx context.Context, o Options, workloads []record.Workload) (*Database, error) {
	names, err := readVariables(o.Variables)
	if err != nil {
		return nil, err
	}
	e := &environment{o: o}
	for _, w := range workloads {
		spec, err := e.podSpec(ctx, w)
		if err != nil {
			return nil, err
		}
		found, container, err := e.place(ctx, w.Namespace, spec, names)
		if err != nil {
			return nil, err
		}
		if found.host != "" {
			if o.Withhold != nil {
				o.Withhold(found.password)
			}
			return &Database{o, found, container}, nil
		}
	}
	return nil, errorNone()
}
