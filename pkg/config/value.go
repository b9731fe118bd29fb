package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// document is what the text of a file has and a value has not. It is not repeated:
// it may be a kubeconfig or a key.
var document = regexp.MustCompile(`[\w"']:\s|-----BEGIN |[{}]`)

// maxShown bounds what an error repeats of a key or a value, in bytes.
const maxShown = 200

// set puts the values that were given into the field. An error says what is allowed.
func (s Setting) set(given []string) error {
	if s.IsList() {
		given = slices.DeleteFunc(slices.Clone(given), func(value string) bool { return value == "" }) // as of --values "$NOTHING" (chainguard-images/images#2183)
		for _, value := range given {
			if err := s.match(value); err != nil {
				return fmt.Errorf("invalid value %q: %w", text.Cut(value, maxShown), err)
			}
		}
		s.field.Set(reflect.ValueOf(given).Convert(s.field.Type()))
		return nil
	}
	all := strings.Join(given, " ")
	switch {
	case len(given) > 1 && document.MatchString(all):
		return fmt.Errorf("it has %d lines, and one value is allowed; where a file is wanted give its path", len(given))
	case len(given) > 1:
		return fmt.Errorf("invalid value %q: one value is allowed", text.Cut(all, maxShown))
	}
	if err := errors.Join(s.match(all), s.parse(all)); err != nil {
		return fmt.Errorf("invalid value %q: %w", text.Cut(all, maxShown), err)
	}
	return nil
}

// match applies the pattern of the setting.
func (s Setting) match(value string) error {
	if s.Pattern == "" || regexp.MustCompile(s.Pattern).MatchString(value) {
		return nil
	}
	return errors.New("allowed are " + s.Want)
}

// parse reads one value as the type of the field wants it.
func (s Setting) parse(text string) error {
	switch target := s.field.Addr().Interface().(type) {
	case encoding.TextUnmarshaler:
		return target.UnmarshalText([]byte(text))
	case *string:
		*target = text
	case *bool:
		return assign(target, text, strconv.ParseBool, "true and false")
	case *int:
		return assign(target, text, s.number, fmt.Sprintf("whole numbers from %d", s.Least))
	case *time.Duration:
		return assign(target, text, span, "0 and durations with a unit, such as 90s or 5m")
	default:
		return s.choice(text)
	}
	return nil
}

// assign leaves the default where the text cannot be read: what else is wrong with the
// settings is told, too.
func assign[T any](target *T, text string, parse func(string) (T, error), allowed string) error {
	value, err := parse(text)
	if err != nil {
		return errors.New("allowed are " + allowed)
	}
	*target = value
	return nil
}

func (s Setting) number(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	if int(n) < s.Least {
		err = strconv.ErrRange
	}
	return int(n), err
}

func span(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if d < 0 {
		err = strconv.ErrRange
	}
	return d, err
}

// choice takes one of the values of an enumeration; case does not matter.
func (s Setting) choice(text string) error {
	text = s.lowest(text)
	allowed := record.Values(s.Choices)
	for _, value := range allowed {
		if strings.EqualFold(value, text) {
			s.field.SetString(value)
			return nil
		}
	}
	return errors.New("allowed are " + strings.Join(allowed, ", "))
}

// lowest is the one that a list of severities begins with, where it leaves none out up
// to the most severe: what trivy's severity says by CRITICAL,HIGH. Of another setting,
// and of another list, it is the text.
func (s Setting) lowest(text string) string {
	all := record.Severities()
	given := strings.FieldsFunc(strings.ToUpper(text), func(r rune) bool { return r == ',' || r == ' ' })
	if _, is := s.field.Interface().(record.Severity); !is || len(given) == 0 || len(given) > len(all) {
		return text
	}
	for _, one := range all[len(all)-len(given):] {
		if !slices.Contains(given, string(one)) {
			return text
		}
	}
	return string(all[len(all)-len(given)])
}

// input is the flag of a setting. It keeps what was given: all sources are read in
// one place, so that everything that is wrong is told at once.
type input struct {
	Setting
	given []string
}

// String is what the help shows as the default.
func (i *input) String() string { return i.Default }

// Set keeps a value; of a setting that is no list the last one counts.
func (i *input) Set(value string) error {
	if !i.IsList() {
		i.given = nil
	}
	i.given = append(i.given, value)
	return nil
}

// Type is what the help shows in place of a value that the text has no word for.
func (i *input) Type() string {
	switch kind := i.Kind(); kind {
	case KindEnum:
		return strings.Join(record.Values(i.Choices), "|")
	case KindSoak:
		return soakAuto + "|duration"
	default:
		return string(kind)
	}
}

// Kind is what a value of a setting is.
type Kind string

// The kinds. Each value of a list is a text.
const (
	KindText     Kind = "string"
	KindBool     Kind = "bool"
	KindNumber   Kind = "int"
	KindDuration Kind = "duration"
	KindSoak     Kind = "soak" // a duration or auto
	KindEnum     Kind = "enum"
)

// Kind is what a value of the setting is.
func (s Setting) Kind() Kind {
	switch s.field.Interface().(type) {
	case bool:
		return KindBool
	case int:
		return KindNumber
	case time.Duration:
		return KindDuration
	case Soak:
		return KindSoak
	}
	if s.Choices != nil && !s.IsList() {
		return KindEnum
	}
	return KindText
}
