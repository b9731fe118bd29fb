// Package images makes the container images that pods of the sandbox need, without any image registry: from Debian's
// packages (through apt) and from programs that the npm registry carries. The images answer to the names, users, entry
// points and environment of the official ones, so that charts run as written.
//
// What differs from the official images is stated where it is decided (see recipes.go): busybox is Debian's 1.35 under
// the tag 1.36, the Node image has no npm, and the PostgreSQL image has Debian's version 15 clients.
package images

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Image is one image on disk.
type Image struct {
	// Names are the full references under which pods ask for the image, host included:
	// docker.io/library/busybox:1.36.
	Names []string
	// Layout is the directory of an OCI image layout that holds exactly this image.
	Layout string
	// Digest is the digest of the image's manifest: sha256:….
	Digest string
}

// Make returns the images of the sandbox, in a fixed order, then one for each of the programs (paths of static ones:
// docker.io/sandbox/NAME:local); those that cacheDir does not hold are made first, which
// takes about half a minute and needs apt, dpkg-deb, npm and the network. The same versions of the inputs give the same digests.
// Two processes may call it at once with the same directory: the second waits for the first, as long as ctx allows.
// log gets one line, without its end, for each thing that takes time; a nil log discards.
func Make(ctx context.Context, cacheDir string, programs []string, log func(format string, args ...any)) ([]Image, error) {
	if log == nil {
		log = func(string, ...any) {}
	}
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		return nil, fmt.Errorf("making images on %s/%s: the programs inside are for linux/amd64 only; use KUBECONFIG of a cluster instead of the sandbox", runtime.GOOS, runtime.GOARCH)
	}
	cacheDir, err := filepath.Abs(cacheDir)
	if err != nil {
		return nil, fmt.Errorf("resolving cache directory: %w", err)
	}
	if err := os.MkdirAll(cacheDir, 0o755); err != nil {
		return nil, fmt.Errorf("creating cache directory: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(cacheDir, "lock"), log)
	if err != nil {
		return nil, err
	}
	defer unlock()

	k := &kitchen{cache: cacheDir, log: log}
	if err := k.prepare(); err != nil {
		return nil, err
	}
	defer k.clean()
	images, err := k.makeAll(ctx, programs)
	if errors.Is(err, errListsRenewed) {
		images, err = k.makeAll(ctx, programs)
	}
	return images, err
}

// kitchen is the state of one run of Make.
type kitchen struct {
	cache string
	tmp   string
	log   func(format string, args ...any)

	base     v1.Layer
	baseTree *tree
}

// prepare sets up a scratch directory of this run's own. What killed runs left is removed as far as it can be: a program that
// such a run started may still be writing there.
func (k *kitchen) prepare() error {
	left, _ := filepath.Glob(filepath.Join(k.cache, "tmp-*"))
	for _, dir := range left {
		_ = os.RemoveAll(dir)
	}
	for _, dir := range []string{k.dir("layouts"), k.dir("debs"), k.dir("npm"), k.dir("resolved")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("creating cache directory: %w", err)
		}
	}
	tmp, err := os.MkdirTemp(k.cache, "tmp-")
	if err != nil {
		return fmt.Errorf("creating scratch directory: %w", err)
	}
	k.tmp = tmp
	return nil
}

// clean drops the scratch directory. Nothing depends on it, so an error would only hide a good result.
func (k *kitchen) clean() { _ = os.RemoveAll(k.tmp) }

func (k *kitchen) dir(name string) string { return filepath.Join(k.cache, name) }

func (k *kitchen) makeAll(ctx context.Context, programs []string) ([]Image, error) {
	versions, err := readNPMVersions()
	if err != nil {
		return nil, err
	}
	debs, err := k.resolveDebs(ctx)
	if err != nil {
		return nil, err
	}
	all := recipes(versions)
	for _, path := range programs {
		r, err := programRecipe(path)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	var out []Image
	for _, r := range all {
		img, err := k.one(ctx, r, debs)
		if err != nil {
			return nil, fmt.Errorf("making image %q: %w", r.names[0], err)
		}
		out = append(out, img)
	}
	return out, nil
}

// one returns the image of a recipe, from the cache if it is there.
func (k *kitchen) one(ctx context.Context, r recipe, debs debSet) (Image, error) {
	dir := filepath.Join(k.dir("layouts"), r.name+"-"+r.key(debs)[:16])
	if _, err := os.Stat(dir); err == nil {
		return openImage(r, dir)
	}
	start := time.Now()
	k.log("making image %s", r.names[0])
	img, err := r.make(ctx, k, debs)
	if err != nil {
		return Image{}, err
	}
	img, err = withConfig(img, r.config)
	if err != nil {
		return Image{}, err
	}
	if err := writeLayout(img, filepath.Join(k.tmp, r.name), dir); err != nil {
		return Image{}, err
	}
	k.log("made image %s in %.1f s", r.names[0], time.Since(start).Seconds())
	return openImage(r, dir)
}

// key names what an image is made of: the recipe's own text, the packages with their hashes, and the npm lockfile.
// Change recipeVersion when the code makes something else from the same inputs.
func (r recipe) key(debs debSet) string {
	h := sha256.New()
	config, err := json.Marshal(r.config)
	if err != nil {
		panic(err) // plain strings and maps always marshal
	}
	fmt.Fprintf(h, "recipe %d %s\n%s\n", recipeVersion, r.name, config)
	for _, set := range r.sets {
		for _, d := range debs[set] {
			fmt.Fprintf(h, "deb %s %s %s\n", d.Name, d.Version, d.SHA256)
		}
	}
	hashFiles(h, r.files)
	if r.digest != "" {
		fmt.Fprintf(h, "program %s\n", r.digest)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func hashFiles(w io.Writer, names []string) {
	sorted := append([]string(nil), names...)
	sort.Strings(sorted)
	for _, name := range sorted {
		body := mustFile(name)
		fmt.Fprintf(w, "file %s %d\n%s\n", name, len(body), body)
	}
}
