package release

import (
	"slices"

	helmkube "helm.sh/helm/v3/pkg/kube"
	helmrelease "helm.sh/helm/v3/pkg/release"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/live"
	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
	"github.com/stagecrew/stagecrew/pkg/release/internal/remains"
)

// earlierRevisions gives, oldest first, the revisions since the last one that is
// known to have been applied as a whole. The newest is the one being made.
func (c *client) earlierRevisions() ([]remains.Revision, error) {
	return c.revisions(func(records []*helmrelease.Release) []*helmrelease.Release {
		records = records[:max(len(records)-1, 0)]
		return records[c.complete(records):]
	})
}

// revisions reads the manifests of those records, oldest first, that are chosen.
func (c *client) revisions(choose func([]*helmrelease.Release) []*helmrelease.Release) ([]remains.Revision, error) {
	records, err := c.records.History(c.owner.Name)
	if isMissing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(records, func(a, b *helmrelease.Release) int { return a.Version - b.Version })
	var result []remains.Revision
	for _, stored := range choose(records) {
		objects, err := manifest.Objects(stored.Manifest)
		if err != nil {
			c.log.Warn("reading the manifest of an earlier revision; what it left is not looked for", "revision", stored.Version)
			continue
		}
		result = append(result, remains.Revision{Number: stored.Version, Objects: objects})
	}
	return result, nil
}

// complete is the index of the newest record whose objects are all in the
// cluster and behind which nothing is left: proven good or, of a release that
// was never judged, deployed.
func (c *client) complete(records []*helmrelease.Release) int {
	said := c.notary.Statements(verdictRecords(records))
	proven := func(r *helmrelease.Release) bool { return said[r.Version].Mark == record.MarkGood }
	deployed := func(r *helmrelease.Release) bool { return r.Info.Status == helmrelease.StatusDeployed }
	start := 0
	for _, is := range []func(*helmrelease.Release) bool{deployed, proven} {
		for i, r := range records {
			if is(r) {
				start = i
			}
		}
	}
	return start
}

// bases are the originals that Helm's three-way patches start from. Helm takes
// the last deployed revision, or the last one; fields that a revision between
// them left half-way would survive (https://github.com/helm/helm/issues/13346).
// Where Helm finds no original it takes the live object, and its patch would
// remove what the API server filled in.
func (c *client) bases(original, target helmkube.ResourceList) (helmkube.ResourceList, error) {
	var going helmkube.ResourceList
	for _, info := range original {
		// What is in no target Helm deletes. Going back must not cost data.
		if isData := live.HoldsData(info.Mapping.GroupVersionKind.Kind); !target.Contains(info) && (!c.isRollback || !isData) {
			going = append(going, info)
		}
	}
	ours, lines, err := c.remains.WithoutForeign(c.ctx, going)
	c.note(lines...)
	if err != nil {
		return nil, err
	}
	result := helmkube.ResourceList(ours)
	for _, info := range target {
		fallback := info
		if o := original.Get(info); o != nil {
			fallback = o
		}
		result = append(result, live.With(info, c.remains.Base(c.lastUpdate.earlier, info, fallback.Object)))
	}
	return result, nil
}
