package rollout

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/redact"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/detect"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
	"github.com/stagecrew/stagecrew/pkg/rollout/wording"
)

func TestOnlyALineThatNoRestartHealsIsFinal(t *testing.T) {
	l, err := newLogs(Options{LogPatterns: []string{"startup failed"}, PassingPatterns: []string{"already locked"}})
	require.NoError(t, err)
	long := "startup failed: " + strings.Repeat("x", 1<<10) + "Migration table is already locked" + strings.Repeat("x", 1<<10)
	for text, want := range map[string]cluster.Line{
		"startup failed: no route":                          {Text: "startup failed: no route", Transient: false},
		"startup failed: Migration table is already locked": {Text: "startup failed: Migration table is already locked", Transient: true, MetLock: true},
		"exec /usr/local/bin/node: exec format error":       {Text: "exec /usr/local/bin/node: exec format error", Transient: false},
		long:      {Text: wording.Shorten(long), Transient: true, MetLock: true},
		"started": {},
		"we translate the kernel's words: exec format error": {},
	} {
		found, _ := l.match(text)
		require.Equal(t, want, found)
	}
}

func TestAWrongLogPatternIsWrongInput(t *testing.T) {
	for _, o := range []Options{{LogPatterns: []string{"("}}, {PassingPatterns: []string{"("}}} {
		_, err := Watch(t.Context(), o, record.Applied{})
		require.ErrorContains(t, err, `log pattern "("`)
		require.Equal(t, record.KindInput, record.KindOf(err))
	}
}

func TestTheTailOfALogIsBounded(t *testing.T) {
	l, err := newLogs(Options{})
	require.NoError(t, err)
	r := &run{}
	for i := range 1000 {
		l.take(r, fmt.Sprintf("%d %s", i, strings.Repeat("x", i*10)))
	}
	require.LessOrEqual(t, len(r.tail), tailLines)
	require.LessOrEqual(t, r.bytes, tailBytes)
	require.True(t, strings.HasPrefix(r.tail[len(r.tail)-1], "999 "))
}

// logServer is an API server whose containers say what say writes.
func logServer(t *testing.T, say func(http.ResponseWriter, *http.Request)) (l *logs, requests func() int) {
	t.Helper()
	server := newAPIServer(t)
	server.logs = say
	l, err := newLogs(Options{Client: server.client(t), LogPatterns: []string{"never"}})
	require.NoError(t, err)
	return l, func() int { return server.count("pods/log") }
}

var c0 = podstate.Run{Namespace: "portal", Pod: "web-new", UID: "u", Name: "web"}

func TestEachRunIsAskedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var once sync.Once
		said := make(chan struct{})
		l, requests := logServer(t, func(w http.ResponseWriter, r *http.Request) {
			assert.Equal(t, "true", r.URL.Query().Get("follow"))
			fmt.Fprintf(w, "hello\n%s\nthis will never work\n", strings.Repeat("long ", 100_000))
		})
		l.changed = func() { once.Do(func() { close(said) }) }
		c1 := c0
		c1.Restarts = 1
		for range 5 {
			l.follow(t.Context(), []podstate.Run{c0})
			l.follow(t.Context(), []podstate.Run{c1}) // the one before ends by itself
		}
		<-said
		synctest.Wait()
		require.Equal(t, cluster.Line{Text: "this will never work"}, l.matched()[c1])
		require.Contains(t, l.tailOf(t.Context(), c1), "hello")
		require.Equal(t, 2, requests())
	})
}

func TestALogThatBreaksIsAskedForAgainAFewTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, requests := logServer(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "starting", http.StatusServiceUnavailable) })
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		l.follow(ctx, []podstate.Run{c0})
		require.Eventually(t, func() bool { return requests() >= 2 }, time.Minute, time.Millisecond)
		cancel()
		<-l.runs[c0].done
		require.LessOrEqual(t, requests(), maxAttempts)
	})
}

func TestALogOfAPodThatIsReadyIsNoLongerRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := logServer(t, func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		})
		l.follow(t.Context(), []podstate.Run{c0})
		l.follow(t.Context(), nil)
		<-l.runs[c0].done
		require.Zero(t, l.live)
	})
}

func TestTheLastWordsAreThoseOfTheRunThatEnded(t *testing.T) {
	l, _ := logServer(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "TypeError: x") })
	l.follow(t.Context(), []podstate.Run{c0})
	<-l.runs[c0].done
	next := c0
	next.Restarts = 1
	w := &watch{logs: l}
	end := detect.Trouble{Cause: record.Cause{Code: causes.CrashLoop, Message: "exited once"}, Run: next}
	w.explain(t.Context(), &end)
	require.Equal(t, "exited once; it said: TypeError: x", end.Cause.Message)
	w.explain(t.Context(), &end)
	require.Equal(t, "exited once; it said: TypeError: x", end.Cause.Message, "once is enough")
	muted := &redact.Redactor{}
	muted.Mute(record.Saying...)
	require.Equal(t, "exited once; it said: (left out)", muted.Text(end.Cause.Message), "it may hold a secret")
	other := detect.Trouble{Cause: record.Cause{Code: causes.ImageNotFound}, Run: next}
	w.explain(t.Context(), &other)
	require.Empty(t, other.Cause.Message)
}

// What a program says when it starts is not why it ended: a pod that took its time was read
// while it started, and no more once it was ready (oblien/openship#335).
func TestTheLastWordsAreNotThoseOfTheStart(t *testing.T) {
	for name, restarts := range map[string]int32{"it waits for its next start": 0, "it runs again": 1} {
		t.Run(name, func(t *testing.T) {
			server := newAPIServer(t)
			server.logs = func(w http.ResponseWriter, r *http.Request) {
				q := r.URL.Query()
				fmt.Fprintln(w, "release 2 starts")
				w.(http.Flusher).Flush()
				switch {
				case q.Get("follow") == "true":
					<-r.Context().Done()
				case (q.Get("previous") == "true") == (restarts > 0):
					fmt.Fprintln(w, "lost the lease")
				}
			}
			pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: c0.Namespace, Name: c0.Pod, UID: c0.UID}}
			pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: c0.Name, RestartCount: restarts}}
			server.put(pod)
			l, err := newLogs(Options{Client: server.client(t), LogPatterns: []string{"starts"}})
			require.NoError(t, err)
			var once sync.Once
			said := make(chan struct{})
			l.changed = func() { once.Do(func() { close(said) }) }
			l.follow(t.Context(), []podstate.Run{c0})
			<-said
			l.follow(t.Context(), nil) // it is ready
			<-l.runs[c0].done
			end := detect.Trouble{Cause: record.Cause{Code: causes.NotStable, Message: "exited with code 1 after 5s"}, Run: c0}
			(&watch{client: server.client(t), logs: l}).explain(t.Context(), &end)
			require.Equal(t, "exited with code 1 after 5s; it said: lost the lease", end.Cause.Message)
		})
	}
}

func TestAFinalLineTakesThePlaceOfOneThatARestartMayHeal(t *testing.T) {
	l, err := newLogs(Options{LogPatterns: []string{"failed"}, PassingPatterns: []string{"locked"}})
	require.NoError(t, err)
	news := 0
	l.changed = func() { news++ }
	r := &run{}
	for _, text := range []string{"failed: locked", "failed: locked again", "failed: corrupt", "failed: later"} {
		l.take(r, text)
	}
	require.Equal(t, cluster.Line{Text: "failed: corrupt"}, r.found)
	require.Equal(t, 2, news)
}
