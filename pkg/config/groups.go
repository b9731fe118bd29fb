package config

import "reflect"

// Group is a group of settings with its heading in the documents.
type Group struct {
	Title    string
	Settings []Setting
}

// Groups are all groups, in the order of the documents.
func Groups() []Group {
	settings := reflect.ValueOf(&Settings{}).Elem()
	var all []Group
	for field, at := range settings.Fields() {
		if title := field.Tag.Get("title"); title != "" {
			all = append(all, Group{title, declared(at.Addr().Interface())})
		}
	}
	return all
}

// Settings are those of the command, in the order of its help.
func (c Command) Settings() []Setting {
	var s Settings
	var all []Setting
	for _, group := range c.Groups(&s) {
		all = append(all, declared(group)...)
	}
	return all
}

// Secret is a variable that holds a secret and is no setting.
type Secret struct{ Variable, Help string }

// AllSecrets are all variables that hold secrets.
func AllSecrets() []Secret {
	var all []Secret
	for field := range reflect.TypeFor[Secrets]().Fields() {
		all = append(all, Secret{field.Tag.Get("variable"), field.Tag.Get("help")})
	}
	return all
}

// Read takes the secrets from the environment.
func (s *Secrets) Read(getenv func(string) string) {
	for field, at := range reflect.ValueOf(s).Elem().Fields() {
		at.Set(reflect.ValueOf(getenv(field.Tag.Get("variable"))).Convert(field.Type))
	}
}

// Hidden are the values that nothing may show: all that have no tag public.
func (s *Secrets) Hidden() []string {
	var all []string
	for field, at := range reflect.ValueOf(s).Elem().Fields() {
		if field.Tag.Get("public") == "" {
			all = append(all, at.Convert(reflect.TypeFor[string]()).String())
		}
	}
	return all
}
