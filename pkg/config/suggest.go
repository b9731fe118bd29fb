package config

import (
	"strings"
	"unicode/utf8"

	"github.com/agext/levenshtein"
)

// maxTypo is how many letters may differ for a name to count as a typing error.
const maxTypo = 3

// suggest names the setting that was probably meant, or all there are.
func suggest(name string, known []string, write func(string) string) string {
	best, distance := "", maxTypo+1
	for _, candidate := range known {
		if len(name) > len(candidate)+maxTypo*utf8.UTFMax {
			continue // it takes long to tell how far a long one is
		}
		if d := levenshtein.Distance(name, candidate, nil); d < distance {
			best, distance = candidate, d
		}
	}
	if best != "" {
		return "; did you mean " + write(best) + "?"
	}
	all := make([]string, len(known))
	for i, candidate := range known {
		all[i] = write(candidate)
	}
	return "; allowed are " + strings.Join(all, ", ")
}
