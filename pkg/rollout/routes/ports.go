package routes

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/stagecrew/stagecrew/pkg/rollout/cluster"
	"github.com/stagecrew/stagecrew/pkg/rollout/podstate"
)

// rank says how likely a port is the one that people open.
type rank int

const (
	rankNone   rank = iota // it says that it is for something else
	rankAny                // nothing speaks for it or against it
	rankProbe              // the readiness probe asks it
	rankHTTP               // it says that it speaks HTTP
	rankWanted             // an annotation or a setting says so
)

var (
	// aside are words in the name of a port that the application's page is not behind.
	aside = regexp.MustCompile(`(?i)(^|[-_.])(metrics?|prom|prometheus|monitoring|telemetry|exporter|management|mgmt|debug|pprof|jmx|health|healthz|healthcheck|probe|grpc|agent|raft|gossip|peer|cluster|cql|sql|redis|amqp|smtp|ssh|dns|webhook)s?($|[-_.])`)
	// asideService are the names of Services beside the main one.
	asideService = regexp.MustCompile(`(?i)[-_.](metrics?|exporter|monitoring|telemetry)$`)
	// pages are the names of ports that speak HTTP.
	pages = regexp.MustCompile(`(?i)^(https?|web|ui|www|h2c|http2)([-_.].*)?$`)
)

// ranked says how likely a port is the one to ask; -1 is not at all.
func (c candidate) ranked(p corev1.ServicePort, digest string) rank {
	if p.Protocol != "" && p.Protocol != corev1.ProtocolTCP {
		return -1
	}
	switch c.service.Smoke {
	case "", "true":
	case p.Name, strconv.Itoa(int(p.Port)):
		return rankWanted
	default:
		return -1
	}
	port := targetPort(p)
	switch {
	case aside.MatchString(p.Name), port.Type == intstr.String && aside.MatchString(port.StrVal), asideService.MatchString(c.service.Name):
		return rankNone
	case speaksHTTP(p):
		return rankHTTP
	case slices.ContainsFunc(c.to, func(t cluster.Watched) bool { return probed(t.Spec, port, digest) }):
		return rankProbe
	}
	return rankAny
}

func speaksHTTP(p corev1.ServicePort) bool {
	if p.AppProtocol != nil {
		switch strings.ToLower(*p.AppProtocol) {
		case "http", "https", "kubernetes.io/h2c", "kubernetes.io/ws", "kubernetes.io/wss":
			return true
		}
	}
	return pages.MatchString(p.Name)
}

// secure reports whether a port speaks TLS. A port named https whose target is
// named http is behind a load balancer that ends TLS.
func secure(p corev1.ServicePort, spec corev1.PodSpec, digest string) bool {
	port := targetPort(p)
	if probe := readinessGet(spec, port, digest); probe != nil {
		return probe.Scheme == corev1.URISchemeHTTPS
	}
	if p.AppProtocol != nil {
		protocol := strings.ToLower(*p.AppProtocol)
		return protocol == "https" || protocol == "kubernetes.io/wss"
	}
	https := strings.HasPrefix(strings.ToLower(p.Name), "https") || p.Name == "" && p.Port == 443
	return https && (port.Type == intstr.Int || !strings.EqualFold(port.StrVal, "http"))
}

// readinessGet is the readiness probe that asks that port by HTTP, nil for none.
func readinessGet(spec corev1.PodSpec, port intstr.IntOrString, digest string) *corev1.HTTPGetAction {
	number := resolve(spec, port, digest)
	for _, c := range spec.Containers {
		if p := c.ReadinessProbe; p != nil && p.HTTPGet != nil && number > 0 && resolve(spec, p.HTTPGet.Port, digest) == number {
			return p.HTTPGet
		}
	}
	return nil
}

// probed reports whether a readiness probe asks that port.
func probed(spec corev1.PodSpec, port intstr.IntOrString, digest string) bool {
	number := resolve(spec, port, digest)
	return number > 0 && slices.ContainsFunc(spec.Containers, func(c corev1.Container) bool {
		return resolve(spec, probePort(c), digest) == number
	})
}

// probePort is where the readiness probe of a container asks.
func probePort(c corev1.Container) intstr.IntOrString {
	switch p := c.ReadinessProbe; {
	case p == nil:
	case p.HTTPGet != nil:
		return p.HTTPGet.Port
	case p.TCPSocket != nil:
		return p.TCPSocket.Port
	}
	return intstr.IntOrString{}
}

// resolve gives the number of a port, first in the containers of the deployed
// image; 0 when no container has that name.
func resolve(spec corev1.PodSpec, port intstr.IntOrString, digest string) int {
	if port.Type == intstr.Int {
		return int(port.IntVal)
	}
	found := 0
	for _, c := range slices.Concat(spec.Containers, spec.InitContainers) {
		for _, p := range c.Ports {
			if p.Name == port.StrVal && p.Protocol != corev1.ProtocolUDP && (found == 0 || podstate.HasDigest(c, digest)) {
				found = int(p.ContainerPort)
			}
		}
	}
	return found
}

// offered is the port that a pod offers for HTTP by itself: the one named http, the
// one of the readiness probe, the first that is not for something else; 0 for none.
func offered(spec corev1.PodSpec, digest string) int {
	byProbe, first := 0, 0
	claimed := cluster.PodSource{Spec: spec}.ClaimsImage(digest)
	for _, c := range spec.Containers {
		if claimed && !podstate.HasDigest(c, digest) {
			continue
		}
		if byProbe == 0 {
			byProbe = resolve(spec, probePort(c), digest)
		}
		for _, p := range c.Ports {
			switch {
			case p.Name == "http":
				return int(p.ContainerPort)
			case first == 0 && p.Protocol != corev1.ProtocolUDP && p.Protocol != corev1.ProtocolSCTP && !aside.MatchString(p.Name):
				first = int(p.ContainerPort)
			}
		}
	}
	if byProbe > 0 {
		return byProbe
	}
	return first
}
