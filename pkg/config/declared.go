package config

import (
	"cmp"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Setting is one setting, as the tags of its field declare it:
//
//	Chart string `name:"chart" short:"c" value:"DIR" default:"." help:"Helm chart, a DIR"`
//
// Everything else is derived: the flag, the variable, the key of the file and its
// schema, the input of an action, the rows of the documents. The type of the field
// says what a value may be; a list is repeatable as a flag and has one value per line
// in its variable.
type Setting struct {
	Name    string // of the flag, of the key in the file and of the input of an action
	Short   string // the letter of the flag, "" for none
	Value   string // what stands in the help for a value; it is a word of Help
	Default string
	Help    string
	// Pattern is what each value must match, and Want says it in words; "" for any.
	Pattern, Want string
	// Least is the lowest value of a number: 0 unless the tag least says more.
	Least int
	// Choices are the values of an enumeration, or those of an open one that have a
	// name; nil for other settings. The help has them where it says {choices}, or at
	// its end; Pattern and Want where they say so.
	Choices []record.Choice
	// Path is what is done with the path that it is, "" for what is none.
	Path PathUse
	// InFile and IsInput report whether the configuration file and an action may give
	// it: not with the tags file:"-" and action:"-".
	InFile, IsInput bool
	// Input is its name as an input where users of other actions know it by another one:
	// action:"tags". IsMain reports whether it is an input of the action for the whole
	// pipeline, too, which has few: action:"tags,main" or action:",main".
	Input  string
	IsMain bool

	field reflect.Value
}

// declared are the settings of a group, a pointer to a struct, in the order of its
// fields. A struct in it is a part of it.
func declared(group any) []Setting {
	value := reflect.ValueOf(group).Elem()
	var all []Setting
	for field, at := range value.Fields() {
		tag := field.Tag.Get
		switch {
		case tag("name") != "":
			s := Setting{
				Name: tag("name"), Short: tag("short"), Value: tag("value"), Default: tag("default"), Help: tag("help"),
				Pattern: tag("pattern"), Want: tag("want"), Path: PathUse(tag("path")), InFile: tag("file") != "-", field: at,
			}
			s.Least, _ = strconv.Atoi(tag("least"))
			s.offer(tag("action"))
			s.choose()
			all = append(all, s)
		case at.Kind() == reflect.Struct:
			all = append(all, declared(at.Addr().Interface())...)
		}
	}
	return all
}

// offer reads the tag action.
func (s *Setting) offer(tag string) {
	name, where, _ := strings.Cut(tag, ",")
	s.IsInput, s.IsMain, s.Input = name != "-", where == "main", cmp.Or(name, s.Name)
}

// choicesMark stands in a help text, a pattern and its words for the list of values.
const choicesMark = "{choices}"

// choose fills in the list of values that the type of the field has.
func (s *Setting) choose() {
	list, has := s.field.Interface().(chooser)
	if !has {
		return
	}
	s.Choices = list.Choices()
	if !strings.Contains(s.Help, choicesMark) {
		s.Help += ": " + choicesMark
	}
	spelled := spell(s.Choices)
	s.Help = strings.Replace(s.Help, choicesMark, spelled, 1)
	s.Want = strings.Replace(s.Want, choicesMark, spelled, 1)
	s.Pattern = strings.Replace(s.Pattern, choicesMark, strings.Join(record.Values(s.Choices), "|"), 1)
}

// Text is the help with the default, for a place where a list is given as repeated
// says: "one per line".
func (s Setting) Text(repeated string) string {
	text := strings.Replace(s.Help, "repeatable", repeated, 1)
	if s.Default != "" {
		text += "; default " + s.Default
	}
	return text
}

// IsList reports whether the setting may have several values.
func (s Setting) IsList() bool { return s.field.Kind() == reflect.Slice }

// All are all settings, in the order of the documentation.
func All() []Setting { return declared(&Settings{}) }

// Names are the names of all settings.
func Names() []string {
	var names []string
	for _, s := range All() {
		names = append(names, s.Name)
	}
	return names
}

// Define adds the settings of the groups to the flags. [Resolve] writes into the
// groups what was given, and until then they have the defaults.
func Define(flags *pflag.FlagSet, groups ...any) {
	for _, group := range groups {
		for _, s := range declared(group) {
			s.define(flags)
		}
	}
}

// define panics when a tag cannot be right: a programming error.
func (s Setting) define(flags *pflag.FlagSet) {
	if s.Default != "" {
		if err := s.set([]string{s.Default}); err != nil {
			panic(fmt.Sprintf("config: default of %s: %v", s.Name, err))
		}
	}
	usage := strings.Replace(s.Help, s.Value, "`"+s.Value+"`", min(len(s.Value), 1))
	flag := flags.VarPF(&input{Setting: s}, s.Name, s.Short, usage)
	if s.field.Kind() == reflect.Bool {
		flag.NoOptDefVal = "true"
	}
}

// Variable gives the environment variable of a setting.
func Variable(name string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}
