package release

import (
	"fmt"
	"strings"

	"k8s.io/cli-runtime/pkg/resource"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/live"
)

// foreign names all objects of the chart that are there and are not this
// release's, and how each can be handed to it. Helm names the first only.
func (t *planClient) foreign(doing string, err error) error {
	var lines []string
	for _, info := range t.built {
		found, getErr := live.Get(info)
		if getErr != nil || t.owner.Owns(found) || t.had(info) {
			continue
		}
		lines = append(lines, fmt.Sprintf("%s %s. If this release is to have it:\n%s", live.Name(info), live.Whose(found), t.owner.Adoption(info)))
	}
	if len(lines) == 0 {
		lines = []string{apierror.Message(err)} // somebody was faster
	}
	return record.Refused("release/not-ours", "%s: objects of the chart are there already and do not belong to the release:\n%s", doing, strings.Join(lines, "\n"))
}

// had reports whether the upgraded record has the object, in the same version of
// its kind: what Helm calls another object (https://github.com/helm/helm/issues/9125).
func (t *planClient) had(info *resource.Info) bool {
	before := t.current.Get(info)
	return before != nil && before.Mapping.GroupVersionKind == info.Mapping.GroupVersionKind
}
