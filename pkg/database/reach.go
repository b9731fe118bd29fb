package database

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// connectTime bounds how long one connection may take to stand.
const connectTime = 10 * time.Second

// dial connects with the database: by a tunnel where its host is a Service of the
// cluster, directly else.
func (d *Database) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	service, found, err := d.service(ctx)
	if err == nil && found && service.Spec.Type != corev1.ServiceTypeExternalName {
		return d.Tunnel(ctx, record.Service{Namespace: service.Namespace, Name: service.Name, Port: d.place.port})
	}
	host := d.place.host
	if found {
		host = service.Spec.ExternalName
	}
	return (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(d.place.port)))
}

// service is the one that the host of the database names: NAME, NAME.NAMESPACE, with
// .svc and a cluster's domain behind it, or its address.
func (d *Database) service(ctx context.Context) (*corev1.Service, bool, error) {
	if net.ParseIP(d.place.host) != nil {
		return d.serviceAt(ctx)
	}
	parts := strings.Split(strings.TrimSuffix(d.place.host, "."), ".")
	namespace := d.Namespace
	if len(parts) > 1 {
		namespace = parts[1]
	}
	if len(parts) > 2 && parts[2] != "svc" {
		return nil, false, nil
	}
	service, err := d.Client.CoreV1().Services(namespace).Get(ctx, parts[0], metav1.GetOptions{})
	return service, err == nil, err
}

func (d *Database) serviceAt(ctx context.Context) (*corev1.Service, bool, error) {
	services, err := d.Client.CoreV1().Services(d.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, false, err
	}
	for _, one := range services.Items {
		if one.Spec.ClusterIP == d.place.host {
			return &one, true, nil
		}
	}
	return nil, false, nil
}

// connect opens one of the databases. Nothing of the environment of this program counts.
func (d *Database) connect(ctx context.Context, name string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig("host=database sslmode=disable user=nobody password=none")
	if err != nil {
		return nil, fmt.Errorf("making the configuration of a connection: %w", err)
	}
	config.Host, config.Port, config.User, config.Password, config.Database = d.place.host, uint16(d.place.port), d.place.user, d.place.password, name
	config.DialFunc = d.dial
	// The dialer resolves names, in the cluster where they are its.
	config.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	config.RuntimeParams = map[string]string{"application_name": "stagecrew"}
	// A pooler in front of the database keeps no prepared statements.
	config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	config.ConnectTimeout = connectTime
	config.TLSConfig, config.Fallbacks = d.security()
	connection, err := pgx.ConnectConfig(ctx, config)
	return connection, d.explain(err)
}

// security is how a connection is encrypted: as the pods do it, and where they do not
// say, if the database can. Whose certificate it is, is verified where the pods do and no
// tunnel of the API server leads there.
func (d *Database) security() (*tls.Config, []*pgconn.FallbackConfig) {
	if d.place.sslMode == "disable" {
		return nil, nil
	}
	secure := &tls.Config{ServerName: d.place.host, MinVersion: tls.VersionTLS12}
	if !strings.HasPrefix(d.place.sslMode, "verify-") {
		secure.InsecureSkipVerify = true // as the pods do; SCRAM does not give the password away
	}
	switch d.place.sslMode {
	case "", "allow", "prefer":
		return secure, []*pgconn.FallbackConfig{{Host: d.place.host, Port: uint16(d.place.port)}}
	}
	return secure, nil
}

// explain gives an error of the database its code. What it says may repeat names, but no
// credentials.
func (d *Database) explain(err error) error {
	var said *pgconn.PgError
	at := net.JoinHostPort(d.place.host, strconv.Itoa(d.place.port))
	switch {
	case err == nil:
		return nil
	case record.CodeOf(err) == record.CodeNoTunnel:
		return record.Unavailable("database/unreachable", "asking the database at %s: no tunnel to its pod: %w", at, err)
	case !errors.As(err, &said):
		return record.Unavailable("database/unreachable", "asking the database at %s: %w; it is asked from here, where the host has to lead to it, or to a Service of the cluster", at, plain(err))
	}
	switch {
	case strings.Contains(said.Message, "pg_hba.conf"): // a name, also in other languages
		return record.Refused("database/not-let-in", "the database at %s does not let the user %q in from where it is asked: %s", at, d.place.user, said.Message)
	case said.Code == "28P01" || said.Code == "28000":
		return record.Refused(record.CodeWrongPassword, "the database at %s does not let the user %q of the release's pods in: %s", at, d.place.user, said.Message)
	case said.Code == "42501":
		return record.Refused("database/no-rights", "the user %q of the database at %s may not read what migrations are applied: %s", d.place.user, at, said.Message)
	}
	return record.Unavailable("database/asking", "asking the database at %s: %s (SQLSTATE %s)", at, said.Message, said.Code)
}

// plain is the innermost of the errors of a connection: those around it repeat how it
// was to be made.
func plain(err error) error {
	var connecting *pgconn.ConnectError
	if errors.As(err, &connecting) && connecting.Unwrap() != nil {
		return connecting.Unwrap()
	}
	return err
}
