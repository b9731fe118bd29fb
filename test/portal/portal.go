// Package portal looks at the pages of a whole Backstage as a person does who signs in as
// a guest: in a browser.
package portal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
)

// Scene is a page, and a text that it shows once all is there.
type Scene struct{ Name, Path, Text string }

// Scenes are pages of examples/backstage.
var Scenes = []Scene{
	{"catalog", "/", "The portal itself"},
	{"entity", "/catalog/default/component/backstage", "The portal itself"},
	{"kubernetes", "/catalog/default/component/backstage/kubernetes", "1 pod"},
	{"techdocs", "/docs/default/component/backstage", "was built, scanned, signed and rolled out by stagecrew"},
}

// Look says where a portal is found, and what is kept of it.
type Look struct {
	Browser string // program
	URL     string // of the page's root for its visitors
	Address string // HOST:PORT that the browser connects to in place of the URL's; its certificate is not verified
	Folder  string // for pictures, portal-NAME.png; "" keeps none
}

// sceneTime bounds the wait for one of them.
const sceneTime = time.Minute

// enter presses the button of the guests.
const enter = `[...document.querySelectorAll("button")].filter(b => /^enter$/i.test(b.textContent.trim())).map(b => b.click()).length > 0`

// At signs in as a guest, opens each page, and gives the time until it showed its text.
func (l Look) At(ctx context.Context, scenes []Scene) (map[string]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(len(scenes)+1)*sceneTime)
	defer cancel()
	at, err := url.Parse(l.URL)
	if err != nil {
		return nil, err
	}
	owner, stop := chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(l.Browser), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.IgnoreCertErrors, chromedp.WindowSize(1280, 900),
		chromedp.Flag("host-resolver-rules", "MAP "+at.Hostname()+":443 "+l.Address), chromedp.Flag("no-proxy-server", true))...)
	defer stop()
	tab, leave := chromedp.NewContext(owner)
	defer leave()
	if err := chromedp.Do(tab, chromedp.Navigate(l.URL+"/")); err != nil {
		return nil, err
	}
	if err := until(tab, enter); err != nil {
		return nil, fmt.Errorf("signing in as a guest: %w", err)
	}
	took := map[string]time.Duration{}
	for i, scene := range scenes {
		start := time.Now()
		if i > 0 {
			if err := chromedp.Do(tab, chromedp.Navigate(l.URL+scene.Path)); err != nil {
				return nil, err
			}
		}
		if err := until(tab, shows(scene.Text)); err != nil {
			return nil, fmt.Errorf("waiting for %q on %s: %w", scene.Text, scene.Path, err)
		}
		took[scene.Name] = time.Since(start)
		if err := l.picture(tab, scene); err != nil {
			return nil, err
		}
	}
	return took, nil
}

func (l Look) picture(tab context.Context, scene Scene) error {
	if l.Folder == "" {
		return nil
	}
	time.Sleep(2 * time.Second) // what moves has arrived
	picture, err := chromedp.Run(tab, chromedp.CaptureScreenshot())
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(l.Folder, "portal-"+scene.Name+".png"), picture, 0o644)
}

// shows is a script that is true once the page shows a text, be it in a shadow tree as
// that of TechDocs.
func shows(text string) string {
	wanted, _ := json.Marshal(text)
	return `(function says(node) {
  return (node.innerText || node.textContent || "").includes(` + string(wanted) + `) || [...node.querySelectorAll("*")].some(e => e.shadowRoot && says(e.shadowRoot));
})(document.body)`
}

// until waits until a script of the page is true.
func until(tab context.Context, script string) error {
	deadline := time.Now().Add(sceneTime)
	for {
		yes, err := chromedp.Run(tab, chromedp.Evaluate[bool](script))
		switch {
		case err == nil && yes:
			return nil
		case err == nil:
			err = errors.New("the page does not show it")
		}
		if time.Now().After(deadline) || tab.Err() != nil {
			return fmt.Errorf("within %s: %w", sceneTime, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// Behind serves what a way leads to over TLS; its address is that of a Look.
func Behind(way http.RoundTripper) (address string, stop func()) {
	server := httptest.NewTLSServer(&httputil.ReverseProxy{
		Transport: way,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "portal"})
			r.Out.Host = r.In.Host
		},
	})
	return strings.TrimPrefix(server.URL, "https://"), server.Close
}
