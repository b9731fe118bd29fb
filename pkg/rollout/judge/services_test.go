package judge

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
)

func TestAServiceMustLeadToTheNewPodsAndToNoOldOne(t *testing.T) {
	no := false
	terminating := fixture.Serving("web-new", "web-old")
	terminating.Endpoints[1].Conditions.Ready = &no
	others := fixture.Serving()
	others.Labels[discoveryv1.LabelServiceName] = "other"
	for name, c := range map[string]struct {
		slices  []*discoveryv1.EndpointSlice
		selects string
		missing string // "" when the rollout is complete
	}{
		"it does":                           {[]*discoveryv1.EndpointSlice{fixture.Serving("web-new")}, "web", ""},
		"over two slices":                   {[]*discoveryv1.EndpointSlice{fixture.Serving(), fixture.Serving("web-new")}, "web", ""},
		"no slice yet":                      {nil, "web", "Service/web: 0 of 1 new pods in its EndpointSlices"},
		"the old pod is still there":        {[]*discoveryv1.EndpointSlice{fixture.Serving("web-new", "web-old")}, "web", "Service/web: 1 of 1 new pods in its EndpointSlices, 1 old"},
		"the old pod is there, terminating": {[]*discoveryv1.EndpointSlice{terminating}, "web", ""},
		"somebody else's pod serves, too":   {[]*discoveryv1.EndpointSlice{fixture.Serving("web-new", "canary")}, "web", ""},
		"the slice of another Service":      {[]*discoveryv1.EndpointSlice{others}, "web", "Service/web: 0 of 1 new pods in its EndpointSlices"},
		"it selects none of the pods":       {nil, "mail", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := fixture.Deployed()
			old := fixture.Pod("web-old", "old", true)
			old.DeletionTimestamp = &metav1.Time{Time: fixture.Noon}
			s.Pods = append(s.Pods, old)
			s.Services = []cluster.Service{{Namespace: "portal", Name: "web", Selector: labels.SelectorFromSet(labels.Set{"app": c.selects})}}
			s.Slices = c.slices
			v := New(nil).Decide(s, fixture.Noon)
			require.Equal(t, c.missing == "", v.Ready)
			require.Nil(t, v.Failed)
			require.Contains(t, v.Progress, c.missing)
		})
	}
}

func TestAnOldPodThatIsGoneMustAlsoBeGoneFromTheService(t *testing.T) {
	j := New(nil)
	s := fixture.Deploying(fixture.Pod("web-new", "new", true))
	s.Services = []cluster.Service{{Namespace: "portal", Name: "web", Selector: labels.SelectorFromSet(labels.Set{"app": "web"})}}
	require.False(t, j.Decide(s, fixture.Noon).Ready)
	s.Deployments[0].Status.Replicas, s.Pods = 1, s.Pods[:1]
	s.Slices = []*discoveryv1.EndpointSlice{fixture.Serving("web-new", "web-old")}
	require.False(t, j.Decide(s, fixture.Noon).Ready)
	s.Slices = []*discoveryv1.EndpointSlice{fixture.Serving("web-new")}
	require.True(t, j.Decide(s, fixture.Noon).Ready)
}

// offering is a pod with a named port.
func offering(name, port string) *corev1.Pod {
	p := fixture.Pod(name, "new", true)
	p.Spec.Containers[0].Ports = []corev1.ContainerPort{{Name: port, ContainerPort: 8080}}
	return p
}

