package images

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// toolTimeout bounds a program of a package that runs while images are made.
const toolTimeout = 2 * time.Minute

// unpack lays the named packages out in a scratch directory.
func (k *kitchen) unpack(ctx context.Context, dir string, debs []deb, names ...string) (string, error) {
	root := filepath.Join(k.tmp, dir)
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", fmt.Errorf("creating scratch directory: %w", err)
	}
	for _, name := range names {
		i := slices.IndexFunc(debs, func(d deb) bool { return d.Name == name })
		if i < 0 {
			return "", fmt.Errorf("unpacking Debian package %q: it is not among the image's packages", name)
		}
		if _, err := run(ctx, "", toolTimeout, "dpkg-deb", "-x", filepath.Join(k.dir("debs"), debs[i].file()), root); err != nil {
			return "", fmt.Errorf("unpacking Debian package %q: %w", name, err)
		}
	}
	return root, nil
}

// runUnpacked runs a program of an unpacked tree under the tree's own C library: what it makes depends on the packages,
// never on this machine.
func runUnpacked(ctx context.Context, root, program string, args ...string) ([]byte, error) {
	lib := filepath.Join(root, "lib/x86_64-linux-gnu")
	all := append([]string{
		"I18NPATH=" + filepath.Join(root, "usr/share/i18n"),
		filepath.Join(lib, "ld-linux-x86-64.so.2"), "--library-path", lib, filepath.Join(root, program),
	}, args...)
	return run(ctx, root, toolTimeout, "env", all...)
}

// localeOf compiles the locale en_US.utf8 in a scratch directory and returns the directory of its files.
func (k *kitchen) localeOf(ctx context.Context, debs []deb) (string, error) {
	root, err := k.unpack(ctx, "locale-root", debs, "libc6", "libc-bin", "locales")
	if err != nil {
		return "", err
	}
	out := filepath.Join(root, "en_US.utf8")
	charmaps := filepath.Join(root, "usr/share/i18n/charmaps")
	if _, err := run(ctx, charmaps, toolTimeout, "gzip", "-d", "UTF-8.gz"); err != nil {
		return "", fmt.Errorf("unpacking character map: %w", err)
	}
	_, err = runUnpacked(ctx, root, "usr/bin/localedef", "--no-archive", "-i", "en_US", "-f", "UTF-8", out)
	if err != nil {
		return "", fmt.Errorf("compiling locale en_US.utf8: %w", err)
	}
	return out, nil
}
