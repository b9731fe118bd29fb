// Package routes chooses what the smoke checks ask: which Services, which of their ports, and
// which pods. All of it goes by what the objects say of themselves.
package routes

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
)

// Choice is what the smoke checks are sent to.
type Choice struct {
	Services []record.Service
	Routes   map[record.Workload]route // of the workloads whose pods are asked
	Runs     map[record.Workload]bool  // the workloads that run the deployed image
	Lost     []string                  // what was asked for and is not there
}

// route is the port of a pod that its Service leads to; the zero value means the
// port that the pod itself offers for HTTP.
type route struct {
	port  intstr.IntOrString
	HTTPS bool
	rank  rank
}

// Number is the port in one pod, 0 for none.
func (r route) Number(spec corev1.PodSpec, digest string) int {
	if r == (route{}) {
		return offered(spec, digest)
	}
	return resolve(spec, r.port, digest)
}

// candidate is one port of one Service that leads to pods that may be asked.
type candidate struct {
	service cluster.Service
	port    corev1.ServicePort
	rank    rank
	to      []cluster.Watched
}

// Choose says what to ask: the workloads that run the deployed image, at the port
// that their Service leads to, and those Services. Where nothing is known of the
// image, all Deployments count.
func Choose(wanted []string, image string, targets []cluster.Watched, services []cluster.Service) Choice {
	a := Choice{Routes: map[record.Workload]route{}, Runs: map[record.Workload]bool{}}
	_, digest, _ := strings.Cut(image, "@")
	var serving, running []cluster.Watched
	for _, t := range targets {
		if t.Ends {
			continue
		}
		serving = append(serving, t)
		if t.ClaimsImage(digest) || digest == "" && t.Kind == "Deployment" {
			a.Runs[t.Workload] = true
			running = append(running, t)
		}
	}
	if len(wanted) > 0 {
		a.take(named(wanted, services, serving, digest, &a.Lost), digest)
		return a
	}
	a.take(best(offers(services, serving, running, digest)), digest)
	if len(a.Routes) == 0 {
		for _, t := range running {
			a.Routes[t.Workload] = route{}
		}
	}
	return a
}

// take asks these ports.
func (a *Choice) take(all []candidate, digest string) {
	for _, c := range all {
		asks := false
		for _, t := range c.to {
			if t.Replicas != nil && *t.Replicas == 0 {
				continue
			}
			asks = true
			if known, found := a.Routes[t.Workload]; !found || c.rank > known.rank {
				a.Routes[t.Workload] = route{targetPort(c.port), secure(c.port, t.Spec, digest), c.rank}
			}
		}
		if asks && !c.service.Headless {
			a.Services = append(a.Services, record.Service{Namespace: c.service.Namespace, Name: c.service.Name,
				Port: int(c.port.Port), HTTPS: secure(c.port, c.to[0].Spec, digest), Led: c.service.Led})
		}
	}
}

// offers are the Services that lead to what runs the image, or whose annotation says
// that they are to be asked, each with its best port.
func offers(services []cluster.Service, serving, running []cluster.Watched, digest string) []candidate {
	var all []candidate
	for _, s := range services {
		to, annotated := running, s.Smoke != ""
		if s.Smoke == "false" || s.Gone {
			continue
		}
		if annotated {
			to = serving
		}
		c := candidate{service: s, to: leadsTo(s, to), rank: -1}
		for _, p := range s.Ports {
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
		leads := func(t cluster.Watched) bool { return c.rank >= most[t.Workload] }
		return c.rank < rankWanted && (!slices.ContainsFunc(c.to, leads) || c.rank == rankNone && any > rankNone)
	})
}

// named are the Services that a setting names, as NAME or NAME:PORT.
func named(wanted []string, services []cluster.Service, serving []cluster.Watched, digest string, lost *[]string) []candidate {
	var all []candidate
	for _, text := range wanted {
		name, port, _ := strings.Cut(text, ":")
		i := slices.IndexFunc(services, func(s cluster.Service) bool { return s.Name == name && !s.Gone })
		if i < 0 {
			*lost = append(*lost, "Service/"+name+" is to be asked by the smoke checks and is not in the release")
			continue
		}
		s := services[i]
		s.Smoke = cmp.Or(port, "true")
		found := offers([]cluster.Service{s}, serving, serving, digest)
		if len(found) == 0 {
			*lost = append(*lost, "Service/"+text+" is to be asked by the smoke checks: it has no such port, or leads to no workload of the release")
		}
		all = append(all, found...)
	}
	return all
}

// leadsTo are the targets whose pods the Service selects.
func leadsTo(s cluster.Service, targets []cluster.Watched) []cluster.Watched {
	var all []cluster.Watched
	for _, t := range targets {
		if t.Namespace == s.Namespace && s.Selector.Matches(labels.Set(t.Labels)) {
			all = append(all, t)
		}
	}
	return all
}

// targetPort is the Service's own number where it names no other.
func targetPort(p corev1.ServicePort) intstr.IntOrString {
	if p.TargetPort == (intstr.IntOrString{}) {
		return intstr.FromInt32(p.Port)
	}
	return p.TargetPort
}
