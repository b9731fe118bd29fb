package manifest

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/workload"
)

// podMakers are kinds of well-known groups that make pods although nothing in them
// looks like a pod template, by group; "*" is all kinds of a group.
var podMakers = map[string][]string{
	"argoproj.io":                       {"Rollout", "Workflow", "Application"},
	"apps.kruise.io":                    {"*"},
	"serving.knative.dev":               {"*"},
	"helm.toolkit.fluxcd.io":            {"HelmRelease"},
	"acid.zalan.do":                     {"postgresql"},
	"postgresql.cnpg.io":                {"Cluster", "Pooler"},
	"postgres-operator.crunchydata.com": {"PostgresCluster"},
	"kafka.strimzi.io":                  {"Kafka", "KafkaConnect", "KafkaNodePool", "KafkaMirrorMaker2", "KafkaBridge"},
	"elasticsearch.k8s.elastic.co":      {"Elasticsearch"},
	"kibana.k8s.elastic.co":             {"Kibana"},
	"k8s.keycloak.org":                  {"Keycloak"},
	"monitoring.coreos.com":             {"Prometheus", "PrometheusAgent", "Alertmanager", "ThanosRuler"},
	"rabbitmq.com":                      {"RabbitmqCluster"},
	"k8s.mariadb.com":                   {"MariaDB"},
	"mongodbcommunity.mongodb.com":      {"MongoDBCommunity"},
	"databases.spotahome.com":           {"RedisFailover"},
	"redis.redis.opstreelabs.in":        {"*"},
	"opentelemetry.io":                  {"OpenTelemetryCollector"},
	"kubevirt.io":                       {"VirtualMachine", "VirtualMachineInstance"},
}

// policies are groups whose objects show pod templates and make no pods.
var policies = []string{"kyverno.io", "gatekeeper.sh", "admissionregistration.k8s.io", "keda.sh", "cert-manager.io"}

// makesPods reports whether an object, of a kind that is not watched, makes pods.
// What a CronJob makes is not of this revision's rollout.
func makesPods(o *unstructured.Unstructured) bool {
	group, _, grouped := strings.Cut(o.GetAPIVersion(), "/")
	if !grouped || group == "batch" || record.IsWatched(o.GetAPIVersion(), o.GetKind()) {
		return false
	}
	if slices.ContainsFunc(policies, func(p string) bool { return group == p || strings.HasSuffix(group, "."+p) }) {
		return false
	}
	known := podMakers[group]
	return slices.Contains(known, "*") || slices.Contains(known, o.GetKind()) || hasTemplate(o.Object["spec"], 0)
}

// maxTemplateDepth is how deep in a spec a pod template is looked for.
const maxTemplateDepth = 8

// hasTemplate reports whether somewhere in a spec stands template.spec.containers
// with images.
func hasTemplate(value any, depth int) bool {
	if depth > maxTemplateDepth {
		return false
	}
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			if strings.HasSuffix(strings.ToLower(key), "template") && isPodTemplate(inner) || hasTemplate(inner, depth+1) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(inner any) bool { return hasTemplate(inner, depth+1) })
	}
	return false
}

func isPodTemplate(value any) bool {
	object, _ := value.(map[string]any)
	containers, _, _ := unstructured.NestedSlice(object, "spec", "containers") // another type is no template
	return slices.ContainsFunc(containers, func(c any) bool {
		container, _ := c.(map[string]any)
		image, _ := container["image"].(string)
		return image != ""
	})
}

// podTemplate is what an object says about its pods, itself and no copy. What is not known
// to make pods may say it where a Deployment does, as a Rollout of Argo's.
func podTemplate(o *unstructured.Unstructured) map[string]any {
	if kind, known := workload.Of(o.GroupVersionKind().GroupKind()); known {
		return kind.TemplateIn(o.Object)
	}
	return MapOf(MapOf(o.Object["spec"])["template"])
}
