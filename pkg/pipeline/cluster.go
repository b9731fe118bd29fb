package pipeline

import (
	"errors"

	"github.com/stagecrew/stagecrew/pkg/pipeline/site"
	"github.com/stagecrew/stagecrew/pkg/release"
)

// site is where the release is. It asks nothing of the cluster yet.
func (s *slice) site() (site.Site, error) {
	return s.kept.site.of(func() (site.Site, error) {
		return site.Read(s.settings, s.host.ofSite(), site.Shared{Charts: s.charts, Comparison: s.comparison(), Gate: s.gate})
	})
}

// gate is how a revision is judged.
func (s *slice) gate() (site.Gate, error) {
	return s.kept.gate.of(func() (site.Gate, error) { return site.ReadGate(s.settings.Checks, s.settings.Gate, s.host.ofSite()) })
}

// ofSite is the part of the host that a site needs.
func (h Host) ofSite() site.Host {
	return site.Host{Log: h.Log, Getenv: h.Getenv, Secrets: h.Secrets, Screen: h.Console, Update: h.Ledger.Update, Picture: h.Picture}
}

// inputs is what is wrong with the chart and the values, where a stage renders them.
func (s *slice) inputs() error {
	_, err := s.kept.inputs.of(func() (done, error) { return done{}, s.checkInputs() })
	return err
}

func (s *slice) checkInputs() error {
	if s.makes(concerns) || s.makes(deployed) {
		return release.Options{Chart: s.settings.Chart, Values: s.settings.Values, Set: s.settings.Set, Charts: s.charts, Log: s.host.Log}.CheckInputs()
	}
	return nil
}

// judging is where a release is and how it is judged.
func (s *slice) judging() (site.Site, site.Gate, error) {
	at, siteErr := s.site()
	g, gateErr := s.gate()
	return at, g, errors.Join(siteErr, s.inputs(), gateErr)
}
