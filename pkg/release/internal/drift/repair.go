package drift

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/cli-runtime/pkg/resource"

	"github.com/stagecrew/stagecrew/pkg/apierror"
	"github.com/stagecrew/stagecrew/pkg/release/internal/live"
)

// Repair makes the live objects what their manifest says where Helm's patches
// did not, and says in one line each what it did.
func (c *Comparer) Repair(ctx context.Context, wanted []*resource.Info) ([]string, error) {
	lines := make([]string, len(wanted))
	err := live.Each(ctx, wanted, func(i int, info *resource.Info) error {
		line, err := c.repairOne(info)
		lines[i] = line
		return err
	})
	return slices.DeleteFunc(lines, func(line string) bool { return line == "" }), err
}

func (c *Comparer) repairOne(info *resource.Info) (line string, err error) {
	doing := ""
	err = afterConflict(func() error {
		doing = fmt.Sprintf("comparing %s with its manifest", live.Name(info))
		d, err := differenceOnce(info, nil)
		if err != nil {
			return live.IgnoreMissing(err) // it was removed meanwhile: the rollout's matter
		}
		isMendable := false
		if line, isMendable = c.finding(info, d); !isMendable {
			return nil
		}
		doing = "repairing " + live.Name(info)
		_, err = live.Helper(info).Replace(info.Namespace, info.Name, false, d.repaired)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("%s: %w", doing, apierror.WithoutServerMessage(info.Mapping.GroupVersionKind.Kind, err))
	}
	return line, nil
}

// finding says in one line what a difference is and comes to, "" for nothing, and
// whether the object is to be made as in the manifest again.
func (c *Comparer) finding(info *resource.Info, d difference) (line string, isMendable bool) {
	what := live.Name(info) + ": " + strings.Join(d.paths, ", ")
	switch {
	case d.going && expires(info):
		return "", false
	case d.going:
		return live.Name(info) + " is being deleted: " + whatGoes(info), false
	case len(d.paths) == 0:
		c.Approve(info, d.live)
		return "", false
	case d.fixed || live.HoldsData(info.Mapping.GroupVersionKind.Kind) || !c.Owner.Owns(d.live):
		return what + ": not as in the manifest, and left so: it cannot be changed in place", false
	}
	return what + ": made as in the manifest again", true
}

// whatGoes says what the end of an object means.
func whatGoes(info *resource.Info) string {
	if live.HoldsData(info.Mapping.GroupVersionKind.Kind) {
		return "its data goes with it as soon as nothing uses it"
	}
	return "it will have to be made again"
}
