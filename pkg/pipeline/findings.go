package pipeline

import (
	"context"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/github"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// upload has GitHub's page of code scanning sent the SARIF report of an image, in the
// form in which it was written, when the run has ended. What fails of that is a warning;
// that it may not, as for a fork, or that the page is switched off, is none unless it was
// asked for.
func (s *slice) upload(image record.Image, sarif []byte) {
	telling, log := s.settings.ScanReports.GitHubCodeScanning, s.host.Log
	client, err := s.host.teller(telling)
	if err != nil {
		log.Warn("GitHub's page of code scanning gets no findings", "because", err)
	}
	if client == nil {
		return
	}
	source := s.host.Actions.Source()
	findings := github.Findings{Commit: source.Commit, Ref: source.Ref, Category: "stagecrew/" + image.Repository, SARIF: sarif}
	s.host.AtEnd(func(ctx context.Context, _ record.Record) {
		err := client.Upload(ctx, findings)
		switch {
		case err == nil:
			log.Info("GitHub's page of code scanning was sent the findings", "category", findings.Category)
		case github.MayNot(err) && telling == config.TellAuto:
			log.Info("GitHub's page of code scanning gets no findings", "because", err)
		default:
			log.Warn("GitHub's page of code scanning gets no findings", "because", err)
		}
	})
}

// teller is what tells GitHub something, nil where nobody is to be told.
func (h Host) teller(telling config.Telling) (*github.Client, error) {
	api := h.Actions.API()
	nobody := telling == config.TellNever || telling == ""
	if nobody || telling == config.TellAuto && (api.Token == "" || api.URL == "") {
		return nil, nil
	}
	return github.New(github.Options{API: api.URL, Repository: api.Repository, Token: api.Token, Version: h.Version})
}
