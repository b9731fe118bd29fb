package rollout

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// serving is a slice of the Service "web" with these pods ready.
func serving(uids ...types.UID) *discoveryv1.EndpointSlice {
	slice := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Name: "web-1", Namespace: "portal", Labels: map[string]string{discoveryv1.LabelServiceName: "web"}}}
	for _, uid := range uids {
		yes := true
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Conditions: discoveryv1.EndpointConditions{Ready: &yes},
			TargetRef: &corev1.ObjectReference{Kind: "Pod", UID: uid}})
	}
	return slice
}

func TestAServiceMustLeadToTheNewPodsAndToNoOldOne(t *testing.T) {
	no := false
	terminating := serving("web-new", "web-old")
	terminating.Endpoints[1].Conditions.Ready = &no
	others := serving()
	others.Labels[discoveryv1.LabelServiceName] = "other"
	for name, c := range map[string]struct {
		slices  []*discoveryv1.EndpointSlice
		selects string
		missing string // "" when the rollout is complete
	}{
		"it does":                           {[]*discoveryv1.EndpointSlice{serving("web-new")}, "web", ""},
		"over two slices":                   {[]*discoveryv1.EndpointSlice{serving(), serving("web-new")}, "web", ""},
		"no slice yet":                      {nil, "web", "Service/web: 0 of 1 new pods in its EndpointSlices"},
		"the old pod is still there":        {[]*discoveryv1.EndpointSlice{serving("web-new", "web-old")}, "web", "Service/web: 1 of 1 new pods in its EndpointSlices, 1 old"},
		"the old pod is there, terminating": {[]*discoveryv1.EndpointSlice{terminating}, "web", ""},
		"somebody else's pod serves, too":   {[]*discoveryv1.EndpointSlice{serving("web-new", "canary")}, "web", ""},
		"the slice of another Service":      {[]*discoveryv1.EndpointSlice{others}, "web", "Service/web: 0 of 1 new pods in its EndpointSlices"},
		"it selects none of the pods":       {nil, "mail", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := deployed()
			old := pod("web-old", "old", true)
			old.DeletionTimestamp = &metav1.Time{Time: noon}
			s.pods = append(s.pods, old)
			s.services = []service{{namespace: "portal", name: "web", selector: labels.SelectorFromSet(labels.Set{"app": c.selects})}}
			s.slices = c.slices
			v := newJudge(nil).decide(s, noon)
			require.Equal(t, c.missing == "", v.ready)
			require.Nil(t, v.failed)
			require.Contains(t, v.progress, c.missing)
		})
	}
}

func TestAnOldPodThatIsGoneMustAlsoBeGoneFromTheService(t *testing.T) {
	j := newJudge(nil)
	s := deploying(pod("web-new", "new", true))
	s.services = []service{{namespace: "portal", name: "web", selector: labels.SelectorFromSet(labels.Set{"app": "web"})}}
	require.False(t, j.decide(s, noon).ready)
	s.deployments[0].Status.Replicas, s.pods = 1, s.pods[:1]
	s.slices = []*discoveryv1.EndpointSlice{serving("web-new", "web-old")}
	require.False(t, j.decide(s, noon).ready)
	s.slices = []*discoveryv1.EndpointSlice{serving("web-new")}
	require.True(t, j.decide(s, noon).ready)
}

// offering is a pod with a named port.
func offering(name, port string) *corev1.Pod {
	p := pod(name, "new", true)
	p.Spec.Containers[0].Ports = []corev1.ContainerPort{{Name: port, ContainerPort: 8080}}
	return p
}

