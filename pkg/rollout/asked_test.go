package rollout

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/stagecrew/stagecrew/pkg/record"
)

const (
	digest   = "sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945"
	released = "registry.test/portal@" + digest
)

// making is a workload whose pods have its name as label "app".
func making(kind, name, image string, probe *corev1.Probe, ports ...corev1.ContainerPort) target {
	c := corev1.Container{Name: "main", Image: image, Ports: ports, ReadinessProbe: probe}
	return target{Workload: record.Workload{Kind: kind, Namespace: "portal", Name: name},
		podSource: podSource{labels: map[string]string{"app": name}, spec: corev1.PodSpec{Containers: []corev1.Container{c}}}}
}

// leading is a Service that selects the pods of one workload.
func leading(name, to string, ports ...corev1.ServicePort) service {
	return service{namespace: "portal", name: name, selector: labels.SelectorFromSet(labels.Set{"app": to}), ports: ports}
}

func port(name string, number int32, to any) corev1.ServicePort {
	p := corev1.ServicePort{Name: name, Port: number}
	switch v := to.(type) {
	case string:
		p.TargetPort = intstr.FromString(v)
	case int:
		p.TargetPort = intstr.FromInt(v)
	}
	return p
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
	app := making("Deployment", "app", released, get("http", ""), named("http", 8080), named("metrics", 9464))
	main := leading("app", "app", port("http", 80, "http"))
	off, on, other := main, main, main
	off.smoke, on.smoke, other.smoke = "false", "true", "9464"
	other.ports = append(other.ports, port("metrics", 9464, "metrics"))
	headless := main
	headless.headless = true
	none := int32(0)
	asleep := app
	asleep.replicas = &none
	cases := map[string]struct {
		targets  []target
		services []service
		wanted   []string
		image    string
		asked    []string       // "NAME:PORT" of Services, with " https"
		pods     map[string]int // by workload; 0 is asked without a port
	}{
		"the application": {[]target{app}, []service{main}, nil, released, []string{"app:80"}, map[string]int{"app": 8080}},
		// PostHog/charts-clickhouse, SigNoz/signoz#358
		"beside it a cache and a worker": {[]target{app, making("Deployment", "cache", "redis:8", nil, named("redis", 6379)), making("Deployment", "worker", released, nil)},
			[]service{main, leading("cache", "cache", port("", 6379, nil))}, nil, released, []string{"app:80"}, map[string]int{"app": 8080}},
		// helm/charts#21514: metrics beside the page, in the same pods
		"a metrics Service of the same pods": {[]target{app}, []service{leading("app-metrics", "app", port("metrics", 9464, "metrics")), main}, nil, released, []string{"app:80"}, map[string]int{"app": 8080}},
		"a metrics Service that calls its port http": {[]target{app}, []service{leading("app-metrics", "app", port("http", 9464, "metrics")), main}, nil, released,
			[]string{"app:80"}, map[string]int{"app": 8080}},
		"metrics first in one Service": {[]target{app}, []service{leading("app", "app", port("metrics", 9464, "metrics"), port("http", 80, "http"))}, nil, released,
			[]string{"app:80"}, map[string]int{"app": 8080}},
		// jenkinsci/helm-charts: a StatefulSet, and a Service for agents
		"a StatefulSet with a Service for agents": {[]target{making("StatefulSet", "jenkins", released, get("http", ""), named("http", 8080), named("agent-listener", 50000))},
			[]service{leading("jenkins-agent", "jenkins", port("agent-listener", 50000, 50000)), leading("jenkins", "jenkins", port("http", 8080, 8080))}, nil, released,
			[]string{"jenkins:8080"}, map[string]int{"jenkins": 8080}},
		"a port without a name beside the probe's": {[]target{making("Deployment", "a", released, get(9000, ""), named("", 9000), named("", 9001))},
			[]service{leading("a", "a", port("console", 9001, 9001), port("api", 9000, 9000))}, nil, released, []string{"a:9000"}, map[string]int{"a": 9000}},
		"https by name": {[]target{making("Deployment", "a", released, nil, named("web", 8443))},
			[]service{leading("a", "a", port("https", 443, "web"))}, nil, released, []string{"a:443 https"}, map[string]int{"a": 8443}},
		"https that a load balancer ends":          {[]target{app}, []service{leading("app", "app", port("https", 443, "http"))}, nil, released, []string{"app:443"}, map[string]int{"app": 8080}},
		"https by the probe":                       {[]target{making("Deployment", "a", released, get(8443, "HTTPS"))}, []service{leading("a", "a", port("web", 80, 8443))}, nil, released, []string{"a:80 https"}, map[string]int{"a": 8443}},
		"a headless Service only":                  {[]target{app}, []service{headless}, nil, released, nil, map[string]int{"app": 8080}},
		"no Service":                               {[]target{app}, nil, nil, released, nil, map[string]int{"app": 8080}},
		"no Service and no port":                   {[]target{making("Deployment", "worker", released, nil)}, nil, nil, released, nil, map[string]int{"worker": 0}},
		"UDP only":                                 {[]target{app}, []service{leading("dns", "app", corev1.ServicePort{Name: "http", Port: 53, Protocol: corev1.ProtocolUDP})}, nil, released, nil, map[string]int{"app": 8080}},
		"a Service of no replicas":                 {[]target{asleep}, []service{main}, nil, released, nil, map[string]int{"app": 8080}},
		"nothing known of the image":               {[]target{app, making("StatefulSet", "db", "x", nil)}, []service{main, leading("db", "db", port("", 5432, nil))}, nil, "", []string{"app:80"}, map[string]int{"app": 8080}},
		"an annotation says no":                    {[]target{app}, []service{off, leading("web", "app", port("http", 81, "http"))}, nil, released, []string{"web:81"}, map[string]int{"app": 8080}},
		"an annotation names the port":             {[]target{app}, []service{other}, nil, released, []string{"app:9464"}, map[string]int{"app": 9464}},
		"an annotation on what runs another image": {[]target{making("Deployment", "app", "nginx:1", nil, named("http", 80))}, []service{on}, nil, released, []string{"app:80"}, map[string]int{"app": 80}},
		"a setting": {[]target{app, making("Deployment", "docs", "nginx:1", nil)}, []service{main, leading("docs", "docs", port("", 8000, nil))}, []string{"docs", "app:http"}, released,
			[]string{"docs:8000", "app:80"}, map[string]int{"app": 8080, "docs": 8000}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			a := choose(c.wanted, c.image, c.targets, c.services)
			var services []string
			for _, s := range a.services {
				services = append(services, serviceText(s))
			}
			require.ElementsMatch(t, c.asked, services)
			pods := map[string]int{}
			for _, target := range c.targets {
				if to, isAsked := a.routes[target.Workload]; isAsked {
					pods[target.Name] = to.number(target.spec, digest)
				}
			}
			if c.services == nil || len(a.services) > 0 || c.services[0].headless {
				require.Equal(t, c.pods, pods)
			}
			require.Empty(t, a.lost)
		})
	}
}

func TestChoose_ASettingThatNamesNothingIsSaid(t *testing.T) {
	a := choose([]string{"gone", "app:9"}, released, []target{making("Deployment", "app", released, nil)}, []service{leading("app", "app", port("http", 80, 8080))})
	require.Empty(t, a.services)
	require.Len(t, a.lost, 2)
}

func serviceText(s record.Service) string {
	text := fmt.Sprintf("%s:%d", s.Name, s.Port)
	if s.HTTPS {
		text += " https"
	}
	return text
}
