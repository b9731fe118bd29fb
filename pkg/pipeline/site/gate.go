package site

import (
	"context"
	"errors"
	"log/slog"
	"net/url"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout"
	"github.com/stagecrew/stagecrew/pkg/rollout/causes"
	"github.com/stagecrew/stagecrew/pkg/smoke/checks"
	"github.com/stagecrew/stagecrew/pkg/smoke/chromium"
)

// Gate is how a revision is judged, read from the settings.
type Gate struct {
	suite       *checks.Suite // nil for none
	credentials []string      // of the suite
	rules       map[string]causes.Rule
	logPatterns []string
	passing     []string
	browser     *chromium.Browser // nil when no check wants one
}

// Asks reports whether there are smoke checks.
func (g Gate) Asks() bool { return g.suite != nil }

// Credentials are those of the smoke checks.
func (g Gate) Credentials() []string { return g.credentials }

// ReadGate reads the settings of a gate.
func ReadGate(c config.Checks, judging config.Gate, host Host) (Gate, error) {
	var g Gate
	var rulesErr, suiteErr error
	g.rules, rulesErr = causes.ParseRules(judging.RolloutRules)
	patterns := judging.LogPatterns
	if len(patterns) == 0 {
		patterns = []string{record.SmokeBackstage}
	}
	for _, pattern := range patterns {
		if pattern != record.SmokeBackstage {
			g.logPatterns = append(g.logPatterns, pattern)
			continue
		}
		g.logPatterns = append(g.logPatterns, backstage.LogPatterns()...)
		g.passing = backstage.PassingPatterns()
	}
	_, patternErr := rollout.ParsePatterns(g.logPatterns)
	g.suite, g.credentials, suiteErr = readSuite(c.Smoke, host)
	if suiteErr == nil {
		g.browser, suiteErr = browserFor(g.suite, c.SmokeBrowser, host.Log)
	}
	return g, errors.Join(publicURL(c.PublicURL), rulesErr, patternErr, suiteErr)
}

// readSuite reads the smoke checks that --smoke names, nil for none, and the
// credentials in them.
func readSuite(name string, host Host) (*checks.Suite, []string, error) {
	text, err := suiteText(name, host.Log)
	if text == nil || err != nil {
		return nil, nil, err
	}
	document, err := asJSON(text)
	if err != nil {
		return nil, nil, record.BadInput("config/smoke", "reading smoke checks %s: %w", name, err)
	}
	suite, err := checks.Parse(document)
	if err != nil {
		return nil, nil, record.BadInput("config/smoke", "reading smoke checks %s: %w", name, err)
	}
	// Credentials of the checks come by the environment: "Bearer ${SMOKE_TOKEN}".
	var secrets []string
	suite, err = suite.Expand(func(name string) (string, bool) {
		value := host.Getenv(name)
		if value != "" {
			host.Secrets.Withhold(value)
			secrets = append(secrets, value)
		}
		return value, value != ""
	})
	if err != nil {
		return nil, nil, record.BadInput("config/smoke", "reading smoke checks %s: %w", name, err)
	}
	return &suite, secrets, nil
}

// browserFor is the browser that checks want, started once so that none is missing when
// something has changed already. Its start is bounded.
func browserFor(suite *checks.Suite, program string, log *slog.Logger) (*chromium.Browser, error) {
	if suite == nil {
		return nil, nil
	}
	selectors, wanted := suite.Selectors()
	if !wanted {
		return nil, nil
	}
	b, err := chromium.Find(program, log)
	if err != nil {
		return nil, err
	}
	return b, b.Prove(context.Background(), selectors) //nolint:forbidigo // its start is bounded
}

// maxSuite bounds a file of smoke checks, in bytes.
const maxSuite = 1 << 20

// suiteText is nil for none.
func suiteText(name string, log *slog.Logger) ([]byte, error) {
	switch name {
	case record.SmokeNone:
		log.Warn("no smoke checks: ready pods count as proof")
		return nil, nil
	case record.SmokeBackstage:
		return backstage.SmokeYAML(), nil
	}
	text, err := files.Read(name, maxSuite)
	if err != nil {
		return nil, record.BadInput("config/smoke", "--smoke: %w; give a file of checks, %s or %s", err, record.SmokeBackstage, record.SmokeNone)
	}
	return text, nil
}

// publicURL checks --public-url.
func publicURL(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return record.BadInput("config/public-url", "--public-url %q: want http:// or https:// with a host", text)
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return record.BadInput("config/public-url", "--public-url: want no user, query or fragment; the checks bring their own")
	}
	return nil
}
