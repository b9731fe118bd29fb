package release

import (
	"fmt"
	"strings"

	helmkube "helm.sh/helm/v3/pkg/kube"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/live"
)

// foreign are the objects of target that are in the cluster, not in the manifest that
// is replaced, and not the release's, with a line each that says whose they are. Helm
// refuses an upgrade over the first of them, and overwrites all with a rollback. The
// same object in another version of its kind is another one to Helm
// (https://github.com/helm/helm/issues/9125).
func (c *client) foreign(replaced, target helmkube.ResourceList) (found helmkube.ResourceList, whose []string, err error) {
	said := make([]string, len(target))
	err = live.Each(c.ctx, target, func(i int, info *resource.Info) error {
		if before := replaced.Get(info); before != nil && before.Mapping.GroupVersionKind == info.Mapping.GroupVersionKind {
			return nil
		}
		there, err := live.Get(info)
		switch {
		case err != nil:
			return live.IgnoreMissing(err)
		case !c.owner.Owns(there):
			said[i] = fmt.Sprintf("%s %s. If this release is to have it:\n%s", live.Name(info), live.Whose(there), c.owner.Adoption(info))
		}
		return nil
	})
	for i, line := range said {
		if line != "" {
			found, whose = append(found, target[i]), append(whose, line)
		}
	}
	return found, whose, err
}

// sparing leaves out of a rollback what is not the release's, and says so. The other
// objects go back all the same: what fails meanwhile is worse, and the comparison at the
// end names what did not.
func (c *client) sparing(replaced, target, bases helmkube.ResourceList) (helmkube.ResourceList, helmkube.ResourceList, error) {
	if c.noneForeign {
		return target, bases, nil
	}
	found, whose, err := c.foreign(replaced, target)
	for _, line := range whose {
		c.note("left in place what the rollback would overwrite: " + line)
	}
	return live.Without(target, found), live.Without(bases, found), err
}

// refuseForeign names all objects that are there and are not this release's, and how
// each can be handed to it; of what stops an upgrade Helm names the first only. nil
// where there is none.
func (t *planClient) refuseForeign(replaced, target helmkube.ResourceList) error {
	_, whose, err := t.foreign(replaced, target)
	if err != nil || len(whose) == 0 {
		t.noneForeign = err == nil
		return err
	}
	of := "the chart"
	if t.isRollback {
		of = "that revision"
	}
	return record.Refused("release/not-ours", "%s: objects of %s are there already and do not belong to the release:\n%s", t.doing, of, strings.Join(whose, "\n"))
}
