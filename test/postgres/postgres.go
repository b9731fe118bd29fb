// Package postgres is for tests that need a real PostgreSQL: one of the machine, which the
// tests of a package share, each with databases of its own.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/test/needs"
)

// The user that may do anything, and the password of all.
const (
	Admin    = "admin"
	Password = "let me in"
)

// Server listens on a socket in a folder.
type Server struct {
	Folder string
	// Programs is the folder of psql, pg_dump and their like.
	Programs string
	err      error
}

var (
	stop    = func() {} // ends the server where a test has started it
	started = sync.OnceValue(start)
)

// Main is the TestMain of a package: it ends the server.
func Main(m *testing.M) {
	code := m.Run()
	stop()
	os.Exit(code)
}

// Start starts the server where the machine has one, see [needs.Program]; -short leaves out the test.
func Start(t *testing.T) Server {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED: -short leaves out what needs a database server")
	}
	if binary("postgres") == "" || binary("initdb") == "" {
		needs.Program(t, errors.New("this machine has no PostgreSQL"))
	}
	s := started()
	require.NoError(t, s.err)
	return s
}

// binary finds a program of PostgreSQL, "" where there is none.
func binary(name string) string {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(found) > 0 { // pg_wrapper of Debian is no program of PostgreSQL
		return slices.Max(found)
	}
	path, _ := exec.LookPath(name)
	return path
}

func start() Server {
	folder, err := os.MkdirTemp("", "pg")
	s := Server{Folder: folder, Programs: filepath.Dir(binary("postgres")), err: err}
	data := filepath.Join(folder, "data")
	// The server refuses to be root.
	as := &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT}
	if nobody, err := user.Lookup("nobody"); err == nil && os.Getuid() == 0 {
		uid, _ := strconv.Atoi(nobody.Uid)
		gid, _ := strconv.Atoi(nobody.Gid)
		as.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		_ = os.Chown(folder, uid, gid)
	}
	secret := filepath.Join(folder, "password")
	_ = os.WriteFile(secret, []byte(Password), 0o644)
	run := func(program string, args ...string) *exec.Cmd {
		cmd := exec.Command(binary(program), args...)
		cmd.SysProcAttr, cmd.Dir = as, folder
		return cmd
	}
	if out, err := run("initdb", "-D", data, "-U", Admin, "-E", "UTF8", "--locale=C", "-A", "scram-sha-256", "--pwfile", secret, "-N").CombinedOutput(); err != nil {
		s.err = fmt.Errorf("initdb: %w: %s", err, out)
		return s
	}
	cmd := run("postgres", "-D", data, "-c", "listen_addresses=", "-c", "unix_socket_directories="+folder, "-c", "fsync=off", "-c", "track_commit_timestamp=on")
	if s.err = cmd.Start(); s.err != nil {
		return s
	}
	stop = func() {
		_ = cmd.Process.Signal(syscall.SIGQUIT)
		_ = cmd.Wait()
		_ = os.RemoveAll(folder)
	}
	return s
}

// Dial connects with the server, which may not listen yet.
func (s Server) Dial(ctx context.Context) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(s.Folder, ".s.PGSQL.5432"))
}
