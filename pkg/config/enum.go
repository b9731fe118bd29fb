package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Output is the form of a command's result on stdout.
type Output string

// The outputs.
const (
	OutputText Output = "text" // nothing but what a person wants to read
	OutputJSON Output = "json" // the record of the run as one JSON document
)

// Severity is the lowest severity that blocks, in Trivy's words.
type Severity string

// Builder is what makes an image.
type Builder string

// Format is how signatures and attestations are stored.
type Format string

// Soak is how long new pods are watched after they are ready.
type Soak time.Duration

// SoakAuto leaves the length to the watcher.
const SoakAuto Soak = -1

const soakAuto = "auto"

// String gives the value as it is written.
func (s *Soak) String() string {
	if *s == SoakAuto {
		return soakAuto
	}
	return time.Duration(*s).String()
}

// Type is what the help shows in place of the value.
func (s *Soak) Type() string { return "auto|duration" }

// Set parses the value of --soak; 0 needs no unit.
func (s *Soak) Set(v string) error {
	if v == soakAuto {
		*s = SoakAuto
		return nil
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 {
		return errors.New("allowed are auto and a duration such as 90s")
	}
	*s = Soak(d)
	return nil
}

// String gives the value as it is written.
func (o *Output) String() string { return string(*o) }

// Type is what the help shows in place of the value.
func (o *Output) Type() string { return "text|json" }

// String gives the value as it is written.
func (s *Severity) String() string { return string(*s) }

// Type is what the help shows in place of the value.
func (s *Severity) Type() string { return "severity" }

// String gives the value as it is written.
func (b *Builder) String() string { return string(*b) }

// Type is what the help shows in place of the value.
func (b *Builder) Type() string { return "auto|layers|dockerfile" }

// Set parses the value of --builder.
func (b *Builder) Set(v string) error { return setEnum(b, v, "auto", "layers", "dockerfile") }

// String gives the value as it is written.
func (f *Format) String() string { return string(*f) }

// Type is what the help shows in place of the value.
func (f *Format) Type() string { return "legacy|bundle|both" }

// Set parses the value of --sign-format.
func (f *Format) Set(v string) error { return setEnum(f, v, "legacy", "bundle", "both") }

// Set parses the value of --output.
func (o *Output) Set(v string) error { return setEnum(o, v, OutputText, OutputJSON) }

// Set parses a severity; case does not matter.
func (s *Severity) Set(v string) error {
	return setEnum(s, strings.ToUpper(v), "UNKNOWN", "LOW", "MEDIUM", "HIGH", "CRITICAL")
}

func setEnum[T ~string](target *T, value string, allowed ...T) error {
	if !slices.Contains(allowed, T(value)) {
		return fmt.Errorf("allowed are %s", join(allowed))
	}
	*target = T(value)
	return nil
}

func join[T ~string](values []T) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = string(v)
	}
	return strings.Join(quoted, ", ")
}
