package rollout

import (
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
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
