package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/pflag"
)

// deletable is a value of --allow-delete.
var deletable = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9.-]*/[^/\s]+|(?i:all))$`)

// senseless are values that can be read and say nothing, wherever they came from.
func senseless(flags *pflag.FlagSet) []error {
	var problems []error
	flags.VisitAll(func(f *pflag.Flag) {
		kind, value := f.Value.Type(), f.Value.String()
		if (kind == "duration" || kind == "int") && strings.HasPrefix(value, "-") {
			problems = append(problems, fmt.Errorf("--%s: %s is negative; allowed are 0 and more", f.Name, value))
		}
		if list, is := f.Value.(pflag.SliceValue); is && f.Name == "allow-delete" {
			for _, one := range list.GetSlice() {
				if !deletable.MatchString(one) {
					problems = append(problems, fmt.Errorf("--allow-delete: invalid value %q: allowed are KIND/NAME, such as PersistentVolumeClaim/data, and all", one))
				}
			}
		}
	})
	if isGiven(flags, "to", "0") && isGiven(flags, "to-digest", "") {
		problems = append(problems, errors.New("--to and --to-digest both name what to go back to: give one of them"))
	}
	return problems
}

func isGiven(flags *pflag.FlagSet, name, nothing string) bool {
	f := flags.Lookup(name)
	return f != nil && f.Value.String() != nothing
}
