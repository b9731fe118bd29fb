package images

import (
	"context"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// recipeVersion is part of each image's key. Raise it with each change of this package that changes an image.
const recipeVersion = 4

// systemPath is the search path that the official Debian images set.
const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// recipe is how one image is made.
type recipe struct {
	name   string
	names  []string
	config v1.Config
	// sets and files are the inputs: sets of Debian packages and embedded files.
	sets  []string
	files []string
	// digest is that of a program outside of this package.
	digest string
	make   func(ctx context.Context, k *kitchen, debs debSet) (v1.Image, error)
}

// recipes lists the images in the order in which they are made: the small ones first.
func recipes(v npmVersions) []recipe {
	return []recipe{pauseRecipe(), busyboxRecipe(), nodeRecipe(v.node), postgresRecipe(v.postgres)}
}

// library gives full names of an official image.
func library(repository string, tags ...string) []string {
	var out []string
	for _, tag := range tags {
		out = append(out, "docker.io/library/"+repository+":"+tag)
	}
	return out
}

// pauseRecipe holds a pod's namespaces. The program is catatonit, which Podman uses for the same: it reaps orphans and ends
// at SIGTERM.
func pauseRecipe() recipe {
	return recipe{
		name:   "pause",
		names:  []string{"registry.k8s.io/pause:3.10"},
		config: v1.Config{User: "65535:65535", Env: []string{"PATH=" + systemPath}, Entrypoint: []string{"/pause", "-P"}, WorkingDir: "/"},
		sets:   []string{"pause"},
		make:   makePause,
	}
}

// busyboxRecipe is Debian's busybox 1.35 under the official tags 1.36 and 1. It is the dynamic build with glibc, because the
// shell of the static one always prefers its own applets: its nc has no -z, so that no other nc could stand in.
func busyboxRecipe() recipe {
	return recipe{
		name:   "busybox",
		names:  library("busybox", "1.36", "1", "latest"),
		config: v1.Config{Env: []string{"PATH=" + systemPath}, Cmd: []string{"sh"}},
		sets:   []string{"busybox"},
		files:  []string{"nc.sh"},
		make:   makeBusybox,
	}
}

// nodeRecipe has Node, but neither npm nor yarn: what runs in the sandbox was installed before.
func nodeRecipe(version string) recipe {
	major, _, _ := strings.Cut(version, ".")
	minor := version[:strings.LastIndex(version, ".")]
	var tags []string
	for _, v := range []string{major, minor, version} {
		tags = append(tags, v+"-bookworm-slim", v+"-slim")
	}
	return recipe{
		name:  "node",
		names: library("node", tags...),
		config: v1.Config{
			Env:        []string{"PATH=" + systemPath, "NODE_VERSION=" + version},
			Entrypoint: []string{"docker-entrypoint.sh"},
			Cmd:        []string{"node"},
		},
		sets:  []string{"base"},
		files: []string{"node-entrypoint.sh", "package-lock.json"},
		make:  makeNode,
	}
}

// postgresRecipe has the server of the official image's major version, and psql, pg_isready and pg_dump of Debian's 15,
// which speak to it. Arbitrary user ids need an entry in /etc/passwd: there is no nss_wrapper inside.
func postgresRecipe(version string) recipe {
	major, _, _ := strings.Cut(version, ".")
	return recipe{
		name:  "postgres",
		names: library("postgres", major, version, major+"-bookworm", version+"-bookworm"),
		config: v1.Config{
			Env: []string{
				"PATH=" + systemPath + ":" + postgresHome + "/bin", "LANG=en_US.utf8",
				"PG_MAJOR=" + major, "PG_VERSION=" + version, "PGDATA=/var/lib/postgresql/data",
			},
			Entrypoint:   []string{"docker-entrypoint.sh"},
			Cmd:          []string{"postgres"},
			ExposedPorts: map[string]struct{}{"5432/tcp": {}},
			Volumes:      map[string]struct{}{"/var/lib/postgresql/data": {}},
			StopSignal:   "SIGINT",
		},
		sets:  []string{"base", "postgres"},
		files: []string{"postgres-entrypoint.sh", "package-lock.json"},
		make:  makePostgres,
	}
}
