package main

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

// scenes are the pages of the portal that are photographed, and a text that each shows
// once all is there.
var scenes = []struct{ name, path, text string }{
	{"catalog", "/", "The portal itself"},
	{"entity", "/catalog/default/component/backstage", "The portal itself"},
	{"kubernetes", "/catalog/default/component/backstage/kubernetes", "1 pod"},
}

// sceneTime bounds the wait for one of them.
const sceneTime = time.Minute

// enter presses the button of the guests.
const enter = `[...document.querySelectorAll("button")].filter(b => /^enter$/i.test(b.textContent.trim())).map(b => b.click()).length > 0`

// photograph writes the pages as PNG files portal-NAME.png.
func (d *demo) photograph(ctx context.Context, way http.RoundTripper) error {
	server := httptest.NewTLSServer(&httputil.ReverseProxy{
		Transport: way,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "portal"})
			r.Out.Host = r.In.Host
		},
	})
	defer server.Close()
	ctx, cancel := context.WithTimeout(ctx, time.Duration(len(scenes)+1)*sceneTime)
	defer cancel()
	host := strings.TrimPrefix(portal, "https://")
	owner, stop := chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(d.whole.browser), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.IgnoreCertErrors, chromedp.WindowSize(1280, 900),
		chromedp.Flag("host-resolver-rules", "MAP "+host+":443 "+server.Listener.Addr().String()), chromedp.Flag("no-proxy-server", true))...)
	defer stop()
	tab, leave := chromedp.NewContext(owner)
	defer leave()
	if err := chromedp.Do(tab, chromedp.Navigate(portal+"/")); err != nil {
		return err
	}
	if err := until(tab, enter); err != nil {
		return fmt.Errorf("signing in as a guest: %w", err)
	}
	for i, scene := range scenes {
		if i > 0 {
			if err := chromedp.Do(tab, chromedp.Navigate(portal+scene.path)); err != nil {
				return err
			}
		}
		if err := until(tab, shows(scene.text)); err != nil {
			return fmt.Errorf("waiting for %q on %s: %w", scene.text, scene.path, err)
		}
		time.Sleep(2 * time.Second) // what moves has arrived
		picture, err := chromedp.Run(tab, chromedp.CaptureScreenshot())
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(d.whole.pictures, "portal-"+scene.name+".png"), picture, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// shows is a script that is true once the page shows a text.
func shows(text string) string {
	wanted, _ := json.Marshal(text)
	return `document.body.innerText.includes(` + string(wanted) + `)`
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
