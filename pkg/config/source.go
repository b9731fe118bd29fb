package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// source is one text of keys and values: the configuration file, or the settings
// that an action got inline. Name is what errors call it.
type source struct {
	name   string
	values map[string][]string
	lines  map[string]int
}

// where is how an error names a key.
func (s source) where(key string) string {
	return fmt.Sprintf("%s: line %d: key %s", s.name, s.lines[key], text.Cut(key, maxShown))
}

// takeMisplaced takes out of the source, and reports, what it may not give: the name
// of the file itself, and what switches a check off. It lies in the repository of
// the application, and who may change that is not who is to decide it.
func (s source) takeMisplaced() []error {
	var problems []error
	for _, one := range All() {
		if _, given := s.values[one.Name]; !given || one.InFile {
			continue
		}
		delete(s.values, one.Name)
		reason := "a setting that switches a check off is not taken from a file; give the flag --%s or the variable %s for the run that needs it"
		if one.Name == configName {
			reason = "a file does not name itself; give the flag --%s or the variable %s"
		}
		problems = append(problems, fmt.Errorf("%s: "+reason, s.where(one.Name), one.Name, Variable(one.Name)))
	}
	return problems
}

// ErrFile is what an error of [Resolve] is when a document could not be read: nothing is
// known of what stands in it.
var ErrFile = errors.New("the configuration file cannot be read")

// fileError is an ErrFile with words of its own.
type fileError struct{ error }

func (e fileError) Is(target error) bool { return target == ErrFile }
func (e fileError) Unwrap() error        { return e.error }

// inline reads the settings that an action got as one text, which errors call as the
// action does.
func inline(environ []string) (source, error) {
	return read("input settings", []byte(Lookup(environ)(SettingsVariable)))
}

// named is the configuration file that --config or its variable names, "" for none.
func named(flags *pflag.FlagSet, fromEnv map[string][]string) string {
	given := fromEnv[configName]
	if f := flags.Lookup(configName); f != nil && f.Changed {
		given = f.Value.(*input).given
	}
	if len(given) != 1 {
		return ""
	}
	return given[0]
}

// readFile reads the configuration file that --config names, or stagecrew.yaml
// if it is there.
func readFile(flags *pflag.FlagSet, fromEnv map[string][]string) (source, error) {
	path := named(flags, fromEnv)
	content, err := readInside(cmp.Or(path, DefaultFile))
	if errors.Is(err, fs.ErrNotExist) && path == "" && !isThere(DefaultFile) {
		// That nothing of it counts would go unnoticed (StackStorm/st2#3249, node-config/node-config#45).
		if _, err := os.Stat(otherName); err == nil {
			return source{}, fileError{fmt.Errorf("%[1]s is not read: call it %[2]s, or give --config %[1]s", otherName, DefaultFile)}
		}
		return source{}, nil
	}
	if err != nil {
		return source{}, fileError{fmt.Errorf("reading configuration: %w", err)}
	}
	return read(cmp.Or(path, DefaultFile), content)
}

// Above is a stagecrew.yaml that was not read because it lies in a folder above this one,
// up to the root of the repository; "" where there is none, or where one was read.
func Above(flags *pflag.FlagSet, environ []string) string {
	own, err := os.Getwd()
	if err != nil || named(flags, variables(environ)) != "" || isThere(DefaultFile) {
		return ""
	}
	top, found := files.Checkout(own)
	if !found {
		top = string(filepath.Separator)
	}
	for dir := own; dir != top; {
		dir = filepath.Dir(dir)
		if file := filepath.Join(dir, DefaultFile); isThere(file) {
			return file
		}
	}
	return ""
}

// readInside reads the file. One of the repository may be a link, but not out of it: errors
// repeat what stands in the file, and who may change a repository is not who may read what
// else is on the machine (starhaven-io/pinprick#313, argoproj/argo-events#1947). A path that
// itself leads out was meant so.
func readInside(path string) ([]byte, error) {
	if filepath.IsLocal(path) {
		here, err := followed(".")
		if err != nil {
			return nil, err
		}
		top, found := files.Checkout(here)
		if !found {
			top = here
		}
		if real, err := followed(path); err == nil && !files.IsBelow(real, top) {
			return nil, fmt.Errorf("%s is a link to %s, which is not in this repository: nothing of it is read; name the file itself by --%s or %s", path, real, configName, Variable(configName))
		}
	}
	return files.Read(path, maxFile)
}

// followed is where a path leads to, without links.
func followed(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}

// isThere reports whether something has the name, were it a link that leads nowhere.
func isThere(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func read(name string, content []byte) (source, error) {
	values, lines, err := parse(content)
	if err != nil {
		return source{}, fileError{fmt.Errorf("reading configuration %s: %w", name, err)}
	}
	return source{name, values, lines}, nil
}
