package target

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// entities are how many the catalog takes in; TARGET_ENTITIES names another number.
const entities = 10000

// raw is a server that gives files of a repository as GitHub's raw endpoint does: the path
// is OWNER/REPOSITORY/BRANCH/FILE. The repository has groups, systems that belong to them
// and components that belong to both, two of three of which depend on another one: about
// five relations for each entity, as Backstage counts them, which is from both ends.
const raw = `
apiVersion: v1
kind: Namespace
metadata: {name: target-git}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: repository, namespace: target-git}
data:
  write.sh: |
    mkdir -p /tmp/w/team/catalog/main && cd /tmp/w/team/catalog/main
    awk -v n=ENTITIES 'BEGIN {
      root = "catalog-info.yaml"
      print "apiVersion: backstage.io/v1alpha1\nkind: Location\nmetadata: {name: all}\nspec:\n  targets:" > root
      for (i = 0; i < n; i++) {
        if (i % 100 == 0) { file = sprintf("part-%04d.yaml", i / 100); print "  - ./" file > root }
        head = "---\napiVersion: backstage.io/v1alpha1\nkind: %s\nmetadata: {name: %s-%05d, description: \"The %s with the number %d\", tags: [tag-%d]}\n"
        if (i < n / 50) { printf head "spec: {type: team, children: []}\n", "Group", "group", i, "group", i, i % 20 > file }
        else if (i < n / 50 + n / 20) { printf head "spec: {owner: group-%05d}\n", "System", "system", i, "system", i, i % 20, i % (n / 50) > file }
        else {
          printf head "spec:\n  type: service\n  lifecycle: production\n  owner: group-%05d\n  system: system-%05d\n", "Component", "component", i, "component", i, i % 20, i % (n / 50), n / 50 + i % (n / 20) > file
          if (i % 3 && i > n / 50 + n / 20 + 3) printf "  dependsOn: [component:component-%05d]\n", i - 1 - i % 2 > file
        }
        if (i % 100 == 99) close(file)
      }
    }'
    exec httpd -f -p 8080 -h /tmp/w
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: git, namespace: target-git}
spec:
  selector: {matchLabels: {app: git}}
  template:
    metadata: {labels: {app: git}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: git
        image: busybox:1.36
        command: [sh, /repository/write.sh]
        ports: [{containerPort: 8080}]
        readinessProbe: {httpGet: {path: /team/catalog/main/catalog-info.yaml, port: 8080}, periodSeconds: 1}
        volumeMounts: [{name: repository, mountPath: /repository}]
      volumes: [{name: repository, configMap: {name: repository}}]
---
apiVersion: v1
kind: Service
metadata: {name: git, namespace: target-git}
spec: {selector: {app: git}, ports: [{port: 80, targetPort: 8080}]}
`

// fromGit are the values of a Backstage that reads that server as a GitHub of its own.
const fromGit = `
  extra: {SMOKE_TOKEN: target-reads-the-catalog}
config:
  extra:
    APP_CONFIG_integrations_github: '[{"host": "git.example.com", "rawBaseUrl": "http://git.target-git.svc.cluster.local", "apiBaseUrl": "http://git.target-git.svc.cluster.local"}]'
networkPolicy: {egress: {extraRules: [{to: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: target-git}}}], ports: [{port: 8080}]}]}}
`

// pageQueries are what the catalog's pages ask for.
var pageQueries = []struct{ name, path string }{
	{"the first 20 components by name", "/api/catalog/entities/by-query?limit=20&filter=kind=component&orderField=metadata.name,asc"},
	{"20 components found by a word", "/api/catalog/entities/by-query?limit=20&filter=kind=component&fullTextFilterTerm=number%2099&fullTextFilterFields=metadata.name,metadata.description"},
	{"the tags of all components, for the filter", "/api/catalog/entity-facets?facet=metadata.tags&filter=kind=component"},
	{"one component with its relations", "/api/catalog/entities/by-name/component/default/COMPONENT"},
}

// asks makes a request of the API from within Backstage's container, ten times, and prints
// the status, the median in milliseconds and the number of entities in all.
const asks = `const [method, path, body] = %s, times = []
const ask = async () => {
  const start = performance.now()
  const answer = await fetch("http://localhost:7007" + path, {method, body, headers: {authorization: "Bearer " + process.env.SMOKE_TOKEN, "content-type": "application/json"}})
  const text = await answer.text()
  times.push(performance.now() - start)
  return [answer.status, text]
}
(async () => {
  let last
  for (let i = 0; i < (method === "GET" ? 10 : 1); i++) last = await ask()
  console.log(JSON.stringify({status: last[0], median: times.sort((a, b) => a - b)[times.length >> 1], text: last[1].slice(-300)}))
})()`

type answer struct {
	Status int
	Median float64 // milliseconds
	Text   string  // its end
}

func (g *site) asks(method, path, body string) answer {
	g.t.Helper()
	arguments, err := json.Marshal([]string{method, path, body})
	require.NoError(g.t, err)
	given := string(arguments)
	if body == "" {
		given = strings.TrimSuffix(given, `,""]`) + "]"
	}
	out := kubectl(g.t, "-n", namespace, "exec", "deployment/backstage", "-c", "backstage", "--", "node", "-e", fmt.Sprintf(asks, given))
	var a answer
	require.NoError(g.t, json.Unmarshal([]byte(out), &a), out)
	return a
}

