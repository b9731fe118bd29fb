// Package migrations says what going back from a new image to the live one needs of the
// databases, by the names of the migration files that the two images have. It is pure:
// others read images, ask databases and act.
package migrations

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/backstage"
)

// folderName is the folder of migrations in a package; files may lie deeper, as
// migrations/auth of @backstage/backend-defaults.
const folderName = "migrations"

// migration is a name that begins with a number: a time of 14 digits, a date of 8 as in
// plugin-notifications-backend, or a count.
var migration = regexp.MustCompile(`^[0-9]{3,17}[_-].*\.([cm]?[jt]s|sql)$`)

// libraries have migrations in their names, and are what runs them.
var libraries = []string{"knex"}

// Split tells a migration of knex, as Backstage's plugins have them, from other files of
// an image. The folder is where the installed package has it, wherever that lies:
// "@backstage/plugin-catalog-backend/migrations".
func Split(file string) (folder, name string, ok bool) {
	folder, name = path.Split(strings.TrimPrefix(path.Clean("/"+file), "/"))
	folder = strings.TrimSuffix(folder, "/")
	if !migration.MatchString(name) || strings.HasSuffix(name, ".d.ts") {
		return "", "", false
	}
	elements := strings.Split(folder, "/")
	if !slices.Contains(elements, folderName) {
		return "", "", false
	}
	if i := lastIndex(elements, backstage.Modules); i >= 0 {
		elements = elements[i+1:]
		if slices.Contains(libraries, elements[0]) {
			return "", "", false
		}
	}
	return strings.Join(elements, "/"), name, slices.Contains(elements, folderName)
}

// PluginOf is what a folder of migrations is called to people: the package that has it,
// with what is below its migrations: "@backstage/backend-defaults (auth)".
func PluginOf(folder string) string {
	elements := strings.Split(folder, "/")
	i := lastIndex(elements, folderName)
	if i <= 0 {
		return folder
	}
	owner := strings.Join(elements[:i], "/")
	if below := strings.Join(elements[i+1:], "/"); below != "" {
		owner += " (" + below + ")"
	}
	return owner
}

// ownsDatabase reports whether a folder belongs to a plugin, by the name that the packages
// of backends have, or to Backstage's own libraries, which have tables of their own.
func ownsDatabase(folder string) bool {
	owner, _, _ := strings.Cut(PluginOf(folder), " (")
	return strings.HasSuffix(owner, "-backend") || strings.HasPrefix(owner, "@backstage/backend-")
}

func lastIndex(elements []string, wanted string) int {
	for i := len(elements) - 1; i >= 0; i-- {
		if elements[i] == wanted {
			return i
		}
	}
	return -1
}
