package release

import (
	"context"
	"errors"
	"fmt"

	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// checkDriver refuses a HELM_DRIVER, as helm reads it, whose records would not be seen:
// a release that is there would be installed once more, with nothing to go back to.
func checkDriver(name string) error {
	switch name {
	case "", "secret", "secrets":
		return nil
	}
	return record.BadInput("release/helm-driver", "HELM_DRIVER is %q: stagecrew keeps Helm's records, and its verdicts on them, in Secrets only; move the records there and unset it, docs/errors.md has the command", name)
}

// soleDriver finds no release, when Secrets have no record of it, only if ConfigMaps,
// which are Helm's other place for them in a cluster, have none either.
type soleDriver struct {
	driver.Driver
	client    kubernetes.Interface
	namespace string
}

// Query reads the records that have the labels.
func (s soleDriver) Query(wanted map[string]string) ([]*helmrelease.Release, error) {
	records, err := s.Driver.Query(wanted)
	if _, part := wanted["status"]; !part && errors.Is(err, driver.ErrReleaseNotFound) {
		if name, found := s.elsewhere(wanted); found {
			return nil, record.Refused("release/helm-driver",
				"release %q in namespace %q: its records are in ConfigMaps (%s), somebody deployed it with HELM_DRIVER=configmap; stagecrew keeps them in Secrets and would install it once more, with nothing to go back to: move them, docs/errors.md has the command", wanted["name"], s.namespace, name)
		}
	}
	return records, err
}

// elsewhere names a ConfigMap that is such a record. Who may not list them cannot tell.
func (s soleDriver) elsewhere(wanted map[string]string) (name string, found bool) {
	maps, err := s.client.CoreV1().ConfigMaps(s.namespace).List(context.Background(), metav1.ListOptions{LabelSelector: labels.Set(wanted).String(), Limit: 1}) //nolint:forbidigo // Helm's driver is given none
	if err != nil || len(maps.Items) == 0 {
		return "", false
	}
	return fmt.Sprintf("ConfigMap/%s", maps.Items[0].Name), true
}
