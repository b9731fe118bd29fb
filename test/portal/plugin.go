package portal

import "net/http"

// Question is asked as a page of the Kubernetes plugin asks, and has one right answer.
type Question struct {
	What               string // for people
	Method, Path, Body string
	Status             int
	Words              string // that the answer has
}

// Cluster is the header, with its value, that names the cluster to the plugin's proxy.
var Cluster = [2]string{"Backstage-Kubernetes-Cluster", "own"}

// Questions are about the entity backstage, which runs in a namespace: the plugin finds
// its pods, and may read no Secret.
func Questions(namespace string) []Question {
	listed := "/api/kubernetes/proxy/api/v1/namespaces/" + namespace
	return []Question{
		{"the workloads of the entity", http.MethodPost, "/api/kubernetes/resources/workloads/query", `{"auth":{},"entityRef":"component:default/backstage"}`, http.StatusOK, `"name":"backstage-`},
		{"the pods, by the plugin's proxy", http.MethodGet, listed + "/pods", "", http.StatusOK, `"name":"backstage-`},
		{"the Secrets, by the plugin's proxy", http.MethodGet, listed + "/secrets", "", http.StatusForbidden, `cannot list resource`},
	}
}
