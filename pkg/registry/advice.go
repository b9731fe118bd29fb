package registry

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// Advice is what a person can do about an error of a registry, as the end of a message:
// "; do this". It is "" where nothing fits the cause.
func Advice(err error) string {
	var answer *transport.Error
	switch {
	case errors.As(err, &answer):
		return aboutAnswer(answer)
	case aboutProxy(err) != "":
		return aboutProxy(err)
	case untrusted(err):
		return aboutCertificate(err)
	case Final(err):
		return "" // it says so itself
	case errors.Is(err, http.ErrSchemeMismatch), is[tls.RecordHeaderError](err):
		return "; it does not speak https there: check the port, or give --insecure-registry HOST for one that cannot"
	case is[net.Error](err):
		return "; check the address and that the registry is reachable from here"
	}
	return ""
}

// full is how registries say that a project, or they themselves, have no room (Harbor:
// goharbor/harbor#17390), with the code and the status of a missing permission.
var full = regexp.MustCompile(`(?i)\bquota\b.*\bexceed|exceed.*\b(quota|upper limit|storage limit)\b|no space left`)

func aboutAnswer(answer *transport.Error) string {
	if IsImmutable(answer) {
		return "; it lets nobody write this tag again: take another one, or except it from the rule that makes the repository's tags immutable"
	}
	if full.MatchString(answer.Error()) {
		return "; there is no room left for more: remove what nobody needs there, or have its limit raised"
	}
	greeted := answer.Request != nil && answer.Request.URL.Path == base
	switch answer.StatusCode {
	case http.StatusForbidden:
		if greeted {
			return "; it answers nobody from here, before it asks for credentials: a firewall, or a list of the addresses that may ask"
		}
		return aboutLogin(answer)
	case http.StatusUnauthorized:
		return aboutLogin(answer)
	case http.StatusProxyAuthRequired:
		return aboutProxyLogin
	case http.StatusNotFound:
		if greeted {
			return "; it does not answer as a registry does: check the name of the host"
		}
		if HasCode(answer, transport.NameUnknownErrorCode) && answer.Request != nil && answer.Request.Method == http.MethodPost {
			return "; it makes no repositories by itself: create this one there first, or check its name"
		}
		return "; check the spelling, some registries also hide what the account may not see"
	case http.StatusPreconditionFailed:
		if keptBack(answer) {
			return "; a rule of its project lets nobody pull this image: sign it, wait for its scan there, or except what was found from the rule"
		}
	case http.StatusTooManyRequests:
		return "; it limits how often one may ask: wait, or log in"
	case http.StatusUnsupportedMediaType:
		return "; it takes no manifest of this format: an image has that of its base, so take one in OCI's format (or in Docker's, where the registry wants that)"
	case http.StatusRequestEntityTooLarge:
		return "; it, or a proxy in front of it, takes no request of this size: have that limit raised"
	}
	return ""
}

// keptBack reports whether a rule of Harbor's project keeps an image from being pulled, as it
// is not signed, not scanned, or has vulnerabilities (goharbor/harbor#11202, #15885).
func keptBack(err error) bool {
	return HasCode(err, "PROJECTPOLICYVIOLATION", "PROJECT_POLICY_VIOLATION")
}

// base is what a registry is asked first, without credentials, to learn which it wants.
const base = "/v2/"

func aboutLogin(answer *transport.Error) string {
	return fmt.Sprintf("; log in first (`docker login %s`) with an account that may do it%s%s", loginHost(answer), askedAs(answer.Request), aboutJobs(answer))
}

// aboutJobs says what the token of a GitHub Actions job needs, for GitHub's registry: its
// own words are "denied" and "permission_denied: write_package".
func aboutJobs(answer *transport.Error) string {
	if answer.Request == nil {
		return ""
	}
	r, _ := origin(answer.Request)
	if r.URL.Host != "ghcr.io" {
		return ""
	}
	level := "read"
	if r.Method != http.MethodGet && r.Method != http.MethodHead || strings.Contains(r.URL.Query().Get("scope"), "push") {
		level = "write"
	}
	return "; in GitHub Actions the job needs `permissions: packages: " + level + "`, and a package that another repository, or a push by hand, has made must give this one access in its settings (Manage Actions access)"
}

// askedAs says with which credentials a registry was asked, as the end of a message. It
// is "" where that does not show: a token is anybody's, and a redirect goes without them.
func askedAs(request *http.Request) string {
	if request == nil {
		return ""
	}
	if _, hops := origin(request); hops > 0 {
		return ""
	}
	if request.Header.Get("Authorization") == "" {
		return "; it was asked without credentials, as none for it were found"
	}
	user, password, ok := request.BasicAuth()
	switch {
	case !ok:
		return ""
	case strings.TrimSpace(password) != password:
		return fmt.Sprintf("; it was asked as %q, whose password has spaces or a line break around it", user)
	}
	return fmt.Sprintf("; it was asked as %q", user)
}

// loginHost is the registry that answered, and not the host of its tokens or blobs.
func loginHost(answer *transport.Error) string {
	if answer.Request != nil {
		if first, _ := origin(answer.Request); strings.HasPrefix(first.URL.Path, "/v2/") {
			return first.URL.Host
		}
	}
	return "HOST"
}

func untrusted(err error) bool {
	return is[*tls.CertificateVerificationError](err) || is[x509.UnknownAuthorityError](err) || is[x509.HostnameError](err) || is[x509.CertificateInvalidError](err)
}

// is reports whether there is an error of the type in the chain.
func is[T error](err error) bool {
	_, found := errors.AsType[T](err)
	return found
}
