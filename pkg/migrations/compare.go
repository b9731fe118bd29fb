package migrations

import (
	"cmp"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Compare says what a rollback from the next image to the live one needs. knex compares
// names and no contents, and so does this: eight files of the catalog differ between
// Backstage 1.43 and 1.55, without harm.
func Compare(live, next Set) record.Migrations {
	m := record.Migrations{Rollback: record.RollbackFree, Plugins: differences(live, next)}
	if live.Len()+next.Len() == 0 {
		return Unknown("neither image has migration files that are known by their names, and nothing else says what becomes of its databases")
	}
	var up, other []string
	for _, p := range m.Plugins {
		switch p.Change {
		case record.MigratesUp, record.MigratesApart, record.NewModule:
			m.Rollback = record.RollbackNeedsDatabase
			up = append(up, p.String())
		case record.MigratesDown, record.NewPlugin, record.RemovedPlugin:
			other = append(other, p.String())
		}
	}
	m.Why = cmp.Or(strings.Join(slices.Concat(up, other), "; "), "both images have the same migrations")
	return m
}

// Unknown is the verdict where nothing can be told, with the reason.
func Unknown(why string) record.Migrations {
	return record.Migrations{Rollback: record.RollbackUnknown, Why: why}
}

// differences are the folders that differ, in order.
func differences(live, next Set) (found []record.PluginMigrations) {
	before := moved(live, next)
	for _, folder := range next.folders() {
		old, there := live[folder], true
		if from, isMoved := before[folder]; isMoved {
			old = live[from]
		} else {
			_, there = live[folder]
		}
		found = append(found, difference(folder, there, old, true, next[folder])...)
	}
	for _, folder := range live.folders() {
		if _, there := next[folder]; !there && !isSource(before, folder) {
			found = append(found, difference(folder, true, live[folder], false, nil)...)
		}
	}
	slices.SortStableFunc(found, func(a, b record.PluginMigrations) int { return strings.Compare(a.Folder, b.Folder) })
	return found
}

func difference(folder string, inLive bool, old []string, inNext bool, names []string) []record.PluginMigrations {
	p := record.PluginMigrations{Plugin: PluginOf(folder), Folder: folder, Added: without(names, old), Missing: without(old, names)}
	switch {
	case !inLive && !ownsDatabase(folder):
		p.Change = record.NewModule
	case !inLive:
		p.Change = record.NewPlugin
	case !inNext:
		p.Change = record.RemovedPlugin
	case len(p.Added) > 0 && len(p.Missing) > 0:
		p.Change = record.MigratesApart
	case len(p.Added) > 0:
		p.Change = record.MigratesUp
	case len(p.Missing) > 0:
		p.Change = record.MigratesDown
	default:
		return nil
	}
	return []record.PluginMigrations{p}
}

// moved finds folders of the next image that had another place in the live one: a
// package that was renamed or lies elsewhere works on the same tables
// (@backstage/backend-tasks became a part of @backstage/backend-defaults). They have
// more than half of the smaller one's names in common.
func moved(live, next Set) map[string]string {
	from := map[string]string{}
	for _, folder := range next.folders() {
		if _, there := live[folder]; there {
			continue
		}
		for _, old := range live.folders() {
			if _, there := next[old]; there || isSource(from, old) {
				continue
			}
			common := len(live[old]) - len(without(live[old], next[folder]))
			if 2*common > min(len(live[old]), len(next[folder])) {
				from[folder] = old
				break
			}
		}
	}
	return from
}

func isSource(from map[string]string, folder string) bool {
	for _, old := range from {
		if old == folder {
			return true
		}
	}
	return false
}
