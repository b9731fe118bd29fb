package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	gogithub "github.com/google/go-github/v90/github"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// The codes of errors that say what this job may not do, and what GitHub does not take.
const (
	CodeNoPermission = "github/no-permission"
	CodeNotFound     = "github/not-found"
	CodeRefused      = "github/refused"
)

// maxMessage bounds GitHub's words in an error, in bytes.
const maxMessage = 300

// explain says what an error of a request means and what to do.
func (c *Client) explain(err error, doing, permission string) error {
	if wait, limited := askedWait(err); limited {
		return record.Unavailable("github/rate-limited", "%s: GitHub takes no more requests of this token for %s", doing, wait.Round(time.Second))
	}
	var answer *gogithub.ErrorResponse
	if errors.As(err, &answer) {
		return c.explainAnswer(answer, doing, permission)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return record.Unavailable("github/unavailable", "%s: GitHub did not answer in time", doing)
	}
	var broken *url.Error
	if errors.As(err, &broken) {
		err = broken.Err
	}
	return record.Unavailable("github/unavailable", "%s: %w", doing, text.Error(err, maxMessage))
}

func (c *Client) explainAnswer(answer *gogithub.ErrorResponse, doing, permission string) error {
	said := messageOf(answer)
	switch status := answer.Response.StatusCode; {
	case status == http.StatusUnauthorized:
		return record.BadInput("github/bad-token", "%s: GitHub does not know the token (%s); that of a job ends with it", doing, said)
	case status == http.StatusForbidden && saysNoCodeScanning(answer.Message):
		return record.BadInput(CodeNoCodeScanning, "%s: code scanning is off in this repository (%s); it is free for public ones, and switched on in the settings of others", doing, said)
	case status < http.StatusInternalServerError && saysNoAttestations(answer.Message):
		return record.BadInput(CodeNoAttestations, "%s: GitHub keeps none for this repository: %s", doing, said)
	case status == http.StatusForbidden:
		return record.BadInput(CodeNoPermission, "%s: the token may not: %s; that of a fork's pull request never may, others need in the job\npermissions:\n  %s\n", doing, said, permission)
	case status == http.StatusNotFound:
		return record.BadInput(CodeNotFound, "%s: for this token there is no %s/%s, or not what is asked for in it: %s", doing, c.owner, c.name, said)
	case status >= http.StatusInternalServerError || status == http.StatusTooManyRequests:
		return record.Unavailable("github/unavailable", "%s: GitHub answered %d: %s", doing, status, said)
	default:
		return record.Refused(CodeRefused, "%s: GitHub answered %d: %s", doing, status, said)
	}
}

// messageOf gives what GitHub says about a refusal: the message, and each error's field or
// own message.
func messageOf(answer *gogithub.ErrorResponse) string {
	all := []string{answer.Message}
	for _, one := range answer.Errors {
		switch {
		case one.Message != "":
			all = append(all, one.Message)
		case one.Field != "":
			all = append(all, fmt.Sprintf("%s is %s", one.Field, one.Code))
		}
	}
	return text.Line(strings.Join(all, "; "), maxMessage)
}

// MayNot reports whether an error says that the token may not, as that of a fork's pull
// request, or does not see what it asks for, or that the repository does not have it.
func MayNot(err error) bool {
	return slices.Contains([]string{CodeNoPermission, CodeNotFound, CodeNoCodeScanning, CodeNoAttestations}, record.CodeOf(err))
}
