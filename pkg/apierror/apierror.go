// Package apierror understands the errors of requests to the API server: it gives
// each its kind, and says in whose hands it is to mend it.
package apierror

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Classify gives an error its kind and code; nil stays nil, and one that has them
// keeps them. doing is what was being done: "reading the history". What a library
// keeps as words only is known by them.
func Classify(doing string, err error) error {
	var known *record.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return known // it says all
	case IsTerminating(err):
		return record.Refused("release/namespace-terminating", "%s: the namespace is being deleted, and nothing new can be made in it; wait until it is gone, or deploy to another one: %s", doing, Message(err))
	case IsOverQuota(err):
		return record.Refused("release/quota-exceeded", "%s: a ResourceQuota has no room: %s; raise it, or remove what nobody needs", doing, Message(err))
	case IsWebhookDown(err):
		return record.Unavailable("release/webhook-unreachable", "%s: an admission webhook cannot be called, and the API server takes no object without it: %s; repair the service that it names, or delete its configuration if nobody needs it", doing, Message(err))
	case apierrors.IsForbidden(err):
		return record.Refused("release/forbidden", "%s: %w; grant the user of the kubeconfig this permission", doing, err)
	case apierrors.IsUnauthorized(err):
		return record.Unavailable("release/unauthorized", "%s: %w; the credentials of the kubeconfig are not accepted", doing, err)
	}
	return record.Unavailable("release/unreachable", "%s: %w", doing, err)
}

// IsAnswer reports whether the error is one of those that [Classify] tells from an
// API server that cannot be reached, or that it cannot be.
func IsAnswer(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || IsUnreachable(err) || IsTerminating(err) || IsOverQuota(err) || IsWebhookDown(err)
}

// IsTerminating reports whether the namespace is being deleted.
func IsTerminating(err error) bool {
	return apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) || strings.Contains(err.Error(), "because it is being terminated")
}

// IsOverQuota reports whether a ResourceQuota has no room.
func IsOverQuota(err error) bool { return strings.Contains(err.Error(), "exceeded quota: ") }

// IsWebhookDown reports whether an admission webhook could not be called.
func IsWebhookDown(err error) bool { return strings.Contains(err.Error(), "failed calling webhook") }

// IsUnreachable tells an API server that cannot be reached or is in trouble from
// one that has answered.
func IsUnreachable(err error) bool {
	var network net.Error
	return errors.As(err, &network) || apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) ||
		apierrors.IsServiceUnavailable(err) || apierrors.IsTooManyRequests(err) || apierrors.IsInternalError(err)
}

// IsRefusal reports whether the API server said no to what was asked, and will
// say so again.
func IsRefusal(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsBadRequest(err) || apierrors.IsMethodNotSupported(err)
}

// LacksPermission reports whether a message says that the user of the kubeconfig
// lacks a permission; the API server's word "forbidden" is also that of policies
// and quotas.
func LacksPermission(message string) bool { return permission.MatchString(message) }

// IsPolicy reports whether a message says that a policy does not want an object.
func IsPolicy(message string) bool { return policy.MatchString(message) }

// IsImmutable reports whether a message says that a field keeps its first value.
func IsImmutable(message string) bool { return immutable.MatchString(message) }

var (
	permission = regexp.MustCompile(`is forbidden: User "[^"]*" cannot \w+ resource`)
	policy     = regexp.MustCompile(`(?i)admission webhook "[^"]*" denied|ValidatingAdmissionPolicy '[^']*'|violates PodSecurity`)
	immutable  = regexp.MustCompile(`(?i)is immutable|field is forbidden to change|may not change once set|cannot change roleRef|` +
		`updates to statefulset spec for fields other than|may not be (changed|updated)|are immutable|must not be changed`)
	// noMatch is how the REST mapper names a kind that the cluster does not have.
	noMatch = regexp.MustCompile(`no matches for kind "([^"]*)" in version "([^"]*)"`)
)

// MissingKinds are the kinds that the cluster does not have, each once, in the
// order in which the error names them.
func MissingKinds(err error) []schema.GroupVersionKind {
	var kinds []schema.GroupVersionKind
	for _, parts := range noMatch.FindAllStringSubmatch(err.Error(), -1) {
		if kind := schema.FromAPIVersionAndKind(parts[2], parts[1]); !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// WithoutServerMessage is an error about an object without the API server's words
// when the object is a Secret: they may repeat its content.
func WithoutServerMessage(kind string, err error) error {
	reason := apierrors.ReasonForError(err)
	if kind != "Secret" || reason == metav1.StatusReasonUnknown {
		return err
	}
	return fmt.Errorf("the API server refused it as %s; its message is withheld", reason) // made of an error
}
