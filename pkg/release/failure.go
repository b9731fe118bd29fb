package release

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/storage/driver"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// maxWords bounds what is kept of Helm's and the API server's messages.
const maxWords = 1000

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

// classify gives an error of a request to the API server its kind. What Helm
// keeps as words only is known by them.
func classify(doing string, err error) error {
	var known *record.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known // it says all
	case isTerminating(err):
		return record.Refused("release/namespace-terminating", "%s: the namespace is being deleted, and nothing new can be made in it; wait until it is gone, or deploy to another one: %s", doing, words(err))
	case isOverQuota(err):
		return record.Refused("release/quota-exceeded", "%s: a ResourceQuota has no room: %s; raise it, or remove what nobody needs", doing, words(err))
	case isWebhookDown(err):
		return record.Unavailable("release/webhook-unreachable", "%s: an admission webhook cannot be called, and the API server takes no object without it: %s; repair the service that it names, or delete its configuration if nobody needs it", doing, words(err))
	case apierrors.IsForbidden(err):
		return record.Refused("release/forbidden", "%s: %w; grant the user of the kubeconfig this permission", doing, err)
	case apierrors.IsUnauthorized(err):
		return record.Unavailable("release/unauthorized", "%s: %w; the credentials of the kubeconfig are not accepted", doing, err)
	case isMissing(err):
		return record.BadInput("release/no-such-revision", "%s: %w; `stagecrew status` lists the revisions", doing, err)
	}
	return record.Unavailable("release/unreachable", "%s: %w", doing, err)
}

// isMissing reports whether Helm says that there is no such release or revision.
func isMissing(err error) bool {
	return errors.Is(err, driver.ErrReleaseNotFound) || errors.Is(err, driver.ErrNoDeployedReleases)
}

// unapplied gives its kind to an error of Helm before anything was written.
func (r *Release) unapplied(doing string, err error) error {
	var known *record.Error
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, driver.ErrReleaseExists):
		return record.Refused("release/changed-meanwhile", "%s: somebody else changed release %q at the same time, without stagecrew's lock; look at its history and try again", doing, r.Name)
	case notOurs.MatchString(err.Error()):
		return record.Refused("release/not-ours", "%s: %s", doing, words(err))
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err), isUnreachable(err), isTerminating(err), isOverQuota(err), isWebhookDown(err):
		return classify(doing, err)
	}
	if kinds := missingKinds(err); kinds != "" {
		return record.Refused("release/no-such-kind", "%s: the cluster has no %s; install the CustomResourceDefinition first, or leave the object out", doing, kinds)
	}
	return record.BadInput("release/chart", "%s: %s", doing, words(err))
}

// isDenied reports whether the user of the kubeconfig lacks a permission; the API
// server's word "forbidden" is also that of policies and quotas.
func isDenied(err error) bool {
	return mayNot.MatchString(err.Error())
}

// isTerminating reports whether the namespace is being deleted.
func isTerminating(err error) bool {
	return apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) || strings.Contains(err.Error(), "because it is being terminated")
}

func isOverQuota(err error) bool { return strings.Contains(err.Error(), "exceeded quota: ") }

func isWebhookDown(err error) bool { return strings.Contains(err.Error(), "failed calling webhook") }

// missingKinds names the kinds that the cluster does not have, "" for none.
func missingKinds(err error) string {
	var names []string
	for _, parts := range noKind.FindAllStringSubmatch(err.Error(), -1) {
		if name := fmt.Sprintf("kind %s in %s", parts[1], parts[2]); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// cause names what ended an apply in the middle. The API server says which
// object it refused and why; its words about a Secret may hold the content.
func (r *Release) cause(err error) record.Cause {
	cause := record.Cause{Code: "release/apply-rejected", Object: "Release/" + r.Name, Message: words(err)}
	if isUnreachable(err) {
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
	// wholeObject is the live object, which the API server repeats when a patch
	// does not fit its type; what it thinks of it follows.
	wholeObject = regexp.MustCompile(`(?s)Invalid value: "\{.*\}"`)
	// counted is what a list of errors puts around one.
	counted  = regexp.MustCompile(`\d+ errors? occurred:\s*\*\s*`)
	anyValue = regexp.MustCompile(`Invalid value: "(\\.|[^"\\])*"`)
	// notOurs is how Helm says that an object belongs to somebody else.
	notOurs = regexp.MustCompile(`exists and cannot be imported into the current release`)
	// noKind is how the REST mapper names a kind that the cluster does not have.
	noKind = regexp.MustCompile(`no matches for kind "([^"]*)" in version "([^"]*)"`)
)

// isUnreachable tells an API server that cannot be reached or is in trouble from
// one that has answered.
func isUnreachable(err error) bool {
	var network net.Error
	return errors.As(err, &network) || apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) ||
		apierrors.IsServiceUnavailable(err) || apierrors.IsTooManyRequests(err) || apierrors.IsInternalError(err)
}

func words(err error) string {
	text := wholeObject.ReplaceAllString(err.Error(), "Invalid value: (the object, withheld)")
	text = counted.ReplaceAllString(text, "")
	return bounded(strings.ToValidUTF8(strings.TrimSpace(text), "?"))
}

func bounded(text string) string {
	if runes := []rune(text); len(runes) > maxWords {
		return string(runes[:maxWords]) + "…"
	}
	return text
}

// withoutValues is a message of Helm for its debug log: the API server repeats
// values that it does not like, and Helm its whole answer about a Secret.
func withoutValues(text string) string {
	text = wholeObject.ReplaceAllString(text, "Invalid value: (withheld)")
	return bounded(anyValue.ReplaceAllString(text, "Invalid value: (withheld)"))
}
