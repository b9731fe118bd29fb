package rollout

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// asked is what the smoke checks are sent to.
type asked struct {
	services []record.Service
	routes   map[record.Workload]route // of the workloads whose pods are asked
	runs     map[record.Workload]bool  // the workloads that run the deployed image
	lost     []string                  // what was asked for and is not there
}

// route is the port of a pod that its Service leads to; the zero value means the
// port that the pod itself offers for HTTP.
type route struct {
	port  intstr.IntOrString
	https bool
	rank  rank
}

// number is the port in one pod, 0 for none.
func (r route) number(spec corev1.PodSpec, digest string) int {
	if r == (route{}) {
		return offered(spec, digest)
	}
	return resolve(spec, r.port, digest)
}

// candidate is one port of one Service that leads to pods that may be asked.
type candidate struct {
	service service
	port    corev1.ServicePort
	rank    rank
	to      []target
}

// choose says what to ask: the workloads that run the deployed image, at the port
// that their Service leads to, and those Services. Where nothing is known of the
// image, all Deployments count.
func choose(wanted []string, image string, targets []target, services []service) asked {
	a := asked{routes: map[record.Workload]route{}, runs: map[record.Workload]bool{}}
	_, digest, _ := strings.Cut(image, "@")
	var serving, running []target
	for _, t := range targets {
		if t.ends {
			continue
		}
		serving = append(serving, t)
		if t.claimsImage(digest) || digest == "" && t.Kind == "Deployment" {
			a.runs[t.Workload] = true
			running = append(running, t)
		}
	}
	if len(wanted) > 0 {
		a.take(named(wanted, services, serving, digest, &a.lost), digest)
		return a
	}
	a.take(best(offers(services, serving, running, digest)), digest)
	if len(a.routes) == 0 {
		for _, t := range running {
			a.routes[t.Workload] = route{}
		}
	}
	return a
}

// take asks these ports.
func (a *asked) take(all []candidate, digest string) {
	for _, c := range all {
		asks := false
		for _, t := range c.to {
			if t.replicas != nil && *t.replicas == 0 {
				continue
			}
			asks = true
			if known, found := a.routes[t.Workload]; !found || c.rank > known.rank {
				a.routes[t.Workload] = route{targetPort(c.port), secure(c.port, t.spec, digest), c.rank}
			}
		}
		if asks && !c.service.headless {
			a.services = append(a.services, record.Service{Namespace: c.service.namespace, Name: c.service.name,
				Port: int(c.port.Port), HTTPS: secure(c.port, c.to[0].spec, digest), Led: c.service.led})
		}
	}
}

// offers are the Services that lead to what runs the image, or whose annotation says
// that they are to be asked, each with its best port.
func offers(services []service, serving, running []target, digest string) []candidate {
	var all []candidate
	for _, s := range services {
		to, annotated := running, s.smoke != ""
		if s.smoke == "false" || s.gone {
			continue
		}
		if annotated {
			to = serving
		}
		c := candidate{service: s, to: s.leadsTo(to), rank: -1}
		for _, p := range s.ports {
			if r := c.ranked(p, digest); len(c.to) > 0 && r > c.rank {
				c.port, c.rank = p, r
			}
		}
		if annotated && c.rank >= rankNone {
			c.rank = rankWanted
		}
		if c.rank >= rankNone {
			all = append(all, c)
		}
	}
	return all
}

// best leaves, for each workload, the Services whose port is most likely the
// application's: its metrics and its agents' ports have Services, too.
func best(all []candidate) []candidate {
	most, any := map[record.Workload]rank{}, rankNone
	for _, c := range all {
		any = max(any, c.rank)
		for _, t := range c.to {
			most[t.Workload] = max(most[t.Workload], c.rank)
		}
	}
	return slices.DeleteFunc(all, func(c candidate) bool {
		leads := func(t target) bool { return c.rank >= most[t.Workload] }
		return c.rank < rankWanted && (!slices.ContainsFunc(c.to, leads) || c.rank == rankNone && any > rankNone)
	})
}

// named are the Services that a setting names, as NAME or NAME:PORT.
func named(wanted []string, services []service, serving []target, digest string, lost *[]string) []candidate {
	var all []candidate
	for _, text := range wanted {
		name, port, _ := strings.Cut(text, ":")
		i := slices.IndexFunc(services, func(s service) bool { return s.name == name && !s.gone })
		if i < 0 {
			*lost = append(*lost, "Service/"+name+" is to be asked by the smoke checks and is not in the release")
			continue
		}
		s := services[i]
		s.smoke = cmp.Or(port, "true")
		found := offers([]service{s}, serving, serving, digest)
		if len(found) == 0 {
			*lost = append(*lost, "Service/"+text+" is to be asked by the smoke checks: it has no such port, or leads to no workload of the release")
		}
		all = append(all, found...)
	}
	return all
}

// mark notes in the Services what was chosen, and one that seems to be meant for
// what runs the image where none leads there.
func (w *watch) mark() {
	var running []target
	for _, t := range w.targets {
		if w.asked.runs[t.Workload] {
			running = append(running, t)
		}
	}
	led := slices.ContainsFunc(w.services, func(s service) bool { return len(s.leadsTo(running)) > 0 })
	for i := range w.services {
		s := &w.services[i]
		for _, a := range w.asked.services {
			if a.Name == s.name && a.Namespace == s.namespace {
				s.asked = a.Port
			}
		}
		s.onlyNear = !led && slices.ContainsFunc(running, s.nearly)
	}
}

// nearly reports whether all labels but one of its selector are those of the pods.
func (s service) nearly(t target) bool {
	requirements, _ := s.selector.Requirements()
	same := 0
	for _, r := range requirements {
		if r.Matches(labels.Set(t.labels)) {
			same++
		}
	}
	return t.Namespace == s.namespace && len(requirements) > 1 && same == len(requirements)-1
}

// leadsTo are the targets whose pods the Service selects.
func (s service) leadsTo(targets []target) []target {
	var all []target
	for _, t := range targets {
		if t.Namespace == s.namespace && s.selector.Matches(labels.Set(t.labels)) {
			all = append(all, t)
		}
	}
	return all
}

// claimsImage reports whether a container is to run that digest.
func (t podSource) claimsImage(digest string) bool {
	return digest != "" && slices.ContainsFunc(t.spec.Containers, func(c corev1.Container) bool { return claims(c, digest) })
}

func claims(c corev1.Container, digest string) bool { return strings.HasSuffix(c.Image, "@"+digest) }

// targetPort is the Service's own number where it names no other.
func targetPort(p corev1.ServicePort) intstr.IntOrString {
	if p.TargetPort == (intstr.IntOrString{}) {
		return intstr.FromInt32(p.Port)
	}
	return p.TargetPort
}
