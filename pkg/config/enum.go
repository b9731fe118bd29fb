package config

import (
	"errors"
	"strings"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Output is the form of a command's result on stdout.
type Output string

// The outputs.
const (
	OutputText Output = "text" // nothing but what a person wants to read
	OutputJSON Output = "json" // the record of the run as one JSON document
)

// Choices are all outputs.
func (Output) Choices() []record.Choice {
	return []record.Choice{{Value: string(OutputText)}, {Value: string(OutputJSON)}}
}

// Telling is whether GitHub is told what a run does.
type Telling string

// When GitHub is told.
const (
	TellAuto   Telling = "auto"
	TellAlways Telling = "always"
	TellNever  Telling = "never"
)

// Choices are all of them.
func (Telling) Choices() []record.Choice {
	return []record.Choice{
		{Value: string(TellAuto), Meaning: "in GitHub Actions where the token may, and GitHub does not by itself"},
		{Value: string(TellAlways)}, {Value: string(TellNever)},
	}
}

// Kinds are attestations by their short names or predicate types, each perhaps with
// a file: KIND=FILE.
type Kinds []string

// Choices are the short names.
func (Kinds) Choices() []record.Choice { return record.AttestationKind("").Choices() }

// DatabaseEnv are names of variables, each with what it says: WHAT=NAME.
type DatabaseEnv []string

// Choices are what it may say.
func (DatabaseEnv) Choices() []record.Choice { return record.DatabasePart("").Choices() }

// chooser is a type with a list of values: all that it may have if it is a string,
// and those that have a name if it is a list of strings.
type chooser interface{ Choices() []record.Choice }

// spell gives a list as a part of a sentence: a (what it means), b or c.
func spell(choices []record.Choice) string {
	words := make([]string, len(choices))
	for i, c := range choices {
		words[i] = c.Value
		if c.Meaning != "" {
			words[i] += " (" + c.Meaning + ")"
		}
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// Soak is how long new pods are watched after they are ready.
type Soak time.Duration

// SoakAuto leaves the length to the watcher.
const SoakAuto Soak = -1

const soakAuto = "auto"

// UnmarshalText reads auto or a duration.
func (s *Soak) UnmarshalText(text []byte) error {
	if string(text) == soakAuto {
		*s = SoakAuto
		return nil
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d < 0 {
		return errors.New("allowed are auto and a duration such as 90s")
	}
	*s = Soak(d)
	return nil
}
