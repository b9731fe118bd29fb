package release

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"helm.sh/helm/v3/pkg/storage/driver"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// ApplyError is an apply that ended after Helm had written the new revision:
// some objects may have changed.
type ApplyError struct {
	Cause    record.Cause
	Revision int
}

// Error gives the cause.
func (e *ApplyError) Error() string { return e.Cause.String() }

// DeployCause lets the state machine name the cause without knowing this package.
func (e *ApplyError) DeployCause() record.Cause { return e.Cause }

// classify gives an error of a request to the API server its kind; Helm's own
// storage says in its own way that there is no such revision.
func classify(doing string, err error) error {
	var known *record.Error
	if isMissing(err) && !errors.As(err, &known) {
		return record.BadInput("release/no-such-revision", "%s: %w; `stagecrew status` lists the revisions", doing, err)
	}
	return apierror.Classify(doing, err)
}

// isMissing reports whether Helm says that there is no such release or revision.
func isMissing(err error) bool {
	return errors.Is(err, driver.ErrReleaseNotFound) || errors.Is(err, driver.ErrNoDeployedReleases)
}

// unapplied gives its kind to an error of Helm before anything was written.
func (r *Release) unapplied(doing string, err error) error {
	var known *record.Error
	var bug *record.Panicked
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &bug):
		return fmt.Errorf("%s: %w", doing, bug) // nothing about the chart
	case errors.Is(err, driver.ErrReleaseExists):
		return record.Refused("release/changed-meanwhile", "%s: somebody else changed release %q at the same time, without stagecrew's lock; look at its history and try again", doing, r.Name)
	case notOurs.MatchString(err.Error()):
		return record.Refused("release/not-ours", "%s: %s", doing, apierror.Message(err))
	case apierror.IsAnswer(err):
		return classify(doing, err)
	}
	if kinds := missingKinds(err); kinds != "" {
		return record.Refused("release/no-such-kind", "%s: the cluster has no %s; install the CustomResourceDefinition first, or leave the object out", doing, kinds)
	}
	return record.BadInput("release/chart", "%s: %s", doing, apierror.Message(err))
}

// missingKinds names the kinds that the cluster does not have, "" for none.
func missingKinds(err error) string {
	var names []string
	for _, kind := range apierror.MissingKinds(err) {
		names = append(names, fmt.Sprintf("kind %s in %s", kind.Kind, kind.GroupVersion()))
	}
	return strings.Join(names, ", ")
}

// cause names what ended an apply in the middle. The API server says which
// object it refused and why; its words about a Secret may hold the content.
func (r *Release) cause(err error) record.Cause {
	cause := record.Cause{Code: "release/apply-rejected", Object: "Release/" + r.Name, Message: apierror.Message(err)}
	if apierror.IsUnreachable(err) {
		cause.Code = "release/apply-interrupted"
	}
	kind, name, fields := "", "", []string(nil)
	// Helm's words name the object where the API server's answer does not.
	if parts := patched.FindStringSubmatch(err.Error()); parts != nil {
		kind, name = parts[2], parts[1]
	}
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		cause.Reason = string(status.Status().Reason)
		if details := status.Status().Details; details != nil {
			for _, c := range details.Causes {
				fields = append(fields, c.Field)
			}
			if details.Kind != "" && details.Name != "" {
				kind, name = details.Kind, details.Name
			}
		}
	}
	if name != "" {
		cause.Object = kind + "/" + name
	}
	if kind = strings.ToLower(kind); kind == "secret" || kind == "secrets" {
		cause.Message = fmt.Sprintf("the API server rejected fields %q; its message is withheld because it may hold the Secret's content", fields)
	}
	return cause
}

var (
	// patched is how Helm names the object of a patch that failed.
	patched = regexp.MustCompile(`cannot patch "([^"]+)" with kind (\w+)`)
	// notOurs is how Helm says that an object does not belong to the release.
	notOurs = regexp.MustCompile(`exists and cannot be imported into the current release`)
)
