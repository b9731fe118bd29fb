package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/spf13/pflag"

	"github.com/stagecrew/stagecrew/pkg/files"
)

const (
	envPrefix   = "STAGECREW_"
	defaultFile = "stagecrew.yaml"
	configName  = "config" // the setting that names another file
	// maxFile bounds what is read from the configuration file, in bytes.
	maxFile = 1 << 20
	// VerdictKeyVariable holds a secret and is no setting: no flag and no file may
	// give it.
	VerdictKeyVariable = "STAGECREW_VERDICT_KEY"
	// DirVariable holds the directory of the actions and is no setting: what it says
	// counts only where no setting does, see [Settings.Place].
	DirVariable = "STAGECREW_ACTION_DIR"
)

// foreign are variables with our prefix that are no settings: the two above, and those
// of a repository that deploy.yml and rollback.yml read, which a job may have in its
// environment, too. STAGECREW_PREPARE is a setting here and a command there.
var foreign = []string{
	VerdictKeyVariable, DirVariable,
	"STAGECREW_BINARY", "STAGECREW_DEPLOY_ON", "STAGECREW_DOWNLOAD_URL", "STAGECREW_INSTALL", "STAGECREW_REGISTRY",
	"STAGECREW_REGISTRY_USERNAME", "STAGECREW_RUNS_ON", "STAGECREW_TOKEN", "STAGECREW_URL",
}

// Resolve reads every setting of the flags from the first source that has it: the
// command line, environ ("KEY=VALUE" lines as of os.Environ), the configuration file.
// It reports every problem at once, and counts a setting that was given anywhere as
// changed. An empty variable counts as unset; a variable or key that no command knows
// is an error.
func Resolve(flags *pflag.FlagSet, environ []string) error {
	fromEnv := variables(environ)
	problems := unknown(fromEnv, "environment variable ", Variable)
	file, path, err := readFile(flags, fromEnv)
	problems = append(problems, err)
	problems = append(problems, unknown(file, path+": key ", func(name string) string { return name })...)
	problems = append(problems, misplacedKeys(file, path)...)
	flags.VisitAll(func(f *pflag.Flag) {
		in, ours := f.Value.(*input)
		if !ours {
			return
		}
		given, where := in.given, "--"+f.Name
		if !f.Changed {
			given, where = fromEnv[f.Name], "environment variable "+Variable(f.Name)
		}
		if len(given) == 0 {
			given, where = file[f.Name], path+": key "+f.Name
		}
		if len(given) == 0 {
			return
		}
		f.Changed = true
		if err := in.set(given); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", where, err))
		}
	})
	return errors.Join(append(problems, contradictions(flags)...)...)
}

// Place is where the run leaves its files, unless a setting says so: the record and the
// evidence of a command go into dir.
func (s *Settings) Place(flags *pflag.FlagSet, dir, command string) {
	for name, place := range map[string]struct {
		path *string
		file string
	}{"record": {&s.Record, command + ".json"}, "evidence-dir": {&s.EvidenceDir, "evidence"}} {
		if f := flags.Lookup(name); dir != "" && f != nil && !f.Changed {
			*place.path = filepath.Join(dir, place.file)
		}
	}
}

// FlagError completes the error about a flag that there is not.
func FlagError(flags *pflag.FlagSet, err error) error {
	var missing *pflag.NotExistError
	if !errors.As(err, &missing) || missing.GetSpecifiedShortnames() != "" {
		return err
	}
	var known []string
	flags.VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
	return fmt.Errorf("%w%s", err, suggest(missing.GetSpecifiedName(), known, func(name string) string { return "--" + name }))
}

// contradictions are settings that cannot be meant together.
func contradictions(flags *pflag.FlagSet) []error {
	given := func(name string) bool { f := flags.Lookup(name); return f != nil && !f.Value.(*input).field.IsZero() }
	if given("to") && given("to-digest") {
		return []error{errors.New("--to and --to-digest both name what to go back to: give one of them")}
	}
	return nil
}

// misplacedKeys takes out of the file, and reports, what it may not give: the name of
// the file itself, and what switches a check off. The file lies in the repository of
// the application, and who may change that is not who is to decide it.
func misplacedKeys(file map[string][]string, path string) []error {
	var problems []error
	for _, s := range All() {
		if _, given := file[s.Name]; !given || s.InFile {
			continue
		}
		delete(file, s.Name)
		reason := "a setting that switches a check off is not taken from a file; give the flag --%s or the variable %s for the run that needs it"
		if s.Name == configName {
			reason = "a file does not name itself; give the flag --%s or the variable %s"
		}
		problems = append(problems, fmt.Errorf("%s: key %s: "+reason, path, s.Name, s.Name, Variable(s.Name)))
	}
	return problems
}

// variables picks the STAGECREW_* variables that are not empty. A list is given
// with one value per line.
func variables(environ []string) map[string][]string {
	found := map[string][]string{}
	for _, line := range environ {
		key, value, _ := strings.Cut(line, "=")
		name, ours := strings.CutPrefix(key, envPrefix)
		if !ours || value == "" || slices.Contains(foreign, key) {
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

// ErrFile is what an error of [Resolve] is when the file could not be read: nothing is
// known of what stands in it.
var ErrFile = errors.New("the configuration file cannot be read")

// fileError is an ErrFile with words of its own.
type fileError struct{ error }

func (e fileError) Is(target error) bool { return target == ErrFile }
func (e fileError) Unwrap() error        { return e.error }

// readFile reads the configuration file that --config names, or stagecrew.yaml
// if it is there.
func readFile(flags *pflag.FlagSet, fromEnv map[string][]string) (map[string][]string, string, error) {
	path, explicit := defaultFile, false
	given := fromEnv[configName]
	if f := flags.Lookup(configName); f != nil && f.Changed {
		given = f.Value.(*input).given
	}
	if len(given) == 1 && given[0] != "" {
		path, explicit = given[0], true
	}
	content, err := files.Read(path, maxFile)
	if errors.Is(err, fs.ErrNotExist) && !explicit {
		return nil, path, nil
	}
	if err != nil {
		return nil, path, fileError{fmt.Errorf("reading configuration: %w", err)}
	}
	values, err := parse(content)
	if err != nil {
		return nil, path, fileError{fmt.Errorf("reading configuration %s: %w", path, err)}
	}
	return values, path, nil
}
