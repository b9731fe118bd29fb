package release

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	helmkube "helm.sh/helm/v3/pkg/kube"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/stagecrew/stagecrew/pkg/release/internal/live"
	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
)

// Build reads a manifest, see [helmkube.Client.Build]. What Helm does not want to
// be validated comes from its records: there, objects of kinds that the cluster
// does not have any more are left out, because they went with their kind.
func (c *client) Build(stream io.Reader, validate bool) (helmkube.ResourceList, error) {
	text, err := io.ReadAll(stream)
	if err != nil {
		return nil, err
	}
	infos, err := c.Client.Build(bytes.NewReader(text), validate)
	if validate || err == nil || missingKinds(err) == "" {
		return infos, err
	}
	var known []string
	for _, document := range manifest.Split(string(text)) {
		objects, err := manifest.Objects(document)
		if err != nil {
			return nil, err
		}
		for _, object := range objects {
			asJSON, err := object.MarshalJSON()
			if err != nil {
				return nil, err
			}
			if _, err := c.place(object); meta.IsNoMatchError(err) || err != nil && missingKinds(err) != "" {
				c.leftOut(object.GetKind()+"/"+object.GetName(), object.GetAPIVersion())
				continue
			}
			known = append(known, string(asJSON))
		}
	}
	if len(known) == 0 {
		return nil, nil
	}
	return c.Client.Build(strings.NewReader(strings.Join(known, "\n---\n")), validate)
}

// leftOut tells, once in a change, that an object of a record was left out.
func (c *client) leftOut(name, version string) {
	line := fmt.Sprintf("left %s out: the cluster has no %s of that kind any more", name, version)
	if !slices.Contains(c.lastUpdate.repairs, line) {
		c.note(line)
		c.log.Warn(line)
	}
}

// Delete removes objects; none is no error. See [helmkube.Client.Delete].
func (c *client) Delete(resources helmkube.ResourceList) (*helmkube.Result, []error) {
	if len(resources) == 0 {
		return &helmkube.Result{}, nil
	}
	return c.Client.Delete(resources)
}

// withoutForeign leaves out what is about to be removed and belongs to another
// release by now (https://github.com/helm/helm/issues/10983), and says so.
func (c *client) withoutForeign(going helmkube.ResourceList) (helmkube.ResourceList, error) {
	isForeign := make([]bool, len(going))
	err := live.Each(c.ctx, going, func(i int, info *resource.Info) error {
		found, err := live.Get(info)
		if err != nil {
			return live.IgnoreMissing(err)
		}
		owner := live.OwnerOf(found)
		isForeign[i] = owner.Name != "" && !c.owner.Owns(found)
		if isForeign[i] {
			c.note(fmt.Sprintf("left %s in place: it belongs to release %q of namespace %q now", live.Name(info), owner.Name, owner.Namespace))
		}
		return nil
	})
	var result helmkube.ResourceList
	for i, info := range going {
		if !isForeign[i] {
			result = append(result, info)
		}
	}
	return result, err
}
