package build

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/stagecrew/stagecrew/pkg/text"
)

// furtherLabel is a label of the specification in the value of another one: labels that
// were folded onto one line, or joined with a line break written as \n.
var furtherLabel = regexp.MustCompile(`(?:\s|\\n)(org\.(?:opencontainers\.image|label-schema)\.[\w.-]+)=`)

const maxLabelShown = 80

// checkLabels refuses labels that are several in one (oxidize-rb/rb-sys#744,
// TecharoHQ/anubis#627), and names that no label has: the image would say something else
// than what was meant, unnoticed.
func (o Options) checkLabels() (problems []error) {
	for _, name := range slices.Sorted(maps.Keys(o.Labels)) {
		if strings.ContainsFunc(name, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
			problems = append(problems, fmt.Errorf("label %q: its name has a space or a line break; write KEY=VALUE", text.Line(name, maxLabelShown)))
		}
		if further := furtherLabel.FindStringSubmatch(o.Labels[name]); further != nil {
			problems = append(problems, fmt.Errorf("label %q: its value goes on with another label, %s=…: write each in a line of its own (in YAML below `|`, not folded)", text.Line(name, maxLabelShown), text.Line(further[1], maxLabelShown)))
		}
	}
	return problems
}
