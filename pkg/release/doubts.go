package release

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/health"
	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
)

// Doubts says, a line each, what of a revision whose pods serve is not as it should be and
// does not make it bad: budgets of no pod, Ingresses that get no address, custom resources
// that are not ready.
func (r *Release) Doubts(ctx context.Context, revision int) ([]string, error) {
	stored, err := r.record(ctx, revision)
	if err != nil {
		return nil, err
	}
	var lines []string
	_, err = r.change(ctx, func() (record.Applied, error) {
		wanted, err := r.helm.client.Build(strings.NewReader(stored.Manifest), false)
		if err == nil {
			lines = health.Doubts(ctx, r.helm.client.typed, wanted, time.Now())
		}
		return record.Applied{}, err
	})
	if err != nil {
		return nil, classify(fmt.Sprintf("looking at the objects of revision %d", revision), err)
	}
	secret := manifest.SecretValues(stored.Manifest)
	for i, line := range lines {
		lines[i] = manifest.Withhold(line, secret)
	}
	return lines, nil
}
