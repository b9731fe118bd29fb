package pipeline

import (
	"context"

	"github.com/stagecrew/stagecrew/pkg/github"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// upload has GitHub's page of code scanning sent the SARIF report of an image, in the
// form in which it was written, when the run has ended.
func (s *slice) upload(image record.Image, sarif []byte) {
	source := s.host.Actions.Source()
	findings := github.Findings{Commit: source.Commit, Ref: source.Ref, Category: "stagecrew/" + image.Repository, SARIF: sarif}
	s.host.tell(s.settings.ScanReports.GitHubCodeScanning, "GitHub's page of code scanning gets no findings", func(ctx context.Context, client *github.Client, _ record.Record) error {
		err := client.Upload(ctx, findings)
		if err == nil {
			s.host.Log.Info("GitHub's page of code scanning was sent the findings", "category", findings.Category)
		}
		return err
	})
}