func TestServices_EachPortMustLeadToPods(t *testing.T) {
	http, metrics := fixture.Port("http", 80, "http"), fixture.Port("metrics", 9464, "metrics")
	slice := func(ports ...string) *discoveryv1.EndpointSlice {
		s := fixture.Serving("web-new")
		for _, p := range ports {
			s.Ports = append(s.Ports, discoveryv1.EndpointPort{Name: &p})
		}
		return s
	}
	planted := slice("http")
	planted.Endpoints = append(planted.Endpoints, discoveryv1.Endpoint{Addresses: []string{"192.0.2.7"}})
	for name, c := range map[string]struct {
		service cluster.Service
		slice   *discoveryv1.EndpointSlice
		code    string // "" when the rollout is complete
		note    string
	}{
		"an address that somebody has planted": {cluster.Service{Ports: []corev1.ServicePort{http}, Asked: 80}, planted, "", "Service/web: port http (80) also leads to 192.0.2.7, which is no pod: EndpointSlice/web-1, which somebody else has written"},
		"it does":                              {cluster.Service{Ports: []corev1.ServicePort{http}, Asked: 80}, slice("http"), "", ""},
		"the slice has no port yet":            {cluster.Service{Ports: []corev1.ServicePort{http}, Asked: 80}, slice(), causes.EndpointsOutdated, ""},
		"no pod has the port any more":         {cluster.Service{Ports: []corev1.ServicePort{metrics}, Led: []string{"9464/TCP"}}, slice(), causes.ServiceWithoutPods, ""},
		"no pod has the port that is asked":    {cluster.Service{Ports: []corev1.ServicePort{http, metrics}, Asked: 9464}, slice("http"), causes.ServiceWithoutPods, ""},
		"no pod has the only port":             {cluster.Service{Ports: []corev1.ServicePort{metrics}}, slice(), causes.ServiceWithoutPods, ""},
		// https://github.com/goharbor/harbor-helm/issues/959, https://github.com/pomerium/pomerium-helm/issues/322
		"a port that an option would have made": {cluster.Service{Ports: []corev1.ServicePort{http, metrics}, Asked: 80}, slice("http"), "", `Service/web: port metrics (9464) leads nowhere: no container of its pods has a port named "metrics"`},
		"it may be so":                          {cluster.Service{Ports: []corev1.ServicePort{metrics}, Led: []string{"9464/TCP"}, Smoke: "false"}, slice(), "", `Service/web: port metrics (9464) leads nowhere: no container of its pods has a port named "metrics"`},
		"a headless one":                        {cluster.Service{Ports: []corev1.ServicePort{metrics}, Headless: true}, slice(), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := fixture.Deployed()
			s.Pods = []*corev1.Pod{offering("web-new", "http")}
			c.service.Namespace, c.service.Name, c.service.Selector = "portal", "web", labels.SelectorFromSet(labels.Set{"app": "web"})
			s.Services, s.Slices = []cluster.Service{c.service}, []*discoveryv1.EndpointSlice{c.slice}
			v := New(nil).Decide(s, fixture.Noon)
			require.Equal(t, c.code == "", v.Ready)
			if c.code != "" {
				require.Contains(t, newJudgeMemory(s), c.code)
			}
			if c.note != "" {
				require.Equal(t, []string{c.note}, v.Notes)
			}
		})
	}
}

// newJudgeMemory are the codes of what is wrong in one look.
func newJudgeMemory(s cluster.Snapshot) []string {
	j := New(nil)
	j.Decide(s, fixture.Noon)
	var codes []string
	for _, one := range j.memory.inSight(fixture.Noon) {
		codes = append(codes, one.Cause.Code)
	}
	return codes
}

// devops-ia/helm-opencti#258, helm/charts#21508, restatedev/restate#3905: after an
// upgrade the Service selects no pod.
func TestServices_OneThatSelectsNoPodAnyMoreIsAFailure(t *testing.T) {
	typo := cluster.Service{Namespace: "portal", Name: "web", Selector: labels.SelectorFromSet(labels.Set{"app": "web", "component": "backend"})}
	before, sole, meant, idle := typo, typo, typo, typo
	before.Led, sole.OnlyNear, meant.Led = []string{"80/TCP"}, true, []string{"80/TCP"}
	meant.Smoke = "false"
	idle.Selector, idle.Led = labels.SelectorFromSet(labels.Set{"app": "idle"}), []string{"80/TCP"}
	for name, c := range map[string]struct {
		service cluster.Service
		slices  []*discoveryv1.EndpointSlice
		seconds int
		note    bool
	}{
		"it led to pods before":                {before, nil, 15, false},
		"none leads to the application":        {sole, nil, 15, false},
		"pods of somebody else are behind it":  {before, []*discoveryv1.EndpointSlice{fixture.Serving("operators-pod")}, -1, false},
		"it never led to a pod":                {typo, nil, -1, true}, // hashicorp/vault-helm: vault-standby of one server
		"it is meant to be so":                 {meant, nil, -1, true},
		"its workload has no pods, on purpose": {idle, nil, -1, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := fixture.Deployed()
			s.Services, s.Slices = []cluster.Service{c.service}, c.slices
			s.Workloads = append(s.Workloads, record.Workload{Kind: "Job", Namespace: "portal", Name: "done", Expires: true})
			s.Templates = map[record.Workload]cluster.PodSource{s.Workloads[1]: {Labels: map[string]string{"app": "idle"}}}
			seconds, cause := after(s, 60)
			require.Equal(t, c.seconds, seconds)
			if cause != nil {
				require.Equal(t, causes.ServiceWithoutPods, cause.Code)
				require.Equal(t, "Service/web", cause.Object)
				return
			}
			require.Equal(t, c.note, len(New(nil).Decide(s, fixture.Noon).Notes) == 1)
		})
	}
}

// helm/helm#3275: what somebody has deleted is named, not an error.
func TestServices_OneThatIsGoneIsNamed(t *testing.T) {
	s := fixture.Deployed()
	s.Services = []cluster.Service{{Namespace: "portal", Name: "web", Selector: labels.Nothing(), Gone: true}}
	_, cause := after(s, 20)
	require.Equal(t, record.Cause{Code: causes.WorkloadDeleted, Object: "Service/web", Reason: "NotFound", Message: "somebody has deleted it"}, *cause)
}
