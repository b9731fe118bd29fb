package e2e

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/envtest"
)

// step is a migration of half a second.
const step = "exports.config = { transaction: false };\nexports.up = knex => knex.raw('select pg_sleep(0.5)');\nexports.down = async () => {};\n"

// begun waits inside of the database until one of them runs: on a busy machine a question from outside takes longer than all.
const begun = `SET statement_timeout = '5min'; DO $$ BEGIN
	WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE '%pg_sleep(0.5)%' AND pid <> pg_backend_pid()) LOOP
		PERFORM pg_sleep(0.02), pg_stat_clear_snapshot();
	END LOOP;
END $$`

// The backend of a pod is killed while it migrates, at ten seeded moments: what comes next ends proven, or
// says why not.
func TestMigrationsOfKilledPodsAreGoneOnWith(t *testing.T) {
	if os.Getenv("E2E_KILLS") == "" {
		t.Skip("a quarter of an hour: make e2e-migration-kills")
	}
	h := newTarget(t, "e2e-kills")
	h.values = write(t, "values.yaml", "{secrets: {postgresPassword: e2e-password}, rbac: {mode: none}, probes: {startup: {failureThreshold: 20}}}")
	random, files := rand.New(rand.NewPCG(14, 14)), map[string]string{}
	h.apply(h.migrating("1.0.0", "", nil), filepath.Join(envtest.Env(t, "E2E_ROOT"), "charts", "backstage"))
	unsigned := []string{"--allow-unsigned-unsafe", "--soak", "0"}
	recover := append(append([]string{"recover"}, h.cluster()...), "--allow-unsigned-unsafe", "--soak", "0", "--unlock-migrations")
	proven := 0
	for round := range 10 {
		for i := range 6 {
			files[fmt.Sprintf("2026%02d%02d000000_step.js", round+1, i+1)] = step
		}
		moment := time.Duration(random.IntN(3500)) * time.Millisecond
		ended := make(chan outcome, 1)
		image := h.migrating(fmt.Sprintf("2.%d.0", round), "", maps.Clone(files))
		go func() { ended <- h.deploy(image, unsigned...) }()
		h.sql("postgres", "backstage_plugin_todo", begun)
		time.Sleep(moment)
		killBackend(t, kubectl(t, "-n", h.namespace, "get", "pods", "--selector", "app=backstage", "--sort-by", ".metadata.creationTimestamp", "-o", "jsonpath={.items[-1:].metadata.uid}"))
		first := <-ended
		next := h.deploy(h.migrating(fmt.Sprintf("2.%d.1", round), "", maps.Clone(files)), unsigned...)
		why := next.record.Error + next.record.Advice
		locked := next.exit != 0
		if locked {
			require.Contains(t, []int{1, 5}, next.exit, why)
			require.Contains(t, why, "knex_migrations_lock is held", "the true reason")
			for next.exit = 1; next.exit == 1 && t.Context().Err() == nil; time.Sleep(2 * time.Second) {
				next = stagecrew(t, recover...) // refused while a pod that was restarted may be migrating
			}
			require.Zero(t, next.exit, next.record.Error+next.record.Advice)
		}
		t.Logf("round %d: killed %s after the first migration began: the deploy ended with %d, the next one %s", round, moment, first.exit, map[bool]string{true: "named the lock, and recover --unlock-migrations proved it", false: "was proven"}[locked])
		require.Equal(t, record.MarkGood, h.status()[0].Verdict)
		proven++
	}
	require.Equal(t, 10, proven)
}

// killBackend sends SIGKILL to the backend of a pod from outside of it, as the kernel does
// when memory is short: a pod that is deleted by force gets a SIGTERM and two seconds first.
func killBackend(t *testing.T, pod string) {
	t.Helper()
	killed := envtest.Signal(t, syscall.SIGKILL, func(p envtest.Process) bool {
		return strings.Contains(p.Groups, "/pod"+pod+"/") && strings.Contains(p.Command, "packages/backend")
	})
	require.Positive(t, killed, "the backend of pod %s", pod)
}
