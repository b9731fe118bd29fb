package site

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/deploy"
	"github.com/stagecrew/stagecrew/pkg/kube"
	"github.com/stagecrew/stagecrew/pkg/kube/kubetest"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/smoke"
	"github.com/stagecrew/stagecrew/pkg/smoke/checks"
)

// One wrong answer is enough: nobody waits for a page that hangs before the rollback.
func TestTheProberCutsShortWhatNoLongerCounts(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hangs" {
			<-r.Context().Done()
		}
		w.WriteHeader(http.StatusNotFound)
	}))
	defer server.Close()
	suite := checks.Suite{Attempts: 1, Checks: []checks.Check{{Name: "hangs", Path: "/hangs"}, {Name: "wrong", Path: "/"}}}
	p := Prober{suite: &suite, url: server.URL}
	checks, err := p.Probe(t.Context(), deploy.Targets{Enough: func(c record.Check) bool { return c.Result == "failed" }})
	require.NoError(t, err)
	require.Equal(t, []record.CheckResult{record.CheckInconclusive, record.CheckFailed}, []record.CheckResult{checks[0].Result, checks[1].Result})
	require.Contains(t, checks[0].Detail, "cut short, because wrong on ")
}

// asked answers as its pod or Service does, each after its time, and knows no sockets.
type asked struct {
	status int
	after  time.Duration
}

func (a asked) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case <-time.After(a.after):
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	}
	return &http.Response{StatusCode: a.status, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
}

func TestThePodsSpeakFirst(t *testing.T) {
	const quick, slow, endless = time.Second, 5 * time.Second, time.Hour
	for name, c := range map[string]struct {
		targets map[string]asked
		pods    bool
		took    time.Duration
		results map[string]record.CheckResult
	}{
		"a Service fails, and the pod fails soon after": {map[string]asked{"Service/web": {500, quick}, "Pod/a": {500, slow}}, true, slow,
			map[string]record.CheckResult{"Service/web": record.CheckFailed, "Pod/a": record.CheckFailed}},
		"a Service fails, and the pod passes": {map[string]asked{"Service/web": {500, quick}, "Pod/a": {200, slow}}, true, slow,
			map[string]record.CheckResult{"Service/web": record.CheckFailed, "Pod/a": record.CheckPassed}},
		"a Service fails, and the pod hangs": {map[string]asked{"Service/web": {500, quick}, "Pod/a": {200, endless}}, true, quick + podsSpeakFirst,
			map[string]record.CheckResult{"Service/web": record.CheckFailed, "Pod/a": record.CheckInconclusive}},
		"a pod fails, and the Service hangs": {map[string]asked{"Service/web": {200, endless}, "Pod/a": {500, quick}}, true, quick,
			map[string]record.CheckResult{"Service/web": record.CheckInconclusive, "Pod/a": record.CheckFailed}},
		"a Service fails, and no pod is asked": {map[string]asked{"Service/web": {500, quick}, "Service/other": {200, endless}}, false, quick,
			map[string]record.CheckResult{"Service/web": record.CheckFailed, "Service/other": record.CheckInconclusive}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				suite := checks.Suite{Attempts: 1, Budget: 24 * time.Hour, Timeout: 24 * time.Hour, Checks: []checks.Check{{Name: "page", Path: "/"}}}
				asking, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				var targets []smoke.Target
				for name, transport := range c.targets {
					kind := record.TargetService
					if name == "Pod/a" {
						kind = record.TargetPod
					}
					told := enough(deploy.Targets{Enough: func(c record.Check) bool { return c.Result == record.CheckFailed }, Pods: make([]record.Pod, map[bool]int{true: 1}[c.pods])}, cancel)
					targets = append(targets, smoke.Target{Name: name, Kind: kind, BaseURL: inCluster(false), Transport: transport, Told: told})
				}
				began := time.Now()
				results := map[string]record.CheckResult{}
				for _, check := range (Prober{}).send(asking, suite, targets) {
					results[check.Target] = check.Result
				}
				require.Equal(t, c.results, results)
				require.Equal(t, c.took, time.Since(began).Round(time.Second))
			})
		})
	}
}

func TestUntargeted_SaysWhyThereIsNothingToAsk(t *testing.T) {
	deleted := record.Cause{Code: "rollout/deleted", Object: "Service/web", Message: "somebody has deleted it"}
	require.Equal(t, "Service/web: somebody has deleted it [rollout/deleted]", untargeted(record.Rollout{Cause: &deleted}))
	require.Equal(t, "it wants no pods", untargeted(record.Rollout{Idle: true}))
	require.Equal(t, "a; b", untargeted(record.Rollout{Unproven: []string{"a", "b"}}))
	require.Contains(t, untargeted(record.Rollout{}), "no pod with an HTTP port runs the image")
}

func TestProber_AsksServicesAndThePublicURLInOrder(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { asked = append(asked, r.URL.Path) }))
	defer server.Close()
	public := httptest.NewServer(http.NotFoundHandler())
	defer public.Close()
	cluster, err := kube.Connect(kube.Options{Kubeconfig: kubetest.Kubeconfig(t, server.URL)})
	require.NoError(t, err)
	suite := checks.Suite{Attempts: 1, Checks: []checks.Check{{Name: "page", Path: "/"}}}
	p := Prober{cluster: cluster, suite: &suite, url: public.URL}
	checks, err := p.Probe(t.Context(), deploy.Targets{Services: []record.Service{{Name: "web", Namespace: "portal", Port: 80}}})
	require.NoError(t, err)
	require.Equal(t, []string{"/api/v1/namespaces/portal/services/http:web:80/proxy/"}, asked)
	require.Len(t, checks, 2)
	require.Equal(t, "Service/web", checks[0].Target)
	require.Equal(t, record.CheckPassed, checks[0].Result, checks[0].Detail)
	require.Equal(t, public.URL, checks[1].Target)
	require.Equal(t, record.CheckFailed, checks[1].Result)

	none, err := Prober{}.Probe(t.Context(), deploy.Targets{})
	require.NoError(t, err)
	require.Empty(t, none, "without checks nothing is asked")
}
