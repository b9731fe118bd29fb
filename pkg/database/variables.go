package database

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// variables are the names of a pod's variables by what they say, the first that has a
// value counts.
type variables map[record.DatabasePart][]string

// usual are the names in Backstage's own documents, those that override its
// configuration, and those of libpq.
// Source: https://backstage.io/docs/getting-started/config/database and backstage/charts.
func usual() variables {
	const override = "APP_CONFIG_backend_database_connection"
	return variables{
		record.DatabaseURL:      {override, "DATABASE_URL"},
		record.DatabaseHost:     {override + "_host", "POSTGRES_HOST", "PGHOST"},
		record.DatabasePort:     {override + "_port", "POSTGRES_PORT", "PGPORT"},
		record.DatabaseUser:     {override + "_user", "POSTGRES_USER", "PGUSER"},
		record.DatabasePassword: {override + "_password", "POSTGRES_PASSWORD", "PGPASSWORD"},
		record.DatabaseName:     {override + "_database", "POSTGRES_DB", "PGDATABASE"},
		record.DatabasePrefix:   {"APP_CONFIG_backend_database_prefix"},
		record.DatabaseSSLMode:  {"PGSSLMODE"},
	}
}

// Check says what is wrong with names of variables, nil when nothing is: each is
// "WHAT=NAME" with a [record.DatabasePart].
func Check(named []string) error {
	_, err := readVariables(named)
	return err
}

func readVariables(named []string) (variables, error) {
	all := usual()
	for _, one := range named {
		what, name, _ := strings.Cut(one, "=")
		part := record.DatabasePart(what)
		if err := record.CheckChoice(part); err != nil || name == "" {
			return nil, record.BadInput("database/variable", "--database-env %q: it has the form WHAT=NAME, with one of %s as WHAT, and the name of a variable of the pods", one, strings.Join(record.Values(part.Choices()), ", "))
		}
		all[part] = slices.Insert(all[part], 0, name)
	}
	return all, nil
}

// defaultPrefix is that of the databases of Backstage's plugins.
const defaultPrefix = "backstage_plugin_"

const defaultPort = 5432

// name is that of the variable which says something, "" where none does.
func (v variables) name(what record.DatabasePart, env map[string]string) string {
	at := slices.IndexFunc(v[what], func(name string) bool { return env[name] != "" })
	if at < 0 {
		return ""
	}
	return v[what][at]
}

// read makes a place of a pod's variables; one without a host for those that name none.
func (v variables) read(env map[string]string) (place, error) {
	value := func(what record.DatabasePart) string { return env[v.name(what, env)] }
	p := place{host: value(record.DatabaseHost), user: value(record.DatabaseUser), password: value(record.DatabasePassword), name: value(record.DatabaseName), prefix: cmp.Or(value(record.DatabasePrefix), defaultPrefix), sslMode: value(record.DatabaseSSLMode)}
	port := value(record.DatabasePort)
	if from := value(record.DatabaseURL); from != "" && p.host == "" {
		u, err := url.Parse(from)
		if err != nil || u.Hostname() == "" {
			// The error would repeat the URL.
			return place{}, record.Refused("database/url", "the variable of the pods that holds the URL of the database holds none with a host: postgresql://USER:PASSWORD@HOST:PORT/NAME")
		}
		p.host, port, p.name = u.Hostname(), u.Port(), strings.TrimPrefix(u.Path, "/")
		p.user = u.User.Username()
		p.password, _ = u.User.Password()
		p.sslMode = cmp.Or(u.Query().Get("sslmode"), p.sslMode)
	}
	var err error
	if p.port, err = strconv.Atoi(cmp.Or(port, strconv.Itoa(defaultPort))); err != nil || p.port < 1 || p.port > 65535 {
		return place{}, record.Refused("database/port", "the port of the database in the variables of the pods is no number of one: %q", port)
	}
	return p, nil
}
