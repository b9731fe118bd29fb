package dump

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/needs"
	"github.com/stagecrew/stagecrew/test/postgres"
)

func TestMain(m *testing.M) { postgres.Main(m) }

// place is a release with databases in a real PostgreSQL, and a volume for dumps.
type place struct {
	t      *testing.T
	server postgres.Server
	volume string
	// env goes before the usual variables of the Jobs.
	env []string
	// path goes before the programs of the machine.
	path string
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{t: t, server: postgres.Start(t), volume: t.TempDir(), path: t.TempDir()}
	require.Eventually(t, func() bool { _, err := p.psql("postgres", "SELECT"); return err == nil }, 2*time.Minute, 50*time.Millisecond)
	return p
}

// fresh is the same with an empty volume and no stubs.
func (p *place) fresh(t *testing.T) *place {
	other := *p
	other.t, other.volume, other.path = t, t.TempDir(), t.TempDir()
	return &other
}

// run runs a script as the Job does; the image is of the release whose databases these are.
func (p *place) run(script, image string, env ...string) report {
	p.t.Helper()
	out, _ := p.command(script, image, env...).Output()
	return read(string(out))
}

func (p *place) command(script, image string, env ...string) *exec.Cmd {
	cmd := exec.CommandContext(p.t.Context(), "sh", "-c", common+script)
	cmd.Env = append([]string{
		"PATH=" + p.path + ":" + p.server.Programs + ":" + os.Getenv("PATH"), "TMPDIR=" + p.t.TempDir(), "PGHOST=" + p.server.Folder, "PGUSER=admin", "PGPASSWORD=" + postgres.Password,
		"DUMPS=" + p.volume, "RELEASE=portal", "FROM=" + image, "NEED=1", "KEEP=3", "RECIPIENT=", "IDENTITY=",
	}, append(p.env, env...)...)
	cmd.Stderr = os.Stderr
	return cmd
}

