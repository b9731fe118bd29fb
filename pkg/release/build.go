package release

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	helmkube "helm.sh/helm/v3/pkg/kube"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/stagecrew/stagecrew/pkg/record"
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
	if validate {
		if err := allNamed(string(text)); err != nil {
			return nil, err
		}
	}
	infos, err := c.Client.Build(bytes.NewReader(text), validate)
	if err != nil {
		if down := c.unserved(err); down != nil {
			return nil, down
		}
	}
	if validate && err != nil {
		return nil, c.whose(err, string(text))
	}
	if err == nil || missingKinds(err) == "" {
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

// whose tells which object cannot be read or is not valid: Helm says only that one is so
// (https://github.com/helm/helm/issues/30189, https://github.com/helm/helm/issues/9601).
func (c *client) whose(err error, text string) error {
	if !strings.Contains(err.Error(), "unable to decode") && !strings.Contains(err.Error(), "error validating data") {
		return err
	}
	for _, document := range manifest.Split(text) {
		if _, own := c.Client.Build(strings.NewReader(document), true); own != nil {
			return fmt.Errorf("%s: %w", manifest.Whose(document), own)
		}
	}
	return err
}

// allNamed refuses a chart with an object that has no name: Helm finds again by its name what it has
// made (https://github.com/helm/helm/issues/3348). Hooks are made and forgotten.
func allNamed(text string) error {
	nameless := manifest.Nameless(text)
	if len(nameless) == 0 {
		return nil
	}
	return record.Refused("release/contradiction", "the chart cannot be applied: %s; Helm finds its objects by their names: give each one, with {{ .Release.Revision }} in it when every revision is to have its own",
		strings.Join(nameless, "; "))
}

// place gives an object of a manifest its place in the API.
func (c *client) place(object *unstructured.Unstructured) (*resource.Info, error) {
	asJSON, err := object.MarshalJSON()
	if err != nil {
		return nil, err
	}
	infos, err := c.Client.Build(bytes.NewReader(asJSON), false)
	if err != nil {
		return nil, err
	}
	if len(infos) != 1 {
		return nil, fmt.Errorf("reading %s: %w", object.GetKind(), live.ErrNoContent)
	}
	return infos[0], nil
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
