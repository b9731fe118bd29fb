package workspace

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/build/tree"
	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// namedVariable is a variable in the settings of a package manager that has to be there:
// without a default (${NAME:-x}) and not optional (${NAME?}).
var namedVariable = regexp.MustCompile(`\$\{(\w+)\}`)

// environment is what a program of the build gets, by its kind, and the names of the
// variables that the settings of the workspace ask for and that it does not get. Those are
// there without a value: where one is not there at all, neither Yarn runs anything, not even a
// script (yarnpkg/berry#6504, #5190; yarnpkg/yarn#6130).
func (how Installing) environment(root *os.Root, kind func(environ, further []string) []string) (env, withheld []string) {
	env = kind(how.Environ, how.Environment)
	for _, file := range []string{".yarnrc.yml", ".npmrc", ".yarnrc"} {
		text, err := files.ReadIn(root, file, tree.MaxPackageJSON)
		if err != nil {
			continue // whoever needs it says what is wrong with it
		}
		for _, m := range namedVariable.FindAllSubmatch(text, -1) {
			if name := string(m[1]); isSet(how.Environ, name) && !isSet(env, name) {
				env, withheld = append(env, name+"="), append(withheld, name)
			}
		}
	}
	return env, withheld
}

// isSet reports whether an environment has a variable, be it empty.
func isSet(environ []string, name string) bool {
	return slices.ContainsFunc(environ, func(variable string) bool { return strings.HasPrefix(variable, name+"=") })
}

// withheldFrom names the variables that an install asked for in vain, when it failed.
func withheldFrom(err error, names []string) error {
	var failed *record.Error
	if len(names) == 0 || !errors.As(err, &failed) {
		return err
	}
	return &record.Error{Kind: failed.Kind, Code: failed.Code, Err: fmt.Errorf(
		"%w\nThe settings of the package manager name %s, which programs of a build do not get; if the installation logs in with it, give --build-env %s",
		failed.Err, strings.Join(names, ", "), strings.Join(names, " --build-env "))}
}
