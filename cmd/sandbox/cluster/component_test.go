package cluster

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func testSupervisor(t *testing.T) *supervisor {
	node := testNode(t, 0)
	for _, dir := range []string{"components", "logs"} {
		require.NoError(t, os.MkdirAll(node.Path(dir), 0o755))
	}
	life, cancel := context.WithCancel(context.Background())
	s := &supervisor{node: node, say: func(string, ...any) {}, life: life}
	t.Cleanup(func() { cancel(); s.kept.Wait() })
	return s
}

func TestAComponentThatEndsAtItsStartIsShownWithItsLog(t *testing.T) {
	s := testSupervisor(t)
	err := s.up(t.Context(), component{name: "etcd", path: "/bin/sh", args: []string{"-c", "echo no space left; exit 3"},
		ready: func(context.Context) error { return errors.New("connection refused") }})
	require.ErrorContains(t, err, "etcd ended at its start: exit status 3")
	require.ErrorContains(t, err, "no space left")
}

func TestAComponentIsPreparedBeforeEachStart(t *testing.T) {
	s := testSupervisor(t)
	var starts atomic.Int32
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c := component{name: "kubelet", path: "/bin/sh", args: []string{"-c", "sleep 0.1"},
		before: func() error { starts.Add(1); return nil }, ready: func(context.Context) error { return nil }}
	require.NoError(t, s.up(ctx, c))
	require.NoError(t, until(ctx, func() error {
		if starts.Load() < 2 {
			return errors.New("not started again")
		}
		return nil
	}))
	c.before = func() error { return errors.New("no such controller") }
	c.ready = func(context.Context) error { return errors.New("connection refused") }
	require.ErrorContains(t, s.up(ctx, c), "no such controller")
}

func TestAComponentIsStartedAgain(t *testing.T) {
	s := testSupervisor(t)
	second := s.node.Path("second")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(t, s.up(ctx, component{name: "etcd", path: "/bin/sh",
		args:  []string{"-c", "test -e first && exec touch second; touch first; sleep 0.1"},
		ready: func(context.Context) error { _, err := os.Stat(s.node.Path("first")); return err }}))
	require.NoError(t, until(ctx, func() error { _, err := os.Stat(second); return err }))
}
