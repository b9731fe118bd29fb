package files

import (
	"os"
	"path/filepath"
)

// Checkout is the root of the Git checkout that a folder is in, which may be the folder
// itself; found is false where it is in none. Links of the path are not followed.
func Checkout(folder string) (root string, found bool) {
	at, err := filepath.Abs(folder)
	for ; err == nil; at = filepath.Dir(at) {
		if _, err := os.Lstat(filepath.Join(at, ".git")); err == nil {
			return at, true
		}
		if at == filepath.Dir(at) {
			break
		}
	}
	return "", false
}

// IsBelow reports whether a path is a folder or something in it. Both are absolute, and
// have no links.
func IsBelow(path, folder string) bool {
	below, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(below)
}
