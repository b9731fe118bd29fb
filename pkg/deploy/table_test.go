package deploy

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// ways are the events with which each action can end, by reading it.
var ways = map[state][]event{
	preflight:   {passed, untouched, broken, stopped},
	locking:     {passed, broken, stopped},
	settling:    {passed, broken, abandoned, stopped, lost},
	baseline:    {passed, broken, stopped, lost},
	surveying:   {passed, broken, stopped, lost},
	applying:    {passed, failed, broken, abandoned, stopped, lost},
	watching:    {passed, failed, stopped, lost},
	smoking:     {passed, failed, unproven, stopped, lost},
	soaking:     {passed, failed, stopped, lost},
	marking:     {passed, failed},
	evidence:    {passed, stopped, lost},
	deciding:    {passed, failed, stopped, lost},
	rollingBack: {passed, failed, abandoned, stopped, lost},
	regating:    {passed, failed, unproven, stopped, lost},
	hurrying:    {passed, failed, abandoned},
}

func TestEveryTableHasExactlyOneWayForWhateverCanHappen(t *testing.T) {
	for name, c := range map[string]struct {
		table table
		first state
		ends  []state
	}{
		"deploy":   {deployTable, preflight, []state{good, rolledBack, needsHuman, cancelled, planned, ended}},
		"rollback": {rollbackTable, preflight, []state{good, needsHuman, cancelled, planned, ended}},
		"recover":  {recoverTable, locking, []state{good, rolledBack, needsHuman, cancelled, nothing, ended}},
		"gate":     {gateTable, locking, []state{good, refused, needsHuman, cancelled, ended}},
	} {
		t.Run(name, func(t *testing.T) {
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
				if at == surveying && name == "recover" {
					events = append([]event{untouched, undo, failed, abandoned}, events...)
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
