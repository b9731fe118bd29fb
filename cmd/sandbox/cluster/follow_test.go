package cluster

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// ended gives a context that allows a moment for things that work at once.
func ended(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func seedNothing(context.Context, Node) error { return nil }

func TestFollow(t *testing.T) {
	node := testNode(t, 0)
	require.NoError(t, os.MkdirAll(node.Path("logs"), 0o755))
	require.NoError(t, os.WriteFile(node.log("init"), []byte("mounting /run: no\n"), 0o644))
	seedFails := func(context.Context, Node) error { return errors.New("seeding the registry: no") }
	for name, test := range map[string]struct {
		progress string
		seed     func(context.Context, Node) error
		out      string
		err      string
	}{
		"a good start":              {"start etcd\ndone etcd\t0.4\nregistry-ready\nnode-ready\n", seedNothing, "etcd                        0.4 s\n", ""},
		"the registry is not full":  {"registry-ready\nnode-ready\n", seedFails, "", "seeding the registry: no"},
		"a component ended":         {"start etcd\nnode-failed etcd ended:\tits log\n", seedNothing, "", "etcd ended:\nits log"},
		"the first process is gone": {"start etcd\n", seedNothing, "", "mounting /run: no"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			err := follow(t.Context(), node, io.NopCloser(strings.NewReader(test.progress)), &out, test.seed)
			require.Equal(t, test.out, out.String())
			if test.err == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.err)
		})
	}
}

func TestAStartThatTakesTooLongNamesWhatItWaitedFor(t *testing.T) {
	node := testNode(t, 0)
	require.NoError(t, os.MkdirAll(node.Path("logs"), 0o755))
	require.NoError(t, os.WriteFile(node.log("kubelet"), []byte("no space left\n"), 0o644))
	read, write, err := os.Pipe()
	require.NoError(t, err)
	defer write.Close()
	_, err = write.WriteString("start etcd\ndone etcd\t0.4\nstart node Ready\n")
	require.NoError(t, err)
	err = follow(ended(t), node, read, io.Discard, seedNothing)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorContains(t, err, "node Ready is not ready; the end of kubelet.log:\n  no space left")
	require.NotContains(t, err.Error(), "etcd")
}

func TestTheFirstErrorStopsTheOtherSteps(t *testing.T) {
	broken := errors.New("broken")
	err := together(t.Context(),
		func(context.Context) error { return broken },
		func(ctx context.Context) error { <-ctx.Done(); return errors.New("stopped") })
	require.Equal(t, broken, err)
	require.NoError(t, together(t.Context(), func(context.Context) error { return nil }))
}

func TestTheTailOfALog(t *testing.T) {
	node := testNode(t, 0)
	require.NoError(t, os.MkdirAll(node.Path("logs"), 0o755))
	require.NoError(t, os.WriteFile(node.log("etcd"), []byte(strings.Repeat("early\n", 10000)+strings.Repeat("late\n", 15)), 0o644))
	require.Equal(t, "the end of etcd.log:"+strings.Repeat("\n  late", 15), node.tail("etcd"))
}
