// Package github tells GitHub's REST API what a run does, beside the job that GitHub
// itself shows. It is the room of go-github. Nothing here may decide how a run ends:
// whoever calls bounds each call in time and turns its error into a warning.
package github

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	gogithub "github.com/google/go-github/v90/github"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/retry"
)

// Options of a client.
type Options struct {
	API        string // https://api.github.com, or https://HOST/api/v3 of an Enterprise Server
	Repository string // OWNER/NAME
	Token      string
	Version    string // of this program
}

// Client asks the API about one repository.
type Client struct {
	owner, name string
	api         *gogithub.Client
}

// New makes a client; nothing is asked yet. Its error is of kind input.
func New(o Options) (*Client, error) {
	owner, name, found := strings.Cut(o.Repository, "/")
	if !found || owner == "" || name == "" || o.API == "" {
		return nil, record.BadInput("github/not-in-actions", "GITHUB_API_URL is %q and GITHUB_REPOSITORY %q: this is no job of GitHub Actions", o.API, o.Repository)
	}
	if o.Token == "" {
		return nil, record.BadInput("github/no-token", "there is no token: give the input github-token, or GITHUB_TOKEN in env")
	}
	base := strings.TrimSuffix(o.API, "/") + "/"
	api, err := gogithub.NewClient(
		gogithub.WithHTTPClient(&http.Client{CheckRedirect: sameHost}),
		gogithub.WithAuthToken(o.Token), gogithub.WithURLs(&base, &base), gogithub.WithUserAgent("stagecrew/"+o.Version),
	)
	if err != nil {
		return nil, record.BadInput("github/not-in-actions", "GITHUB_API_URL: %w", err)
	}
	return &Client{owner: owner, name: name, api: api}, nil
}

const maxRedirects = 5

// sameHost follows a repository to its new name, and takes the token to no other host:
// the library adds it to every request.
func sameHost(to *http.Request, via []*http.Request) error {
	switch {
	case to.URL.Host != via[0].URL.Host || to.URL.Scheme != via[0].URL.Scheme:
		return fmt.Errorf("GitHub's answer leads to another host, %q", to.URL.Host)
	case len(via) >= maxRedirects:
		return errors.New("too many redirects")
	}
	return nil
}

// patience is for a bad moment of the API; the caller's context bounds all of it.
var patience = retry.Policy{Attempts: 5, First: 300 * time.Millisecond, Longest: longestWait}

// longestWait is how long GitHub may ask to wait; a longer time is not waited.
const longestWait = 10 * time.Second

// ask does a request that may be repeated, again while that helps. Doing says what it
// is for, and permission which one the token wants for it: "deployments: write".
func (c *Client) ask(ctx context.Context, doing, permission string, request func() error) error {
	return c.try(ctx, doing, permission, isTemporary, request)
}

// make is ask for a request that makes something: it is repeated only when GitHub has
// not taken it.
func (c *Client) make(ctx context.Context, doing, permission string, request func() error) error {
	return c.try(ctx, doing, permission, wasNotTaken, request)
}

func (c *Client) try(ctx context.Context, doing, permission string, again func(error) bool, request func() error) error {
	temporary := func(err error) bool { return again(err) && fits(ctx, err) }
	err := retry.Do(ctx, patience, retry.Hooks{Temporary: temporary}, func() error { return waiting(request()) })
	if err == nil {
		return nil
	}
	return c.explain(err, doing, permission)
}

// waiting adds to an error how long GitHub asks to wait.
func waiting(err error) error {
	if wait, asked := askedWait(err); asked {
		return retry.NewAfter(err, wait)
	}
	return err
}

// fits reports whether there is time for the wait that an error asks for.
func fits(ctx context.Context, err error) bool {
	wait, asked := askedWait(err)
	if !asked {
		return true
	}
	end, bounded := ctx.Deadline()
	return wait <= longestWait && (!bounded || time.Until(end) > wait)
}

// askedWait is how long GitHub asks to wait after a limit, in the headers Retry-After or
// X-RateLimit-Reset.
func askedWait(err error) (wait time.Duration, asked bool) {
	var primary *gogithub.RateLimitError
	if errors.As(err, &primary) {
		return max(time.Until(primary.Rate.Reset.Time), 0), true
	}
	var secondary *gogithub.AbuseRateLimitError
	if errors.As(err, &secondary) {
		if secondary.RetryAfter == nil {
			return time.Minute, true // as GitHub's documentation says where no header does
		}
		return max(*secondary.RetryAfter, 0), true
	}
	return 0, false
}

// isTemporary reports whether another attempt may not meet the error.
func isTemporary(err error) bool {
	if _, limited := askedWait(err); limited {
		return true
	}
	var answer *gogithub.ErrorResponse
	if errors.As(err, &answer) {
		return answer.Response.StatusCode >= http.StatusInternalServerError || answer.Response.StatusCode == http.StatusTooManyRequests
	}
	var broken *url.Error
	return errors.As(err, &broken)
}

// wasNotTaken reports whether GitHub has not even begun with a request.
func wasNotTaken(err error) bool {
	if _, limited := askedWait(err); limited {
		return true
	}
	var answer *gogithub.ErrorResponse
	if errors.As(err, &answer) {
		return answer.Response.StatusCode == http.StatusServiceUnavailable || answer.Response.StatusCode == http.StatusTooManyRequests
	}
	var dialing *net.OpError
	return errors.As(err, &dialing) && dialing.Op == "dial"
}
