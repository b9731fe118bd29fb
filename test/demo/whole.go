package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/stagecrew/stagecrew/pkg/smoke/chromium"
	"github.com/stagecrew/stagecrew/test/env"
)

// whole is what the whole example has over the smallest: it is built from its sources,
// has more plugins, and a page that a browser can look at.
type whole struct {
	build, smoke []string // flags
	variables    []string // of the environment
	seen         bool     // there is a browser
}

// portal is where visitors would find it.
const portal = "https://portal.example.com"

// newWhole writes the smoke checks: those of every Backstage, and one with a browser
// where there is one.
func newWhole(root string, s *env.Stage) (whole, error) {
	w := whole{
		build:     []string{"--prepare"},
		smoke:     []string{"--smoke", filepath.Join(s.Work, "smoke.yaml")},
		variables: []string{"BACKSTAGE_SMOKE_PLUGINS=app,auth,catalog,techdocs,search,kubernetes,argocd,permission,user-settings", "BACKSTAGE_SMOKE_TOKEN=" + s.Password},
	}
	checks, err := os.ReadFile(filepath.Join(root, "pkg", "backstage", "smoke.yaml"))
	if err != nil {
		return w, err
	}
	_, err = chromium.Find("", slog.New(slog.DiscardHandler))
	if w.seen = err == nil; w.seen {
		checks = append(checks, seenCheck...)
	} else {
		fmt.Fprintln(os.Stderr, "SKIPPED: nobody looks at the page, because there is no Chromium")
	}
	return w, os.WriteFile(w.smoke[1], checks, 0o600)
}

const seenCheck = `
  - name: page, seen
    path: /
    expect:
      browser: {text: Enter as a Guest User, as: ` + portal + `, within: 30s}
`

// wholeValues go below those of [values], which end with the secrets.
func wholeValues(password string) string {
	return `  extra: {SMOKE_TOKEN: ` + password + `}
config:
  backendUrl: ` + portal + `
  extra: {APP_CONFIG_auth_providers_guest_dangerouslyAllowOutsideDevelopment: "true"}
`
}
