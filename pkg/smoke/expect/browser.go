package expect

import (
	"cmp"
	"context"
	"errors"
	"net/url"
	"regexp"
	"time"

	"github.com/stagecrew/stagecrew/pkg/smoke/form"
)

// Browser is what visitors must see when they open the page: what it says here, no blank
// page, no uncaught exception, no error in the console, and no request of its own that
// fails.
type Browser struct {
	Selector string // CSS; an element that it finds must be visible
	Text     string // that the page must show, white space apart
	// As is the URL of the page's root for its visitors, without which it is the public
	// one. Requests to it are sent to the target.
	As string
	// Hosts are those besides the target's that the page may ask: HOST or HOST:PORT.
	Hosts []string
	// Allow are regular expressions of errors that do not count.
	Allow []string
	// Within is how long the page may take until all is there; default 15 s.
	Within time.Duration
}

const defaultWithin = 15 * time.Second

func init() { declare("browser", readBrowser) }

func readBrowser(n *form.Node, key string) *Browser {
	b, said := n.Object("browser", key)
	read := Browser{
		Selector: b.Text("selector"), Text: b.Text("text"), As: b.Text("as"),
		Hosts: b.List("hosts", form.Text, form.As[string]), Allow: b.List("allow", form.Text, form.As[string]),
		Within: b.Duration("within"),
	}
	b.End()
	if !said {
		return nil
	}
	return &read
}

// WithDefaults gives it with what it does not say.
func (b Browser) WithDefaults() Browser {
	b.Within = cmp.Or(b.Within, defaultWithin)
	return b
}

// Browser is what a browser must see, nil when none is to look.
func (e All) Browser() *Browser {
	for _, one := range e {
		if b, isBrowser := one.(*Browser); isBrowser {
			return b
		}
	}
	return nil
}

func (b *Browser) of() part { return ofPage }

// aHost is HOST or HOST:PORT.
var aHost = regexp.MustCompile(`^[A-Za-z0-9.-]+(:[0-9]{1,5})?$`)

func (b *Browser) validate(_ time.Duration, report form.Reporter) {
	if b.As != "" {
		u, err := url.Parse(b.As)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			report("browser.as", "%q; want http:// or https:// with a host, and at most a path", b.As)
		}
	}
	for _, host := range b.Hosts {
		if !aHost.MatchString(host) {
			report("browser.hosts", "%q; want HOST or HOST:PORT", host)
		}
	}
	for _, pattern := range b.Allow {
		validPattern("browser.allow", pattern, report)
	}
}

func (b *Browser) judge(ctx context.Context, a Answer) error {
	if a.Show == nil {
		return errors.New("there is no browser to open the page")
	}
	page, err := a.Show(ctx, b.WithDefaults())
	if err != nil {
		return err
	}
	return page.judge(ctx, *b)
}
