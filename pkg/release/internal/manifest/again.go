package manifest

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// hooks are the words that Helm 3 knows for an object's annotation helm.sh/hook.
var hooks = []string{
	"pre-install", "post-install", "pre-upgrade", "post-upgrade", "pre-rollback", "post-rollback", "pre-delete", "post-delete", "test", "test-success",
}

// former are those of Helm 2, that charts have for its sake: the object is not missed.
var former = []string{"crd-install", "test-failure"}

// UnknownHooks are the objects of rendered templates that Helm leaves out because it does
// not know one of their hooks: it says a line without a name, and goes on
// (https://github.com/fluxcd/flux2/issues/4756). Those with a word of Helm 2 do not block.
func UnknownHooks(rendered string) []record.Concern {
	var all []record.Concern
	for _, document := range Split(rendered) {
		h := headOf(document)
		given, found := h.Metadata.Annotations["helm.sh/hook"]
		unknown := slices.DeleteFunc(strings.Split(strings.ToLower(given), ","), func(word string) bool { return slices.Contains(hooks, strings.TrimSpace(word)) })
		if !found || len(unknown) == 0 {
			continue
		}
		word := strings.TrimSpace(unknown[0])
		all = append(all, record.Concern{Code: "preflight/unknown-hook", Object: h.name(), Blocks: !slices.Contains(former, word),
			Message: fmt.Sprintf("%s annotates it with helm.sh/hook: %q, and Helm, which knows no hook %q, leaves the whole object out", h.source, given, word),
			Advice:  "Helm knows " + strings.Join(hooks, ", ") + "; what is a definition belongs into the chart's folder crds"})
	}
	return all
}

// Random are the Secrets of a manifest that the same templates and values have rendered
// with other values the next moment: each deploy changes a password that a database, say,
// keeps (https://github.com/jordigilh/kubernaut/issues/557).
func Random(text, rendered string) []record.Concern {
	before := map[string]sourcedObject{}
	for _, o := range withSources(text) {
		before[o.GetNamespace()+"/"+o.name()] = o
	}
	var all []record.Concern
	for _, o := range withSources(rendered) {
		was, found := before[o.GetNamespace()+"/"+o.name()]
		if !found || o.GetKind() != "Secret" || sameContent(was.Unstructured, o.Unstructured) {
			continue
		}
		all = append(all, record.Concern{Code: "preflight/random-secret", Object: o.name(),
			Message: o.source + " gives it other values each time that it is rendered: every deploy changes them, and a rollback puts the former back, while a database or whoever else keeps them knows one only",
			Advice:  "give the values from outside, or let the template take those of the live object (lookup), which the deployer must be allowed to read"})
	}
	return all
}

// sameContent reports whether two Secrets hold the same.
func sameContent(a, b *unstructured.Unstructured) bool {
	return reflect.DeepEqual(a.Object["data"], b.Object["data"]) && reflect.DeepEqual(a.Object["stringData"], b.Object["stringData"])
}
