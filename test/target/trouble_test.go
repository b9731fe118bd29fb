package target

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// trouble is what happens while a release is deployed that nothing is wrong with.
type trouble struct {
	name, values string
	// meanwhile begins when the first new pod is there.
	meanwhile func() error
	exit      int
	// cause must be named where the release is taken back.
	cause, afterwards string
	// holds must be true in the end.
	holds func() bool
}

// troubles come over a deploy: what passes is waited for, and what does not is taken back.
func (g *site) troubles(image record.Image) {
	g.t.Helper()
	g.doc.section("Trouble during a deploy", "what happens", "exit", "seconds", "verdict", "afterwards")
	for i, s := range g.allTroubles() {
		release := fmt.Sprintf("trouble-%d", i)
		values := g.values(release+".yaml", published+"replicaCount: 2\npodAnnotations: {release: "+release+"}\n"+s.values)
		start := time.Now()
		o := g.during(release, s.meanwhile, func() outcome { return g.deploy(image, g.chart(), values) })
		took := time.Since(start)
		require.Equal(g.t, s.exit, o.exit, "%s\n%s", s.name, o.log)
		if s.cause != "" {
			require.Contains(g.t, o.record.Cause.String(), s.cause, s.name)
		}
		require.Eventually(g.t, s.holds, patience, time.Second, s.name)
		require.Eventually(g.t, g.served, patience, time.Second, s.name)
		g.doc.row(s.name, fmt.Sprint(o.exit), seconds(took), string(o.record.Verdict), s.afterwards)
	}
	g.fullVolume(image)
}

// allTroubles begin with the ConfigMap: the next one deploys the drawn one again.
func (g *site) allTroubles() []trouble {
	return []trouble{
		{
			name: "the ConfigMap alone is changed", values: "config: {logLevel: debug}\n",
			holds: func() bool {
				return g.says("debug", "exec", "deployment/backstage", "-c", "backstage", "--", "printenv", "LOG_LEVEL")
			},
			afterwards: "all pods started anew with it",
		},
		{
			name:      "PostgreSQL's pod is killed while the new pods start",
			meanwhile: func() error { return g.tries("delete", "pod", "psql-postgresql-0", "--grace-period=0", "--force") },
			holds: func() bool {
				return g.says("1", "get", "statefulset", "psql-postgresql", "-o", "jsonpath={.status.readyReplicas}")
			},
			afterwards: "the database is back with its data, Backstage connected to it anew",
		},
		{
			name: "the node is drained, and comes back after ten seconds", meanwhile: g.drain,
			holds: func() bool {
				return g.says("2", "get", "deployment", "backstage", "-o", "jsonpath={.status.readyReplicas}")
			},
			afterwards: "the disruption budget kept a pod; the deploy waited for the others",
		},
		{
			name: "the Secret is removed while the new pods start", exit: 4, cause: `secret "backstage-secrets" not found`,
			meanwhile: func() error { return g.tries("delete", "secret", "backstage-secrets") },
			holds: func() bool {
				_, err := try(g.t, "-n", namespace, "get", "secret", "backstage-secrets")
				return err == nil
			},
			afterwards: "rolled back, and the Secret is there again",
		},
	}
}

// during does something else when a release's first pod is there.
func (g *site) during(release string, meanwhile func() error, deploy func() outcome) outcome {
	g.t.Helper()
	if meanwhile == nil {
		return deploy()
	}
	done := make(chan error, 1)
	go func() { done <- errors.Join(g.starts(release), meanwhile()) }()
	o := deploy()
	require.NoError(g.t, <-done, "%s", o.log)
	return o
}

// starts waits for a release's first pod.
func (g *site) starts(release string) error {
	pods := fmt.Sprintf(`jsonpath={.items[?(@.metadata.annotations.release==%q)].metadata.name}`, release)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Second) {
		if out, err := try(g.t, "-n", namespace, "get", "pods", "-o", pods); err == nil && out != "" {
			return nil
		}
	}
	return fmt.Errorf("no pod of %s within %s", release, patience)
}

// drain empties the node of the target's pods, as far as they may go, and lets new ones in later.
func (g *site) drain() error {
	node, err := try(g.t, "get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
	if err != nil {
		return fmt.Errorf("%w: %s", err, node)
	}
	// It ends with an error where a disruption budget holds a pod.
	_, drained := try(g.t, "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--pod-selector", "app in (backstage,psql-postgresql)", "--timeout", "10s")
	if out, err := try(g.t, "uncordon", node); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	if drained == nil {
		return errors.New("nothing held a pod")
	}
	return nil
}

func (g *site) tries(args ...string) error {
	if out, err := try(g.t, append([]string{"-n", namespace}, args...)...); err != nil {
		return fmt.Errorf("kubectl %v: %w: %s", args, err, out)
	}
	return nil
}

func (g *site) says(what string, args ...string) bool {
	out, err := try(g.t, append([]string{"-n", namespace}, args...)...)
	return err == nil && out == what
}

// served reports whether visitors get the page.
func (g *site) served() bool {
	status, _ := get(g.client(g.t), "https://"+host+"/")
	return status == http.StatusOK
}
