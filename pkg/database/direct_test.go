package database

import (
	"context"
	"log/slog"
	"net"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// pgbouncer/pgbouncer#452, pgbouncer/pgbouncer#976: after a dump through a pooler, statements
// of the application find no tables.
func TestNothingIsDumpedThroughAPoolerOfTransactions(t *testing.T) {
	var last atomic.Int64
	for name, c := range map[string]struct {
		process func() int64
		code    string
	}{
		"a pooler that shares sessions": {func() int64 { return 42 }, "database/pooled"},
		"one that does not":             {func() int64 { return last.Add(1) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "pooler", Namespace: "prod"}}
			d := &Database{Options: Options{Log: slog.New(slog.DiscardHandler), Client: fake.NewClientset(service), Namespace: "prod", Tunnel: func(context.Context, record.Service) (net.Conn, error) {
				ours, theirs := net.Pipe()
				go answer(theirs, c.process())
				return ours, nil
			}}, place: place{host: "pooler", port: 6432, user: "backstage", sslMode: "disable"}}
			err := d.direct(t.Context(), "backstage_plugin_catalog")
			require.Equal(t, c.code, record.CodeOf(err))
			if c.code != "" {
				require.ErrorContains(t, err, "pooler is a pooler that shares sessions")
			}
		})
	}
	w := newWorld(t, "direct_")
	require.NoError(t, w.database().direct(t.Context(), "postgres"), "PostgreSQL itself")
}

// answer is a server that lets everybody in and answers each query with a number.
func answer(client net.Conn, process int64) {
	defer client.Close()
	server := pgproto3.NewBackend(client, client)
	if _, err := server.ReceiveStartupMessage(); err != nil {
		return
	}
	server.Send(&pgproto3.AuthenticationOk{})
	server.Send(&pgproto3.ParameterStatus{Name: "standard_conforming_strings", Value: "on"})
	server.Send(&pgproto3.ParameterStatus{Name: "client_encoding", Value: "UTF8"})
	for {
		server.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
		if server.Flush() != nil {
			return
		}
		if said, err := server.Receive(); err != nil {
			return
		} else if _, isQuery := said.(*pgproto3.Query); !isQuery {
			return
		}
		server.Send(&pgproto3.RowDescription{Fields: []pgproto3.FieldDescription{{Name: []byte("pid"), DataTypeOID: pgtype.Int4OID, DataTypeSize: 4}}})
		server.Send(&pgproto3.DataRow{Values: [][]byte{[]byte(strconv.FormatInt(process, 10))}})
		server.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT 1")})
	}
}
