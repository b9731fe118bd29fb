package checks

import (
	"maps"
	"regexp"
	"slices"

	"github.com/stagecrew/stagecrew/pkg/smoke/form"
)

// placeholder is ${NAME} or ${NAME:-default}.
var placeholder = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)(:-([^}]*))?\}`)

// each is the placeholder that a check's list fills in; the environment has no part in it.
const each = "each"

// eachWord is what may stand for ${each}: it becomes a part of a path.
var eachWord = regexp.MustCompile(`^[A-Za-z0-9_~-][A-Za-z0-9_.~-]*$`)

// variable is one placeholder of a check.
type variable struct {
	text       string // as it stands there
	name       string
	hasDefault bool
	value      string // the default
}

// variables lists the placeholders of some texts, each name once.
func variables(texts ...string) []variable {
	var found []variable
	for _, text := range texts {
		for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
			v := variable{text: m[0], name: m[1], hasDefault: m[2] != "", value: m[3]}
			if !slices.Contains(found, v) {
				found = append(found, v)
			}
		}
	}
	return found
}

// filled are the texts of a check that the environment fills in.
func (c Check) filled() []string {
	texts := append(slices.Clone(c.Each), c.Body)
	for _, name := range slices.Sorted(maps.Keys(c.Headers)) {
		texts = append(texts, c.Headers[name])
	}
	return texts
}

// Unfilled names the placeholders of a check that is about to be sent.
func (c Check) Unfilled() []string {
	var names []string
	if !c.expanded {
		for _, v := range variables(append(c.filled(), c.Name, c.Path)...) {
			names = append(names, v.text)
		}
	}
	return names
}

// checkVariables looks at where a check has placeholders.
func (c Check) checkVariables(report form.Reporter) {
	for _, place := range [][2]string{{"name", c.Name}, {"path", c.Path}} {
		for _, v := range variables(place[1]) {
			if v.name != each {
				report(place[0], "%s: only ${each} may stand here", v.text)
			}
		}
	}
	isEach := func(v variable) bool { return v.name == each }
	switch {
	case c.expanded:
		return
	case len(c.Each) > 0 && !slices.ContainsFunc(variables(c.Name), isEach):
		report("each", "the name has no ${each}: every check needs a name of its own")
	case len(c.Each) == 0 && slices.ContainsFunc(variables(append(c.filled(), c.Name, c.Path)...), isEach):
		report("each", "it is missing, and there is a ${each} to fill in")
	}
	for _, word := range c.Each {
		if v := variables(word); !eachWord.MatchString(word) && (len(v) != 1 || v[0].text != word || v[0].name == each) {
			report("each", "%q is neither letters, digits, \"_\", \".\", \"~\" and \"-\" nor one ${NAME}", word)
		}
	}
	couldMiss := func(v variable) bool { return v.name != each && !v.hasDefault }
	if c.Optional && !slices.ContainsFunc(variables(c.filled()...), couldMiss) {
		report("optional", "true; the check has no ${NAME} that could be missing")
	}
}
