package deploy

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// ways are the events with which each action can end: what [TestActionsEndInTheWaysOfTheTable]
// sees is these, all of them and no other.
var ways = map[state][]event{
	preflight:   {passed, untouched, broken, stopped},
	locking:     {passed, broken, stopped},
	settling:    {passed, broken, abandoned, stopped, lost},
	baseline:    {passed, broken, stopped, lost},
	preparing:   {passed, broken, stopped, lost},
	surveying:   {passed, broken, stopped, lost},
	applying:    {passed, failed, broken, abandoned, stopped, lost},
	watching:    {passed, idle, failed, unclear, stopped, lost},
	smoking:     {passed, failed, unproven, unclear, stopped, lost},
	soaking:     {passed, failed, unclear, stopped, lost},
	comparing:   {passed, failed, unproven, unclear, stopped, lost},
	marking:     {passed, idle, failed},
	evidence:    {passed, stopped, lost},
	deciding:    {passed, failed, stopped, lost},
	asking:      {passed, migrated, stopped, lost},
	takingBack:  {passed, failed, stopped, lost},
	rollingBack: {passed, failed, abandoned, stopped, lost},
	regating:    {passed, failed, unproven, stopped, lost},
	hurrying:    {passed, failed, abandoned},
}

func TestEveryTableHasExactlyOneWayForWhateverCanHappen(t *testing.T) {
	for _, c := range []struct {
		operation
		ends []state
	}{
		{deploying, []state{good, atRest, rolledBack, needsHuman, cancelled, planned, ended}},
		{goingBack, []state{good, atRest, needsHuman, cancelled, planned, ended}},
		{recovering, []state{good, atRest, rolledBack, needsHuman, cancelled, nothing, ended}},
		{gating, []state{good, atRest, refused, needsHuman, cancelled, ended}},
	} {
		t.Run(c.name, func(t *testing.T) {
			reached, ends := []state{c.first}, map[state]bool{}
			used := map[row]bool{}
			for i := 0; i < len(reached); i++ {
				at := reached[i]
				if _, acts := actions()[at]; !acts {
					ends[at] = true
					continue
				}
				events := ways[at]
				require.NotEmpty(t, events, at)
				if at == surveying && c.name == recovering.name {
					events = append([]event{untouched, undo, failed, abandoned}, events...)
				}
				if at == asking {
					events = append([]event{map[bool]event{true: broken, false: failed}[c.name == goingBack.name]}, events...)
				}
				if at == takingBack && c.name == goingBack.name {
					events = append([]event{broken}, events...)
				}
				if at == surveying && c.name == gating.name {
					events = append([]event{failed}, events...)
				}
				for _, on := range events {
					to, found := c.table.next(at, on)
					require.True(t, found, "%s: no way on %s", at, on)
					used[row{at, on, to}] = true
					if !slices.Contains(reached, to) {
						reached = append(reached, to)
					}
				}
			}
			for _, end := range c.ends {
				require.True(t, ends[end], "%s is never reached", end)
				delete(ends, end)
			}
			require.Empty(t, ends, "unexpected ends")
			for _, r := range c.table {
				require.True(t, used[r], "the row %v is never used", r)
			}
		})
	}
}
