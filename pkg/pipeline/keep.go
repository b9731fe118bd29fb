package pipeline

import (
	"context"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/github"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/sign"
)

// keep has the attestations that were signed put into GitHub's store, too, when the run
// has ended. GitHub takes what a workflow has signed as itself, and nothing of a key.
// What fails of that is a warning only where it was asked for: the registry has them, and
// GitHub may not take a provenance that its own action did not write
// (docker/github-builder#183).
func (s *slice) keep(signed sign.Signature) {
	if signed.Issuer == "" || len(signed.Bundles) == 0 {
		return
	}
	telling, log := s.settings.GitHubAttestations, s.host.Log
	s.host.tell(telling, "GitHub's store gets no attestations", func(ctx context.Context, client *github.Client, _ record.Record) error {
		stored := 0
		for _, bundle := range signed.Bundles {
			err := client.Attest(ctx, bundle)
			switch {
			case err == nil:
				stored++
			case telling == config.TellAlways:
				log.Warn("GitHub's store gets not all attestations", "because", err)
			default:
				log.Info("GitHub's store gets not all attestations", "because", err)
			}
			if github.MayNot(err) {
				break
			}
		}
		if stored > 0 {
			log.Info("GitHub's store has attestations of the image", "stored", stored)
		}
		return nil
	})
}
