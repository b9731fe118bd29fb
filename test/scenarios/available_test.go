package scenarios

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/test/scenarios/result"
)

// asks is a pod that asks the Service all the time, each time by a new connection;
// it prints a line a request: "ok", or wget's own words.
const asks = `
metadata: {name: client}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: client
    image: busybox:1.36
    command:
    - sh
    - -c
    - |
      while true; do
        if message=$(timeout 5 wget -q -O /dev/null http://app/ 2>&1); then echo ok; else echo failed: $message; fi
        sleep 0.05
      done
`

func TestAClientNoticesNothing(t *testing.T) {
	for i, c := range []scenario{
		{name: "a good deploy", exit: 0},
		{name: "a failed deploy with its rollback", second: `script: "echo cannot open the database >&2; exit 3"`, exit: 4},
		{name: "a deploy that fails its smoke checks, with its rollback", smoke: smokeChecks, exit: 4,
			first: answers(says("200 OK", "ok")), second: answers(says("500 Internal Server Error", "no connection"))},
	} {
		t.Run(c.name, func(t *testing.T) {
			beside(t)
			r := &result.Result{Group: result.Available, Name: c.name, Order: i}
			report(t, r)
			s := scenario{name: "available " + c.name, first: c.first, smoke: c.smoke}.prepare(t)
			_, err := s.kube.CoreV1().Pods(s.namespace).Create(s.ctx, object[corev1.Pod](asks), metav1.CreateOptions{})
			require.NoError(t, err)
			s.until("the client's first answer", func() bool { return strings.Contains(s.clientLog(), "ok\n") })
			o := s.deploy(2, c.second).recorded()
			r.Exit, r.Verdict, r.Seconds = o.exit, string(o.record.Verdict), o.seconds
			log := s.clientLog()
			r.Asked, r.Failed = strings.Count(log, "\n"), strings.Count(log, "failed")
			require.Equal(t, c.exit, o.exit)
			require.Greater(t, r.Asked, 10)
			require.Zero(t, r.Failed, log)
		})
	}
}

func (s *site) clientLog() string {
	content, err := s.kube.CoreV1().Pods(s.namespace).GetLogs("client", &corev1.PodLogOptions{}).DoRaw(s.ctx)
	if err != nil {
		return ""
	}
	return string(content)
}
