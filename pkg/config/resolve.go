package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"sort"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
)

const (
	envPrefix   = "STAGECREW_"
	defaultFile = "stagecrew.yaml"
	// maxFile bounds what is read from the configuration file, in bytes.
	maxFile = 1 << 20
	// VerdictKeyVariable holds a secret and is no setting: no flag and no file may
	// give it.
	VerdictKeyVariable = "STAGECREW_VERDICT_KEY"
	// unsafeSuffix ends the names of settings that switch a check off.
	unsafeSuffix = "-unsafe"
)

// Resolve completes the flags that the command line did not set: from environ
// ("KEY=VALUE" lines as of os.Environ), then from the configuration file. It
// reports every problem at once. An empty variable counts as unset; a variable
// or key that no command knows is an error.
func Resolve(flags *pflag.FlagSet, environ []string) error {
	fromEnv := variables(environ)
	problems := unknown(fromEnv, "environment variable ", Variable)
	problems = append(problems, assign(flags, fromEnv, func(name string) string { return "environment variable " + Variable(name) })...)

	file, path, err := readFile(flags)
	if err != nil {
		return errors.Join(append(problems, err)...)
	}
	problems = append(problems, unknown(file, path+": key ", func(name string) string { return name })...)
	problems = append(problems, unsafeKeys(file, path)...)
	problems = append(problems, assign(flags, file, func(name string) string { return path + ": key " + name })...)
	return errors.Join(append(problems, senseless(flags)...)...)
}

// unsafeKeys takes out of the file, and reports, what switches a check off: the file
// lies in the repository of the application, and who may change that is not who is
// to decide it.
func unsafeKeys(file map[string][]string, path string) []error {
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(file)) {
		if !strings.HasSuffix(name, unsafeSuffix) || !slices.Contains(Names(), name) {
			continue
		}
		delete(file, name)
		problems = append(problems, fmt.Errorf("%s: key %s: a setting that switches a check off is not taken from a file; give the flag --%s or the variable %s for the run that needs it", path, name, name, Variable(name)))
	}
	return problems
}

// Variable gives the environment variable of a setting.
func Variable(name string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// variables picks the STAGECREW_* variables that are not empty. A list is given
// with one value per line.
func variables(environ []string) map[string][]string {
	found := map[string][]string{}
	for _, line := range environ {
		key, value, _ := strings.Cut(line, "=")
		name, ours := strings.CutPrefix(key, envPrefix)
		if !ours || value == "" || key == VerdictKeyVariable {
			continue
		}
		name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
		found[name] = nonEmptyLines(value)
	}
	return found
}

func nonEmptyLines(value string) []string {
	var lines []string
	for line := range strings.Lines(value) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

func unknown(values map[string][]string, where string, write func(string) string) []error {
	known := Names()
	var problems []error
	for name := range values {
		if !slices.Contains(known, name) {
			problems = append(problems, fmt.Errorf("%s%s: no such setting%s", where, write(name), suggest(name, known, write)))
		}
	}
	sort.Slice(problems, func(i, j int) bool { return problems[i].Error() < problems[j].Error() })
	return problems
}

// assign sets each flag that is not set yet; settings of other commands are left alone.
func assign(flags *pflag.FlagSet, values map[string][]string, where func(name string) string) []error {
	var problems []error
	flags.VisitAll(func(f *pflag.Flag) {
		given := values[f.Name]
		if f.Changed || len(given) == 0 {
			return
		}
		if err := set(flags, f, given); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", where(f.Name), err))
		}
	})
	return problems
}

func set(flags *pflag.FlagSet, f *pflag.Flag, given []string) error {
	all := strings.Join(given, " ")
	if _, isList := f.Value.(pflag.SliceValue); !isList && len(given) > 1 {
		if document.MatchString(all) {
			return fmt.Errorf("it has %d lines, and one value is allowed; where a file is wanted give its path", len(given))
		}
		return fmt.Errorf("invalid value %q: one value is allowed", all)
	}
	for _, value := range given {
		if err := flags.Set(f.Name, value); err != nil {
			// pflag repeats the flag and the value; only the reason is wanted.
			if cause := errors.Unwrap(err); cause != nil {
				err = cause
			}
			return fmt.Errorf("invalid value %q: %w", all, err)
		}
	}
	return nil
}

// document is what the text of a file has and a value has not. It is not repeated:
// it may be a kubeconfig or a key.
var document = regexp.MustCompile(`[\w"']:\s|-----BEGIN |[{}]`)

// readFile reads the configuration file that --config names, or stagecrew.yaml
// if it is there.
func readFile(flags *pflag.FlagSet) (map[string][]string, string, error) {
	path, explicit := defaultFile, false
	if f := flags.Lookup("config"); f != nil && f.Value.String() != "" {
		path, explicit = f.Value.String(), true
	}
	content, err := readLimited(path)
	if errors.Is(err, fs.ErrNotExist) && !explicit {
		return nil, path, nil
	}
	if err != nil {
		return nil, path, fmt.Errorf("reading configuration: %w", err)
	}
	values, err := parse(content)
	if err != nil {
		return nil, path, fmt.Errorf("reading configuration %s: %w", path, err)
	}
	return values, path, nil
}

func readLimited(path string) ([]byte, error) {
	// Opening a named pipe would wait, deaf to signals, for somebody to write to it.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(content) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return content, err
}
