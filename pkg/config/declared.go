package config

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// Setting is one setting, as the tags of its field declare it:
//
//	Chart string `name:"chart" short:"c" value:"DIR" default:"." help:"Helm chart, a DIR"`
//
// A list is repeatable as a flag, and has one value per line in its variable.
type Setting struct {
	Name    string // of the flag, of the key in the file and of the input of an action
	Short   string // the letter of the flag, "" for none
	Value   string // what stands in the help for a value; it is a word of Help
	Default string
	Help    string

	field reflect.Value
}

// declared are the settings of a group, a pointer to a struct, in the order of its
// fields. A struct in it is a part of it.
func declared(group any) []Setting {
	value := reflect.ValueOf(group).Elem()
	var all []Setting
	for field, at := range value.Fields() {
		switch name := field.Tag.Get("name"); {
		case name != "":
			all = append(all, Setting{
				Name: name, Short: field.Tag.Get("short"), Value: field.Tag.Get("value"),
				Default: field.Tag.Get("default"), Help: field.Tag.Get("help"), field: at,
			})
		case at.Kind() == reflect.Struct:
			all = append(all, declared(at.Addr().Interface())...)
		}
	}
	return all
}

// Names lists the names of all settings in the order of the documentation.
func Names() []string {
	var names []string
	for _, s := range declared(&Settings{}) {
		names = append(names, s.Name)
	}
	return names
}

// Define adds the settings of the groups to the flags, which write into them.
func Define(flags *pflag.FlagSet, groups ...any) {
	for _, group := range groups {
		for _, s := range declared(group) {
			s.define(flags)
		}
	}
}

// define panics when a tag cannot be right: a programming error.
func (s Setting) define(flags *pflag.FlagSet) {
	usage := strings.Replace(s.Help, s.Value, "`"+s.Value+"`", min(len(s.Value), 1))
	switch target := s.field.Addr().Interface().(type) {
	case pflag.Value:
		flags.VarP(target, s.Name, s.Short, usage)
	case *string:
		flags.StringVarP(target, s.Name, s.Short, "", usage)
	case *bool:
		flags.BoolVarP(target, s.Name, s.Short, false, usage)
	case *int:
		flags.IntVarP(target, s.Name, s.Short, 0, usage)
	case *time.Duration:
		flags.DurationVarP(target, s.Name, s.Short, 0, usage)
	case *[]string:
		flags.StringArrayVarP(target, s.Name, s.Short, nil, usage)
	default:
		panic(fmt.Sprintf("config: no flag is made of the type of %s", s.Name))
	}
	if s.Default == "" {
		return
	}
	flag := flags.Lookup(s.Name)
	if err := flag.Value.Set(s.Default); err != nil {
		panic(fmt.Sprintf("config: default of %s: %v", s.Name, err))
	}
	flag.DefValue = flag.Value.String()
}
