package target

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
)

// metricsTable asks Prometheus, which finds Backstage's pods by the chart's annotations
// and is let in by its policy.
func (g *site) metricsTable() {
	g.t.Helper()
	pods := strings.Fields(kubectl(g.t, "-n", namespace, "get", "pods", "-l", "app=backstage", "-o", "jsonpath={.items[*].metadata.name}"))
	g.doc.section("Prometheus: what it reads of each pod", "query", "pods", "value")
	for _, row := range []struct {
		query string
		shown func(float64) string
	}{
		{`up{namespace="backstage"}`, func(v float64) string { return strconv.Itoa(int(v)) }},
		{`process_resident_memory_bytes{namespace="backstage"}`, func(v float64) string { return strconv.Itoa(int(v/1e6)) + " MB" }},
		{`sum by (pod) (catalog_entities_count{namespace="backstage"})`, func(v float64) string { return strconv.Itoa(int(v)) + " entities" }},
	} {
		var values map[string]float64
		require.Eventually(g.t, func() bool {
			values = g.prometheus(row.query)
			for _, pod := range pods {
				if values[pod] <= 0 {
					return false
				}
			}
			return true
		}, 2*time.Minute, time.Second, "%s of %v: %v", row.query, pods, values)
		g.doc.row("`"+row.query+"`", strconv.Itoa(len(pods)), row.shown(values[pods[0]]))
	}
}

// prometheus answers a query by the names of pods, through the API server.
func (g *site) prometheus(query string) map[string]float64 {
	g.t.Helper()
	out := kubectl(g.t, "get", "--raw", "/api/v1/namespaces/monitoring/services/prometheus:http/proxy/api/v1/query?query="+url.QueryEscape(query))
	var answer struct {
		Data struct {
			Result []struct {
				Metric struct{ Pod string }
				Value  [2]json.RawMessage // when, and the value as a string
			}
		}
	}
	require.NoError(g.t, json.Unmarshal([]byte(out), &answer), "%s", out)
	values := map[string]float64{}
	for _, r := range answer.Data.Result {
		var text string
		require.NoError(g.t, json.Unmarshal(r.Value[1], &text))
		value, err := strconv.ParseFloat(text, 64)
		require.NoError(g.t, err)
		values[r.Metric.Pod] = value
	}
	return values
}
