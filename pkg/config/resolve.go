package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/spf13/pflag"

	"github.com/stagecrew/stagecrew/pkg/record"
)

const (
	envPrefix = "STAGECREW_"
	// DefaultFile is read without being asked for.
	DefaultFile = "stagecrew.yaml"
	otherName   = "stagecrew.yml" // which is not read
	configName  = "config"        // the setting that names another file
	// maxFile bounds what is read from the configuration file, in bytes.
	maxFile = 1 << 20
	// VerdictKeyVariable holds a secret and is no setting: no flag and no file may
	// give it.
	VerdictKeyVariable = "STAGECREW_VERDICT_KEY"
	// DirVariable holds the directory of the actions and is no setting: what it says
	// counts only where no setting does, see [Settings.Place].
	DirVariable = "STAGECREW_ACTION_DIR"
	// SettingsVariable holds settings as stagecrew.yaml has them, the input settings of
	// an action, and is none itself.
	SettingsVariable = "STAGECREW_SETTINGS"
)

// foreign are variables with our prefix that are no settings: the three above, and those
// of a repository that deploy.yml and rollback.yml read, which a job may have in its
// environment, too. STAGECREW_PREPARE is a setting here and a command there.
var foreign = []string{
	VerdictKeyVariable, DirVariable, SettingsVariable,
	"STAGECREW_BINARY", "STAGECREW_DEPLOY_ON", "STAGECREW_DOWNLOAD_URL", "STAGECREW_INSTALL", "STAGECREW_REGISTRY",
	"STAGECREW_REGISTRY_USERNAME", "STAGECREW_RUNS_ON", "STAGECREW_TOKEN", "STAGECREW_URL",
}

// Resolve reads every setting of the flags from the first source that has it: the
// command line, environ ("KEY=VALUE" lines as of os.Environ), the settings that an
// action got inline, the configuration file. It reports every problem at once, and
// counts a setting that was given anywhere as changed. An empty variable counts as
// unset; a variable or key that no command knows is an error.
func Resolve(flags *pflag.FlagSet, environ []string) error {
	fromEnv := variables(environ)
	problems := unknown(fromEnv, func(name string) string { return "environment variable " + Variable(name) }, Variable)
	var sources []source
	for _, read := range []func() (source, error){
		func() (source, error) { return inline(environ) },
		func() (source, error) { return readFile(flags, fromEnv) },
	} {
		s, err := read()
		problems = append(problems, err)
		problems = append(problems, unknown(s.values, s.where, func(name string) string { return name })...)
		problems = append(problems, s.takeMisplaced()...)
		sources = append(sources, s)
	}
	flags.VisitAll(func(f *pflag.Flag) {
		in, ours := f.Value.(*input)
		if !ours {
			return
		}
		given, where := in.given, "--"+f.Name
		if !f.Changed {
			given, where = fromEnv[f.Name], "environment variable "+Variable(f.Name)
		}
		for _, s := range sources {
			if len(given) == 0 {
				given, where = s.values[f.Name], s.where(f.Name)
			}
		}
		if len(given) == 0 {
			return
		}
		f.Changed = true
		if err := in.set(given); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", where, err))
		}
	})
	return record.Problems(append(problems, contradictions(flags)...)...)
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

// Lookup reads the variables of an environment, of which the last one given counts, as a
// process sees them.
func Lookup(environ []string) (getenv func(name string) string) {
	values := map[string]string{}
	for _, line := range environ {
		key, value, _ := strings.Cut(line, "=")
		values[key] = value
	}
	return func(name string) string { return values[name] }
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

// unknown reports names that no command knows, with the place of each and the name
// that was probably meant.
func unknown(values map[string][]string, where, write func(name string) string) []error {
	known := Names()
	var strange []string
	for name := range values {
		if !slices.Contains(known, name) {
			strange = append(strange, name)
		}
	}
	sort.Slice(strange, func(i, j int) bool { return where(strange[i]) < where(strange[j]) })
	var problems []error
	for i, name := range strange {
		meant := ""
		if i < record.MaxProblems { // no more are told
			meant = suggest(name, known, write)
		}
		problems = append(problems, fmt.Errorf("%s: no such setting%s", where(name), meant))
	}
	return problems
}
