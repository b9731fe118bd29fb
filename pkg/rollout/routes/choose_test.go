package routes

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/internal/fixture"
)

// making is a workload whose pods have its name as label "app".
func making(kind, name, image string, probe *corev1.Probe, ports ...corev1.ContainerPort) cluster.Watched {
	c := corev1.Container{Name: "main", Image: image, Ports: ports, ReadinessProbe: probe}
	return cluster.Watched{Workload: record.Workload{Kind: kind, Namespace: "portal", Name: name},
		PodSource: cluster.PodSource{Labels: map[string]string{"app": name}, Spec: corev1.PodSpec{Containers: []corev1.Container{c}}}}
}

// leading is a Service that selects the pods of one workload.
func leading(name, to string, ports ...corev1.ServicePort) cluster.Service {
	return cluster.Service{Namespace: "portal", Name: name, Selector: labels.SelectorFromSet(labels.Set{"app": to}), Ports: ports}
}

func get(port any, scheme corev1.URIScheme) *corev1.Probe {
	p := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Scheme: scheme}}}
	switch v := port.(type) {
	case string:
		p.HTTPGet.Port = intstr.FromString(v)
	case int:
		p.HTTPGet.Port = intstr.FromInt(v)
	}
	return p
}

func TestChoose_TheSmokeChecksGoToWhatRunsTheImageAndNowhereElse(t *testing.T) {
	named := func(name string, number int32) corev1.ContainerPort {
		return corev1.ContainerPort{Name: name, ContainerPort: number}
	}
	app := making("Deployment", "app", fixture.Released, get("http", ""), named("http", 8080), named("metrics", 9464))
	main := leading("app", "app", fixture.Port("http", 80, "http"))
	off, on, other := main, main, main
	off.Smoke, on.Smoke, other.Smoke = "false", "true", "9464"
	other.Ports = append(other.Ports, fixture.Port("metrics", 9464, "metrics"))
	headless := main
	headless.Headless = true
	none := int32(0)
	asleep := app
	asleep.Replicas = &none
	cases := map[string]struct {
		targets  []cluster.Watched
		services []cluster.Service
		wanted   []string
		image    string
		asked    []string       // "NAME:PORT" of Services, with " https"
		pods     map[string]int // by workload; 0 is asked without a port
	}{
		"the application": {[]cluster.Watched{app}, []cluster.Service{main}, nil, fixture.Released, []string{"app:80"}, map[string]int{"app": 8080}},
		// PostHog/charts-clickhouse, SigNoz/signoz#358
		"beside it a cache and a worker": {[]cluster.Watched{app, making("Deployment", "cache", "redis:8", nil, named("redis", 6379)), making("Deployment", "worker", fixture.Released, nil)},
			[]cluster.Service{main, leading("cache", "cache", fixture.Port("", 6379, nil))}, nil, fixture.Released, []string{"app:80"}, map[string]int{"app": 8080}},
		// helm/charts#21514: metrics beside the page, in the same pods
		"a metrics Service of the same pods": {[]cluster.Watched{app}, []cluster.Service{leading("app-metrics", "app", fixture.Port("metrics", 9464, "metrics")), main}, nil, fixture.Released, []string{"app:80"}, map[string]int{"app": 8080}},
		"a metrics Service that calls its port http": {[]cluster.Watched{app}, []cluster.Service{leading("app-metrics", "app", fixture.Port("http", 9464, "metrics")), main}, nil, fixture.Released,
			[]string{"app:80"}, map[string]int{"app": 8080}},
		"metrics first in one Service": {[]cluster.Watched{app}, []cluster.Service{leading("app", "app", fixture.Port("metrics", 9464, "metrics"), fixture.Port("http", 80, "http"))}, nil, fixture.Released,
			[]string{"app:80"}, map[string]int{"app": 8080}},
		// jenkinsci/helm-charts: a StatefulSet, and a Service for agents
		"a StatefulSet with a Service for agents": {[]cluster.Watched{making("StatefulSet", "jenkins", fixture.Released, get("http", ""), named("http", 8080), named("agent-listener", 50000))},
			[]cluster.Service{leading("jenkins-agent", "jenkins", fixture.Port("agent-listener", 50000, 50000)), leading("jenkins", "jenkins", fixture.Port("http", 8080, 8080))}, nil, fixture.Released,
			[]string{"jenkins:8080"}, map[string]int{"jenkins": 8080}},
		"a port without a name beside the probe's": {[]cluster.Watched{making("Deployment", "a", fixture.Released, get(9000, ""), named("", 9000), named("", 9001))},
			[]cluster.Service{leading("a", "a", fixture.Port("console", 9001, 9001), fixture.Port("api", 9000, 9000))}, nil, fixture.Released, []string{"a:9000"}, map[string]int{"a": 9000}},
		"https by name": {[]cluster.Watched{making("Deployment", "a", fixture.Released, nil, named("web", 8443))},
			[]cluster.Service{leading("a", "a", fixture.Port("https", 443, "web"))}, nil, fixture.Released, []string{"a:443 https"}, map[string]int{"a": 8443}},
		"https that a load balancer ends":          {[]cluster.Watched{app}, []cluster.Service{leading("app", "app", fixture.Port("https", 443, "http"))}, nil, fixture.Released, []string{"app:443"}, map[string]int{"app": 8080}},
		"https by the probe":                       {[]cluster.Watched{making("Deployment", "a", fixture.Released, get(8443, "HTTPS"))}, []cluster.Service{leading("a", "a", fixture.Port("web", 80, 8443))}, nil, fixture.Released, []string{"a:80 https"}, map[string]int{"a": 8443}},
		"a headless Service only":                  {[]cluster.Watched{app}, []cluster.Service{headless}, nil, fixture.Released, nil, map[string]int{"app": 8080}},
		"no Service":                               {[]cluster.Watched{app}, nil, nil, fixture.Released, nil, map[string]int{"app": 8080}},
		"no Service and no port":                   {[]cluster.Watched{making("Deployment", "worker", fixture.Released, nil)}, nil, nil, fixture.Released, nil, map[string]int{"worker": 0}},
		"UDP only":                                 {[]cluster.Watched{app}, []cluster.Service{leading("dns", "app", corev1.ServicePort{Name: "http", Port: 53, Protocol: corev1.ProtocolUDP})}, nil, fixture.Released, nil, map[string]int{"app": 8080}},
		"a Service of no replicas":                 {[]cluster.Watched{asleep}, []cluster.Service{main}, nil, fixture.Released, nil, map[string]int{"app": 8080}},
		"nothing known of the image":               {[]cluster.Watched{app, making("StatefulSet", "db", "x", nil)}, []cluster.Service{main, leading("db", "db", fixture.Port("", 5432, nil))}, nil, "", []string{"app:80"}, map[string]int{"app": 8080}},
		"an annotation says no":                    {[]cluster.Watched{app}, []cluster.Service{off, leading("web", "app", fixture.Port("http", 81, "http"))}, nil, fixture.Released, []string{"web:81"}, map[string]int{"app": 8080}},
		"an annotation names the port":             {[]cluster.Watched{app}, []cluster.Service{other}, nil, fixture.Released, []string{"app:9464"}, map[string]int{"app": 9464}},
		"an annotation on what runs another image": {[]cluster.Watched{making("Deployment", "app", "nginx:1", nil, named("http", 80))}, []cluster.Service{on}, nil, fixture.Released, []string{"app:80"}, map[string]int{"app": 80}},
		"a setting": {[]cluster.Watched{app, making("Deployment", "docs", "nginx:1", nil)}, []cluster.Service{main, leading("docs", "docs", fixture.Port("", 8000, nil))}, []string{"docs", "app:http"}, fixture.Released,
			[]string{"docs:8000", "app:80"}, map[string]int{"app": 8080, "docs": 8000}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			a := Choose(c.wanted, c.image, c.targets, c.services)
			var services []string
			for _, s := range a.Services {
				services = append(services, serviceText(s))
			}
			require.ElementsMatch(t, c.asked, services)
			pods := map[string]int{}
			for _, w := range c.targets {
				if to, isAsked := a.Routes[w.Workload]; isAsked {
					pods[w.Name] = to.Number(w.Spec, fixture.Digest)
				}
			}
			if c.services == nil || len(a.Services) > 0 || c.services[0].Headless {
				require.Equal(t, c.pods, pods)
			}
			require.Empty(t, a.Lost)
		})
	}
}

func TestChoose_ASettingThatNamesNothingIsSaid(t *testing.T) {
	a := Choose([]string{"gone", "app:9"}, fixture.Released, []cluster.Watched{making("Deployment", "app", fixture.Released, nil)}, []cluster.Service{leading("app", "app", fixture.Port("http", 80, 8080))})
	require.Empty(t, a.Services)
	require.Len(t, a.Lost, 2)
}

func serviceText(s record.Service) string {
	text := fmt.Sprintf("%s:%d", s.Name, s.Port)
	if s.HTTPS {
		text += " https"
	}
	return text
}