func TestServices_EachPortMustLeadToPods(t *testing.T) {
	http, metrics := port("http", 80, "http"), port("metrics", 9464, "metrics")
	slice := func(ports ...string) *discoveryv1.EndpointSlice {
		s := serving("web-new")
		for _, p := range ports {
			s.Ports = append(s.Ports, discoveryv1.EndpointPort{Name: &p})
		}
		return s
	}
	planted := slice("http")
	planted.Endpoints = append(planted.Endpoints, discoveryv1.Endpoint{Addresses: []string{"192.0.2.7"}})
	for name, c := range map[string]struct {
		service service
		slice   *discoveryv1.EndpointSlice
		code    string // "" when the rollout is complete
		note    string
	}{
		"an address that somebody has planted": {service{ports: []corev1.ServicePort{http}, asked: 80}, planted, "", "Service/web: port http (80) also leads to 192.0.2.7, which is no pod: EndpointSlice/web-1, which somebody else has written"},
		"it does":                              {service{ports: []corev1.ServicePort{http}, asked: 80}, slice("http"), "", ""},
		"the slice has no port yet":            {service{ports: []corev1.ServicePort{http}, asked: 80}, slice(), codeEndpoints, ""},
		"no pod has the port any more":         {service{ports: []corev1.ServicePort{metrics}, led: []string{"9464/TCP"}}, slice(), codeNowhere, ""},
		"no pod has the port that is asked":    {service{ports: []corev1.ServicePort{http, metrics}, asked: 9464}, slice("http"), codeNowhere, ""},
		"no pod has the only port":             {service{ports: []corev1.ServicePort{metrics}}, slice(), codeNowhere, ""},
		// https://github.com/goharbor/harbor-helm/issues/959, https://github.com/pomerium/pomerium-helm/issues/322
		"a port that an option would have made": {service{ports: []corev1.ServicePort{http, metrics}, asked: 80}, slice("http"), "", `Service/web: port metrics (9464) leads nowhere: no container of its pods has a port named "metrics"`},
		"it may be so":                          {service{ports: []corev1.ServicePort{metrics}, led: []string{"9464/TCP"}, smoke: "false"}, slice(), "", `Service/web: port metrics (9464) leads nowhere: no container of its pods has a port named "metrics"`},
		"a headless one":                        {service{ports: []corev1.ServicePort{metrics}, headless: true}, slice(), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := deployed()
			s.pods = []*corev1.Pod{offering("web-new", "http")}
			c.service.namespace, c.service.name, c.service.selector = "portal", "web", labels.SelectorFromSet(labels.Set{"app": "web"})
			s.services, s.slices = []service{c.service}, []*discoveryv1.EndpointSlice{c.slice}
			v := newJudge(nil).decide(s, noon)
			require.Equal(t, c.code == "", v.ready)
			if c.code != "" {
				require.Contains(t, newJudgeMemory(s), c.code)
			}
			if c.note != "" {
				require.Equal(t, []string{c.note}, v.notes)
			}
		})
	}
}

// newJudgeMemory are the codes of what is wrong in one look.
func newJudgeMemory(s snapshot) []string {
	j := newJudge(nil)
	j.decide(s, noon)
	var codes []string
	for _, one := range j.memory.inSight(noon) {
		codes = append(codes, one.cause.Code)
	}
	return codes
}

// devops-ia/helm-opencti#258, helm/charts#21508, restatedev/restate#3905: after an
// upgrade the Service selects no pod.
func TestServices_OneThatSelectsNoPodAnyMoreIsAFailure(t *testing.T) {
	typo := service{namespace: "portal", name: "web", selector: labels.SelectorFromSet(labels.Set{"app": "web", "component": "backend"})}
	before, sole, meant, idle := typo, typo, typo, typo
	before.led, sole.onlyNear, meant.led = []string{"80/TCP"}, true, []string{"80/TCP"}
	meant.smoke = "false"
	idle.selector, idle.led = labels.SelectorFromSet(labels.Set{"app": "idle"}), []string{"80/TCP"}
	for name, c := range map[string]struct {
		service service
		slices  []*discoveryv1.EndpointSlice
		seconds int
		note    bool
	}{
		"it led to pods before":                {before, nil, 15, false},
		"none leads to the application":        {sole, nil, 15, false},
		"pods of somebody else are behind it":  {before, []*discoveryv1.EndpointSlice{serving("operators-pod")}, -1, false},
		"it never led to a pod":                {typo, nil, -1, true}, // hashicorp/vault-helm: vault-standby of one server
		"it is meant to be so":                 {meant, nil, -1, true},
		"its workload has no pods, on purpose": {idle, nil, -1, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := deployed()
			s.services, s.slices = []service{c.service}, c.slices
			s.workloads = append(s.workloads, record.Workload{Kind: "Job", Namespace: "portal", Name: "done", Expires: true})
			s.templates = map[record.Workload]podSource{s.workloads[1]: {labels: map[string]string{"app": "idle"}}}
			seconds, cause := after(s, 60)
			require.Equal(t, c.seconds, seconds)
			if cause != nil {
				require.Equal(t, codeNowhere, cause.Code)
				require.Equal(t, "Service/web", cause.Object)
				return
			}
			require.Equal(t, c.note, len(newJudge(nil).decide(s, noon).notes) == 1)
		})
	}
}

// helm/helm#3275: what somebody has deleted is named, not an error.
func TestServices_OneThatIsGoneIsNamed(t *testing.T) {
	s := deployed()
	s.services = []service{{namespace: "portal", name: "web", selector: labels.Nothing(), gone: true}}
	_, cause := after(s, 20)
	require.Equal(t, record.Cause{Code: codeDeleted, Object: "Service/web", Reason: "NotFound", Message: "somebody has deleted it"}, *cause)
}
