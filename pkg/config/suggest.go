package config

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/agext/levenshtein"
)

// maxTypo is how many letters may differ for a name to count as a typing error.
const maxTypo = 3

// folded is a name as it counts for a typing error: imageValuesPath and image_values_path
// are what people write who come from other tools (rust-lang/rls#1153,
// spring-projects/spring-tools#327).
func folded(name string) string {
	return strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(name))
}

// elsewhere are settings of helm upgrade that are needless or have another form here, by what
// is said of them: people put another program's name before the rest of a command line
// (databus23/helm-diff#243, helm/helm#31900, bitovi/github-actions-deploy-eks-helm#6).
var elsewhere = map[string][]string{
	"a release that fails its checks is rolled back without it":                                                   {"atomic", "rollback-on-failure"},
	"it always waits until the rollout is proved or has failed, for Jobs and hooks, too; --timeout says how long": {"wait", "wait-for-jobs"},
	"a release that is not there yet is always installed":                                                         {"install"},
	"the namespace of a release is made where it is not there":                                                    {"create-namespace"},
	"the version of a chart stands in its reference: --chart oci://HOST/CHART:VERSION":                            {"version"},
	"values are always those of the chart, --values and --set alone":                                              {"reset-values", "reuse-values", "reset-then-reuse-values"},
}

// suggest names the setting that was probably meant, or all there are. Of a short name
// not every letter may differ; a longer one may be a part of the one meant, as kubectl's
// context is of kube-context (kubernetes-sigs/kubectl-validate#98).
func suggest(name string, known []string, write func(string) string) string {
	for answer, names := range elsewhere {
		if slices.Contains(known, "chart") && slices.ContainsFunc(names, func(other string) bool { return folded(other) == folded(name) }) {
			return "; " + answer
		}
	}
	best, distance := "", min(maxTypo, len(name)/2)+1
	for _, candidate := range known {
		if len(name) > len(candidate)+maxTypo*utf8.UTFMax {
			continue // it takes long to tell how far a long one is
		}
		if d := levenshtein.Distance(folded(name), folded(candidate), nil); d < distance {
			best, distance = candidate, d
		}
	}
	if best != "" {
		return "; did you mean " + write(best) + "?"
	}
	var all, parts []string
	for _, candidate := range known {
		all = append(all, write(candidate))
		if len(name) >= maxTypo && strings.Contains("-"+candidate+"-", "-"+name+"-") {
			parts = append(parts, write(candidate))
		}
	}
	if len(parts) > 0 {
		return "; did you mean " + strings.Join(parts, " or ") + "?"
	}
	return "; allowed are " + strings.Join(all, ", ")
}
