package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/stagecrew/stagecrew/pkg/smoke/chromium"
	"github.com/stagecrew/stagecrew/test/env"
)

// whole is what the whole example has over the smallest: more plugins, and a page that a
// browser can look at.
type whole struct {
	smoke    string // file of its checks
	token    string // that the checks ask with
	browser  string // program, "" where there is none
	pictures string // folder for pictures of the pages, "" for none
}

// portalURL is where visitors would find it.
const portalURL = "https://portal.example.com"

// newWhole writes the smoke checks: those of every Backstage, and one with a browser
// where there is one.
func newWhole(root, pictures string, s *env.Stage) (*whole, error) {
	w := &whole{smoke: filepath.Join(s.Work, "smoke.yaml"), token: s.Password, pictures: pictures}
	checks, err := os.ReadFile(filepath.Join(root, "pkg", "backstage", "smoke.yaml"))
	if err != nil {
		return nil, err
	}
	if browser, err := chromium.Find("", slog.New(slog.DiscardHandler)); err == nil {
		w.browser = browser.Program()
		checks = append(checks, seenCheck...)
	} else {
		fmt.Fprintln(os.Stderr, "SKIPPED: nobody looks at the page, because there is no Chromium")
	}
	return w, os.WriteFile(w.smoke, checks, 0o600)
}

const seenCheck = `
  - name: page, seen
    path: /
    expect:
      browser: {text: Enter as a Guest User, as: ` + portalURL + `, within: 30s}
`

// variables are those that the checks read; w may be nil.
func (w *whole) variables() []string {
	if w == nil {
		return nil
	}
	return []string{
		"BACKSTAGE_SMOKE_PLUGINS=app,auth,catalog,techdocs,search,kubernetes,argocd,permission,user-settings",
		"BACKSTAGE_SMOKE_TOKEN=" + w.token,
	}
}

// values go below those of every demo, which end with the secrets.
func (w *whole) values() string {
	return `  extra: {SMOKE_TOKEN: ` + w.token + `}
config:
  backendUrl: ` + portalURL + `
  extra: {APP_CONFIG_auth_providers_guest_dangerouslyAllowOutsideDevelopment: "true"}
# Six seconds on a machine of one's own; on one that others compile on it took minutes.
probes: {startup: {failureThreshold: 60}}
progressDeadlineSeconds: 600
`
}