// counted asks the catalog's database.
func (g *site) counted(query string) int {
	g.t.Helper()
	out, err := try(g.t, "-n", namespace, "exec", "psql-postgresql-0", "-c", "postgresql", "--", "psql", "-U", "postgres", "-d", "backstage_plugin_catalog", "-Atc", query)
	n, numberErr := strconv.Atoi(out)
	if err != nil || numberErr != nil {
		g.t.Logf("%s: %s", query, out)
		return -1
	}
	return n
}

const (
	stitched     = "select count(*) from final_entities where final_entity is not null"
	relations    = "select count(*) from relations"
	transactions = "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()"
	written      = "select tup_inserted + tup_updated + tup_deleted from pg_stat_database where datname = current_database()"
	megabytes    = "select pg_database_size(current_database()) >> 20"
)

// used are the processor's seconds and the most memory, in MB, that Backstage's process has had.
func (g *site) used() (seconds, memory int) {
	g.t.Helper()
	out := kubectl(g.t, "-n", namespace, "exec", "deployment/backstage", "-c", "backstage", "--", "sh", "-c",
		`set -- $(cut -d')' -f2 /proc/1/stat); shift 11; echo $((($1 + $2) / 100)); sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' /proc/1/status`)
	_, err := fmt.Sscan(out, &seconds, &memory)
	require.NoError(g.t, err, out)
	return seconds, memory / 1024
}

// TestALargeCatalog registers a repository with thousands of entities, waits until all are
// there, and compares what pages ask for with before.
func TestALargeCatalog(t *testing.T) {
	s := with(t)
	n := entities
	if other := os.Getenv("TARGET_ENTITIES"); other != "" {
		var err error
		n, err = strconv.Atoi(other)
		require.NoError(t, err)
	}
	g := newSite(t, s, "catalog")
	defer g.doc.write(t)
	apply(t, strings.ReplaceAll(raw, "ENTITIES", strconv.Itoa(n)))
	kubectl(t, "-n", "target-git", "rollout", "status", "deployment/git", "--timeout", "2m")
	g.pipeline("1.0.0", g.values("catalog.yaml", fromGit+g.reachable()))
	before := g.queryTimes("backstage")
	few := g.counted(stitched)
	g.doc.section(fmt.Sprintf("A catalog of %d entities", n))
	g.doc.line("One location is registered: a file in a repository that names %d others, which Backstage reads as from a GitHub of one's own. One pod\nwith the chart's limits (1 CPU, 2 GiB; PostgreSQL half a CPU), Backstage's own settings.", (n+99)/100)
	g.doc.machine(t)
	g.ingest(n, few)
	after := g.queryTimes(fmt.Sprintf("component-%05d", n-1))
	g.doc.line("")
	g.doc.columns("what a page asks for, median of 10", fmt.Sprintf("of %d entities", few), fmt.Sprintf("of %d", g.counted(stitched)))
	for i, q := range pageQueries {
		g.doc.row(q.name, fmt.Sprintf("%.1f ms", before[i]), fmt.Sprintf("%.1f ms", after[i]))
		require.Less(t, after[i], 2000.0, "milliseconds: %s", q.name)
	}
}

// ingest registers the repository and says how its entities come, by fifths.
func (g *site) ingest(n, few int) {
	g.t.Helper()
	firstTransactions, firstWritten := g.counted(transactions), g.counted(written)
	cpu, _ := g.used()
	start := time.Now()
	a := g.asks("POST", "/api/catalog/locations", `{"type": "url", "target": "https://git.example.com/team/catalog/blob/main/catalog-info.yaml"}`)
	require.Equal(g.t, 201, a.Status, a.Text)
	g.doc.line("")
	g.doc.columns("entities that can be seen", "after", "relations", "CPU of Backstage", "most memory of it", "transactions", "rows written", "size of the database")
	for fifth := 1; fifth <= 5; fifth++ {
		wanted := few + n*fifth/5
		if fifth == 5 {
			wanted += 2 // what was registered, and the Location that it is
		}
		require.Eventually(g.t, func() bool { return g.counted(stitched) >= wanted }, 30*time.Minute, 2*time.Second, "%d entities", wanted)
		took := time.Since(start)
		now, memory := g.used()
		g.doc.row(strconv.Itoa(g.counted(stitched)), seconds(took)+" s", strconv.Itoa(g.counted(relations)), fmt.Sprintf("%d s", now-cpu), fmt.Sprintf("%d MB", memory),
			strconv.Itoa(g.counted(transactions)-firstTransactions), strconv.Itoa(g.counted(written)-firstWritten), fmt.Sprintf("%d MB", g.counted(megabytes)))
	}
	g.t.Logf("all is there after %s", time.Since(start))
}

// queryTimes are the medians of what pages ask for, in milliseconds.
func (g *site) queryTimes(component string) []float64 {
	g.t.Helper()
	var all []float64
	for _, q := range pageQueries {
		a := g.asks("GET", strings.ReplaceAll(q.path, "COMPONENT", component), "")
		require.Equal(g.t, 200, a.Status, "%s: %s", q.name, a.Text)
		all = append(all, a.Median)
	}
	return all
}
