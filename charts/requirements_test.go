package charts_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/api/resource"
)

// requirement is a row of the target system's table. It is held by the defaults, or
// the defaults are safer and one value brings what is drawn, or no chart can hold it.
type requirement struct {
	number   int
	words    string
	held     []value // with the defaults
	instead  string  // why the defaults differ from what is drawn
	switches string  // values that bring it
	drawn    []value // with them
	cannot   string  // why no value brings it
}

// value is what stands at a path of an object.
type value struct {
	object, path string
	want         any
}

func (r requirement) verdict() string {
	switch {
	case r.cannot != "":
		return "not the chart's: " + r.cannot
	case r.switches != "":
		return "with `" + r.switches + "`: " + r.instead
	}
	return "held"
}

// numberOfRows is that of the table; every row stands in requirements.
const numberOfRows = 78

// Rows that are not the chart's: 59 (versions of TLS) and 61 (floods).
var beyondTheChart = []int{59, 61}

func TestEveryRequirementIsHeldOrHasItsSwitch(t *testing.T) {
	var switches []string
	for _, r := range requirements {
		if r.switches != "" {
			switches = append(switches, r.switches)
		}
	}
	defaults := admitted(t, mustRender(t))
	// All at once: the drawing can be had as a whole.
	seeds := admitted(t, mustRender(t, switches...))
	var beyond []int
	for i, r := range requirements {
		require.Equal(t, i+1, r.number, "the rows are in order, none is left out")
		if r.cannot != "" {
			beyond = append(beyond, r.number)
			continue
		}
		t.Run(fmt.Sprintf("%d %s", r.number, r.words), func(t *testing.T) {
			require.NotEmpty(t, append(r.held, r.drawn...))
			require.Equal(t, r.switches == "", len(r.drawn) == 0)
			require.Equal(t, r.switches == "", r.instead == "")
			holds(t, defaults, r.held)
			holds(t, seeds, r.drawn)
		})
	}
	require.Len(t, requirements, numberOfRows)
	require.Equal(t, beyondTheChart, beyond, "what the chart cannot hold has changed: say so in the README of the chart")
}

func holds(t *testing.T, documents map[string]document, values []value) {
	t.Helper()
	for _, v := range values {
		require.Contains(t, documents, v.object)
		got := at(t, documents[v.object].object, v.path)
		require.True(t, covers(v.want, got), "%s %s\nwanted: %v\ngot:    %v", v.object, v.path, v.want, got)
	}
}

// holding is a text that has all these parts.
type holding []string

// covers reports whether got is what is wanted, beside fields that the API server
// fills in. 1000m is 1.
func covers(want, got any) bool {
	switch want := want.(type) {
	case holding:
		text, _ := got.(string)
		for _, part := range want {
			if !strings.Contains(text, part) {
				return false
			}
		}
		return true
	case map[string]any:
		mapping, ok := got.(map[string]any)
		for key, value := range want {
			ok = ok && covers(value, mapping[key])
		}
		return ok
	case []any:
		list, ok := got.([]any)
		ok = ok && len(list) == len(want)
		for i, value := range want {
			ok = ok && covers(value, list[i])
		}
		return ok
	case string:
		a, err := resource.ParseQuantity(want)
		if text, isText := got.(string); err == nil && isText {
			b, err := resource.ParseQuantity(text)
			return err == nil && a.Cmp(b) == 0
		}
	}
	return want == got
}

// The table says for each row how the chart has it; people read it.
func TestTheTableOfRequirementsIsInTheREADME(t *testing.T) {
	var table strings.Builder
	table.WriteString("\n| | drawn | in the chart |\n|---|---|---|\n")
	for _, r := range requirements {
		fmt.Fprintf(&table, "| %d | %s | %s |\n", r.number, r.words, r.verdict())
	}
	inTheREADME(t, "requirements", table.String())
}

// inTheREADME compares what stands between two markers of the chart's README.
func inTheREADME(t *testing.T, marker, want string) {
	t.Helper()
	const file = "backstage/README.md"
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	part := regexp.MustCompile(`(?s)(<!-- generated: ` + marker + ` -->\n).*?(<!-- end -->)`)
	require.Regexp(t, part, string(text))
	if *update {
		text = part.ReplaceAll(text, []byte("${1}"+strings.ReplaceAll(want, "$", "$$")+"${2}"))
		require.NoError(t, os.WriteFile(file, text, 0o600))
	}
	require.Equal(t, want, strings.TrimSuffix(strings.TrimPrefix(part.FindString(string(text)), "<!-- generated: "+marker+" -->\n"), "<!-- end -->"),
		"run make generate")
}

func TestSelectorsChooseTheirOwnPodsOnly(t *testing.T) {
	documents := mustRender(t)
	for key, target := range map[string]string{service: deployment, "Service/psql-postgresql": database, "Service/psql-postgresql-hl": database} {
		selector := at(t, documents[key].object, "spec.selector")
		require.Equal(t, selector, at(t, documents[target].object, "spec.selector.matchLabels"), key)
		labels, ok := at(t, documents[target].object, "spec.template.metadata.labels").(map[string]any)
		require.True(t, ok)
		for name, value := range selector.(map[string]any) {
			require.Equal(t, value, labels[name], key)
		}
	}
}

func TestAnotherNameRenamesEverything(t *testing.T) {
	documents := mustRender(t, `{nameOverride: portal2, postgresql: {name: portal2-db}}`)
	for key, document := range documents {
		require.Contains(t, key, "portal2")
		require.NotContains(t, document.text, "name: backstage\n"+strings.Repeat(" ", 2)+"namespace", key)
	}
	require.Equal(t, "portal2-db.backstage.svc.cluster.local", at(t, documents["ConfigMap/portal2-env-config"].object, "data.POSTGRES_HOST"))
	require.Equal(t, "portal2-secrets", at(t, documents["Deployment/portal2"].object, container+"envFrom[1].secretRef.name"))
}

func TestTheBudgetsFitIntoEachOther(t *testing.T) {
	object := mustRender(t)[deployment].object
	number := func(path string) float64 {
		value, ok := at(t, object, path).(float64)
		require.True(t, ok, path)
		return value
	}
	start := number(container+"startupProbe.initialDelaySeconds") + number(container+"startupProbe.periodSeconds")*number(container+"startupProbe.failureThreshold")
	var waited float64
	_, err := fmt.Sscan(fmt.Sprint(at(t, object, wait+"env[TIMEOUT].value")), &waited)
	require.NoError(t, err)
	require.Equal(t, 150.0, start)
	require.Greater(t, number("spec.progressDeadlineSeconds"), start+waited)
	require.Greater(t, number(pod+"terminationGracePeriodSeconds"), number(container+"lifecycle.preStop.sleep.seconds")+30)
}