func (p *place) psql(database, query string) (string, error) {
	cmd := exec.CommandContext(context.Background(), filepath.Join(p.server.Programs, "psql"), "-X", "-At", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", query)
	cmd.Env = []string{"PGHOST=" + p.server.Folder, "PGUSER=admin", "PGPASSWORD=" + postgres.Password}
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (p *place) sql(database string, queries ...string) (last string) {
	p.t.Helper()
	for _, query := range queries {
		out, err := p.psql(database, query)
		require.NoError(p.t, err, "%s: %s", query, out)
		last = out
	}
	return last
}

// plain is a whole database as text.
func (p *place) plain(database string) string {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), filepath.Join(p.server.Programs, "pg_dump"), "-C", database)
	cmd.Env = []string{"PGHOST=" + p.server.Folder, "PGUSER=admin", "PGPASSWORD=" + postgres.Password}
	out, err := cmd.Output()
	require.NoError(p.t, err)
	lines := strings.Split(string(out), "\n")
	kept := lines[:0]
	for _, line := range lines {
		if !strings.HasPrefix(line, `\restrict`) && !strings.HasPrefix(line, `\unrestrict`) { // random words, since 15.14
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

func quoted(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// database makes one with what catalogs have, and what is rare: hyphens, large objects,
// extensions, views on views, keys in a circle, rights of others, and text that looks like
// that of a dump.
func (p *place) database(name string, entities int) {
	p.t.Helper()
	p.sql("postgres", "CREATE DATABASE "+quoted(name))
	p.t.Cleanup(func() { _, _ = p.psql("postgres", "DROP DATABASE IF EXISTS "+quoted(name)+" WITH (FORCE)") })
	p.sql(name,
		"CREATE TABLE refresh_state (entity_id uuid PRIMARY KEY, entity_ref text UNIQUE, unprocessed text, next_update_at timestamptz DEFAULT now())",
		"CREATE TABLE final_entities (entity_id uuid PRIMARY KEY REFERENCES refresh_state ON DELETE CASCADE, final jsonb, stitch_ticket text)",
		"CREATE TABLE search (entity_id uuid REFERENCES final_entities, key text, value text, original_value text)",
		"CREATE INDEX search_key ON search (key, value)",
		"CREATE TABLE odd (id serial PRIMARY KEY, t text, b bytea)",
		"CREATE TYPE state AS ENUM ('on', 'off')", "CREATE VIEW refs AS SELECT entity_ref FROM refresh_state", "CREATE MATERIALIZED VIEW kinds AS SELECT count(*) FROM refs",
		"CREATE EXTENSION pgcrypto", "SELECT lo_from_bytea(0, 'a large object')",
		"CREATE SCHEMA deep", "CREATE TABLE deep.a (id int PRIMARY KEY, b int)", "CREATE TABLE deep.b (id int PRIMARY KEY, a int REFERENCES deep.a)", "ALTER TABLE deep.a ADD FOREIGN KEY (b) REFERENCES deep.b",
		`INSERT INTO odd (t) VALUES (E'\\.'), (E'COPY x FROM stdin;\n-- whole\n\t'), (NULL), ('ü€𝄞')`, `INSERT INTO odd (b) VALUES ('\x00ff0a5c2e')`,
		fmt.Sprintf(`INSERT INTO refresh_state SELECT md5(i::text)::uuid, 'component:default/c' || i, repeat('{"kind":"Component"}', 20) FROM generate_series(1, %d) i`, entities),
		"INSERT INTO final_entities SELECT entity_id, jsonb_build_object('ref', entity_ref, 'text', repeat(md5(entity_ref), 10)), '' FROM refresh_state",
		"INSERT INTO search SELECT entity_id, 'metadata.name', lower(entity_ref), entity_ref FROM refresh_state",
		"CREATE TABLE knex_migrations (id serial PRIMARY KEY, name text)", "INSERT INTO knex_migrations (name) VALUES ('1_init.js')",
	)
	p.sql("postgres", "ALTER DATABASE "+quoted(name)+" SET statement_timeout = '1h'", "REVOKE CONNECT ON DATABASE "+quoted(name)+" FROM PUBLIC")
}

const (
	old = "registry.example.com/portal@sha256:01"
	// migrated is what a failed release has done.
	migrated = "CREATE TABLE added (id int REFERENCES odd); INSERT INTO added VALUES (1), (2); ALTER TABLE refresh_state DROP COLUMN next_update_at; DROP TABLE search; UPDATE final_entities SET stitch_ticket = 'x' WHERE final->>'ref' LIKE '%c1'; INSERT INTO knex_migrations (name) VALUES ('2_more.js'); DELETE FROM odd WHERE t IS NULL AND b IS NULL"
)

func TestWhatIsRestoredIsEqualToTheByte(t *testing.T) {
	p := newPlace(t)
	p.database("equal_catalog", 10000)
	p.database(`equal_user-settings "x"`, 1)
	catalog, settings := p.plain("equal_catalog"), p.plain(`equal_user-settings "x"`)

	began := time.Now()
	r := p.run(dumping, old, "ID=1", "DATABASES=equal_catalog\n"+`equal_user-settings "x"`)
	t.Logf("dumped in %s: %+v", time.Since(began), r.dump)
	require.True(t, r.done, r.why)
	require.Len(t, r.dump.Databases, 2)
	require.Equal(t, 7, r.dump.Databases[0].Tables)
	require.EqualValues(t, 30000+5+1, r.dump.Databases[0].Rows)
	require.Greater(t, r.dump.Bytes, int64(100000))

	p.sql("equal_catalog", migrated)
	began = time.Now()
	r = p.run(restoring, old, "ID=1")
	t.Logf("restored in %s", time.Since(began))
	require.True(t, r.done, r.why)
	require.Equal(t, catalog, p.plain("equal_catalog"))
	require.Equal(t, settings, p.plain(`equal_user-settings "x"`))
	require.Contains(t, r.lost, record.LostWrites{Database: "equal_catalog", Table: "public.added", Inserted: 2})
	require.Contains(t, r.lost, record.LostWrites{Database: "equal_catalog", Table: "public.odd", Deleted: 1})
	require.Contains(t, r.lost, record.LostWrites{Database: "equal_catalog", Table: "public.knex_migrations", Inserted: 1})

	require.Len(t, r.replaced, 2, "what was written since is kept under another name")
	require.Equal(t, "2", p.sql(r.replaced[0], "SELECT count(*) FROM added"))
	require.Empty(t, p.sql("postgres", "SELECT datname FROM pg_database WHERE datname LIKE 'stagecrew_new%'"))
	for _, name := range r.replaced {
		p.sql("postgres", "DROP DATABASE "+quoted(name))
	}
}

func TestADumpForARecipientIsReadByWhoHasTheIdentity(t *testing.T) {
	_, err := exec.LookPath("age-keygen")
	needs.Program(t, err)
	p := newPlace(t)
	p.database("sealed_catalog", 5)
	want := p.plain("sealed_catalog")
	identity := func(name string) (file, recipient string) {
		file = filepath.Join(t.TempDir(), name)
		require.NoError(t, exec.CommandContext(t.Context(), "age-keygen", "-o", file).Run())
		out, err := exec.CommandContext(t.Context(), "age-keygen", "-y", file).Output()
		require.NoError(t, err)
		return file, strings.TrimSpace(string(out))
	}
	file, recipient := identity("ours")
	r := p.run(dumping, old, "ID=1", "DATABASES=sealed_catalog", "RECIPIENT="+recipient)
	require.True(t, r.done, r.why)
	sealed, err := os.ReadFile(filepath.Join(p.volume, "portal", "1", "1.dump.age"))
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(sealed), "age-encryption.org/v1\n"))
	require.NotContains(t, string(sealed), "refresh_state")
	require.EqualValues(t, len(sealed), r.dump.Bytes)

	p.sql("sealed_catalog", migrated)
	another, _ := identity("another")
	for name, none := range map[string]string{"another identity": another, "none at all": "", "a file that is not there": filepath.Join(t.TempDir(), "lost")} {
		r = p.run(restoring, old, "ID=1", "IDENTITY="+none)
		require.False(t, r.done, name)
		require.Contains(t, r.why, "reading the dump of sealed_catalog: age: ", name)
		require.Equal(t, "2", p.sql("sealed_catalog", "SELECT count(*) FROM added"), name)
	}
	r = p.run(restoring, old, "ID=1", "IDENTITY="+file)
	require.True(t, r.done, r.why)
	require.Equal(t, want, p.plain("sealed_catalog"))
	p.sql("postgres", "DROP DATABASE "+quoted(r.replaced[0]))

	r = p.run(dumping, old, "ID=2", "DATABASES=sealed_catalog", "RECIPIENT=nobody")
	require.Equal(t, "database/dump-failed", r.failed)
	require.Contains(t, r.why, "age: ")
	require.Equal(t, []string{"1"}, p.left())
}

// stub puts a program before the real one.
func (p *place) stub(name, script string) {
	p.t.Helper()
	require.NoError(p.t, os.WriteFile(filepath.Join(p.path, name), []byte("#!/bin/sh\n"+strings.ReplaceAll(script, "REAL", filepath.Join(p.server.Programs, name))), 0o755))
}

// left is what lies in the volume.
func (p *place) left() (names []string) {
	entries, err := os.ReadDir(filepath.Join(p.volume, "portal"))
	if !os.IsNotExist(err) {
		require.NoError(p.t, err)
	}
	for _, one := range entries {
		names = append(names, one.Name())
	}
	return names
}

// What people met: a server that is newer than the tools
// (prodrigestivill/docker-postgres-backup-local#63, schickling/dockerfiles#163), a prompt for
// a password that waits for ever, a volume that fills up, a dump whose end is missing and
// that is found as the newest (cagriekin/charts#159).
func TestADumpThatFailsLeavesNothingAndSaysWhy(t *testing.T) {
	shared := newPlace(t)
	shared.database("fails_catalog", 50)
	for name, c := range map[string]struct {
		prepare func(*place)
		env     []string
		code    string
		says    string
	}{
		"a wrong password":          {nil, []string{"PGPASSWORD=no"}, "database/wrong-password", "password authentication failed"},
		"no password":               {nil, []string{"PGPASSWORD="}, "database/wrong-password", "no password supplied"},
		"a wrong password in a URL": {nil, []string{"DATABASE_AT=postgresql://u:l%65t%20@db:5432/x"}, "database/wrong-password", "password authentication failed"},
		"a server that lets in by host": {func(p *place) {
			p.stub("pg_dump", `echo 'pg_dump: error: connection to server at "db", port 5432 failed: FATAL:  no pg_hba.conf entry for host "10.0.0.9", user "u", database "x", no encryption' >&2; exit 1`)
		}, nil, "database/not-let-in", "no encryption"},
		"a database that is gone":         {nil, []string{"DATABASES=fails_catalog\nfails_none"}, "database/dump-failed", `database "fails_none" does not exist`},
		"nobody listens":                  {nil, []string{"PGHOST=/nowhere"}, "database/unreachable", "No such file or directory"},
		"less space than the tables take": {nil, []string{"NEED=999999999999"}, "database/no-space", "KiB left"},
		"tools that are older than the server": {func(p *place) {
			p.stub("pg_dump", `echo 'pg_dump: error: aborting because of server version mismatch' >&2; exit 1`)
		}, nil, "database/version", "server version mismatch"},
		"a dump that ends midway": {func(p *place) {
			p.stub("pg_dump", `REAL "$@" | head -c 9000; echo 'pg_dump: error: connection lost' >&2; exit 1`)
		}, nil, "database/dump-failed", "connection lost"},
		"a tool that does not say so": {func(p *place) {
			p.stub("pg_dump", `case "$*" in *-s*) exec REAL "$@" ;; esac; REAL "$@" | head -c 9000`)
		}, nil, "database/not-whole", "end of file"},
		"a dump without a table": {func(p *place) { p.stub("pg_dump", `exec REAL -T odd "$@"`) }, nil, "database/not-whole", "the data of 6 tables, and the database has 7"},
		"a volume that is full": {func(p *place) {
			p.stub("cat", `head -c 5000; echo 'cat: write error: No space left on device' >&2; exit 1`)
		}, nil, "database/no-space", "No space left on device"},
	} {
		t.Run(name, func(t *testing.T) {
			p := shared.fresh(t)
			if c.prepare != nil {
				c.prepare(p)
			}
			r := p.run(dumping, old, append([]string{"ID=1", "DATABASES=fails_catalog"}, c.env...)...)
			require.False(t, r.done)
			require.Equal(t, c.code, r.failed, r.why)
			require.Contains(t, r.why, c.says)
			require.NotContains(t, r.why, postgres.Password)
			require.Empty(t, p.left())
		})
	}
}

// A dump that nobody can restore is found when the release has failed, and is no way back
// (xataio/pgstream#1004, NCEAS/metacat#2110, bestinslot-xyz/OPI#19, getodk/central#1100).
func TestADumpThatCouldNotBeRestoredIsNone(t *testing.T) {
	shared := newPlace(t)
	shared.sql("postgres", "CREATE ROLE lodger LOGIN CREATEDB PASSWORD '"+postgres.Password+"'")
	t.Cleanup(func() { _, _ = shared.psql("postgres", "DROP ROLE lodger") })
	for name, c := range map[string]struct{ add, says string }{
		"what is all its own":          {"SELECT", ""},
		"the schema public is its own": {"ALTER SCHEMA public OWNER TO lodger", ""},
		"a function of another":        {"CREATE FUNCTION other() RETURNS int LANGUAGE sql AS 'SELECT 1'", `"admin"`},
		"a schema of another":          {"CREATE SCHEMA other", `"admin"`},
		"a wrapper of a superuser's":   {"CREATE EXTENSION postgres_fdw", "postgres_fdw"},
	} {
		t.Run(name, func(t *testing.T) {
			p := shared.fresh(t)
			p.sql("postgres", "CREATE DATABASE tries_catalog OWNER lodger")
			t.Cleanup(func() { p.sql("postgres", "DROP DATABASE tries_catalog WITH (FORCE)") })
			p.sql("tries_catalog", "SET ROLE lodger; CREATE TABLE todos (id int PRIMARY KEY)", c.add)
			r := p.run(dumping, old, "ID=1", "DATABASES=tries_catalog", "PGUSER=lodger")
			require.Equal(t, c.says == "", r.done, r.why)
			if c.says != "" {
				require.Equal(t, "database/cannot-restore", r.failed, r.why)
				require.Contains(t, r.why, c.says)
				require.Empty(t, p.left())
			}
			require.Equal(t, "0", p.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE 'stagecrew_try%'"))
		})
	}
}

func TestDumpsAreKeptUntilThereAreNewerOnes(t *testing.T) {
	p := newPlace(t)
	p.database("keeps_catalog", 5)
	for _, id := range []string{"1", "2", "3", "4"} {
		require.True(t, p.run(dumping, old, "ID="+id, "DATABASES=keeps_catalog").done)
	}
	require.Equal(t, []string{"2", "3", "4"}, p.left())
	require.NoError(t, os.WriteFile(filepath.Join(p.volume, "portal", "2", "restoring"), nil, 0o600))
	r := p.run(dumping, old, "ID=5", "DATABASES=keeps_catalog")
	require.Equal(t, []string{"2", "3", "4", "5"}, p.left(), "a restore from the first has not come to its end")
	require.Empty(t, r.dump.Removed)
	require.NotEmpty(t, p.run(dumping, old, "ID=6", "DATABASES=none").failed)
	require.Equal(t, []string{"2", "3", "4", "5"}, p.left(), "one that failed takes nothing away")

	// The databases that a restore has replaced go with its dump.
	require.True(t, p.run(restoring, old, "ID=3").done)
	replaced := p.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE 'old%keeps_catalog'")
	require.Equal(t, "1", replaced)
	r = p.run(dumping, old, "ID=6", "DATABASES=keeps_catalog", "KEEP=1")
	require.Equal(t, []string{"5", "4", "3"}, r.dump.Removed)
	require.Equal(t, "0", p.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE 'old%keeps_catalog'"))
}

func TestTheNewestDumpOfAnImageIsFound(t *testing.T) {
	p := newPlace(t)
	require.Equal(t, "database/no-dump", p.run(finding, old).failed)
	p.database("finds_catalog", 5)
	for id, image := range map[string]string{"1": old, "2": old, "3": "registry.example.com/portal@sha256:02"} {
		require.True(t, p.run(dumping, image, "ID="+id, "DATABASES=finds_catalog").done)
	}
	require.NoError(t, os.Mkdir(filepath.Join(p.volume, "portal", "9.part"), 0o700))
	r := p.run(finding, old)
	require.Equal(t, "2", r.dump.ID, r.why)
	require.Equal(t, "finds_catalog", r.dump.Databases[0].Name)
	require.False(t, r.dump.Begin.IsZero())
	require.Equal(t, "database/no-dump", p.run(finding, "another").failed)
}

func TestARestoreThatFailsLeavesTheDatabasesAsTheyWere(t *testing.T) {
	shared := newPlace(t)
	shared.database("stays_catalog", 20)
	shared.database("stays_search", 20)
	require.True(t, shared.run(dumping, old, "ID=1", "DATABASES=stays_catalog\nstays_search").done)
	shared.sql("stays_catalog", migrated)
	before := shared.plain("stays_catalog") + shared.plain("stays_search")
	for name, c := range map[string]struct {
		prepare func(*place)
		code    string
		says    string
	}{
		"a dump that was cut": {func(p *place) {
			require.NoError(t, os.Truncate(filepath.Join(p.volume, "portal", "1", "2.dump"), 9000))
		}, "database/dump-failed", "end of file"},
		"a tool that fails": {func(p *place) {
			p.stub("pg_restore", `echo 'SELECT could_not_extend();'; exec REAL "$@"`)
		}, "database/dump-failed", "could_not_extend"},
		"a dump that is not there any more": {func(p *place) { require.NoError(t, os.RemoveAll(filepath.Join(p.volume, "portal", "1"))) }, "database/no-dump", "does not hold the dump 1"},
	} {
		t.Run(name, func(t *testing.T) {
			p := shared.fresh(t)
			require.NoError(t, os.CopyFS(p.volume, os.DirFS(shared.volume)))
			c.prepare(p)
			r := p.run(restoring, old, "ID=1")
			require.Equal(t, c.code, r.failed, r.why)
			require.Contains(t, r.why, c.says)
			require.Equal(t, before, p.plain("stays_catalog")+p.plain("stays_search"))
			require.Equal(t, "0", p.sql("postgres", "SELECT count(*) FROM pg_database WHERE datname LIKE 'stagecrew_new%' OR datname LIKE 'old%stays%'"))
		})
	}
}
