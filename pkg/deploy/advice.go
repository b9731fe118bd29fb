package deploy

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// lockHeld says who holds a lock, and how it is freed.
func (r *run) lockHeld(locked []record.MigrationTable) string {
	var lines []string
	living := false
	for _, t := range locked {
		lines = append(lines, fmt.Sprintf("%s: %s", t.Database, t.Lock))
		living = living || len(t.Lock.Holders) > 0
	}
	then := "no revision can start until it is free"
	if living {
		then += "; wait for the migration to end, and then"
	} else {
		then += ";"
	}
	return fmt.Sprintf("%s; %s `stagecrew recover --release %s --namespace %s --unlock-migrations` frees it and judges the revision again",
		strings.Join(lines, "; "), then, r.Release, r.Namespace)
}

// migrated says which migrations are in, and what can be done.
func (r *run) migrated(applied record.Applied, target record.Revision, state record.DatabaseState) string {
	var plugins []string
	for _, p := range state.In {
		plugins = append(plugins, p.String())
	}
	return fmt.Sprintf("the databases hold migrations that its image lacks, and it would not start on them: %s; %s; or take them back with the files of the new image, and then `stagecrew rollback --release %s --namespace %s --to %d`: %s",
		strings.Join(plugins, "; "), r.forward(), r.Release, r.Namespace, target.Number, r.commands(applied, state.Down))
}

// forward is what always helps.
func (r *run) forward() string {
	return fmt.Sprintf("deploy an image that is repaired and has these migrations, too (`stagecrew deploy --release %s --namespace %s --image …`)", r.Release, r.Namespace)
}

// commands are those that take migrations back, one for each table: exactly
// these, in their order, whichever runs of knex have applied them.
func (r *run) commands(applied record.Applied, down []record.AppliedMigration) string {
	var commands []string
	for begin := 0; begin < len(down); {
		end := begin
		var names []string
		for ; end < len(down) && sameTable(down[begin], down[end]); end++ {
			names = append(names, text.ShellWord(down[end].Name))
		}
		commands = append(commands, fmt.Sprintf("`kubectl --namespace %s exec %s -- sh -c %s`", r.Namespace, r.podWithFiles(applied), text.ShellWord(knexDown(down[begin], names))))
		begin = end
	}
	return strings.Join(commands, ", ")
}

// podWithFiles is a pod that runs the image whose migrations are in: of a failed revision
// one of the new ones, beside which old ones may run.
func (r *run) podWithFiles(applied record.Applied) string {
	if r.result.Diagnosis != nil {
		for _, pod := range r.result.Diagnosis.Pods {
			if pod.New {
				return "pod/" + pod.Name
			}
		}
	}
	if len(applied.Workloads) == 0 {
		return "POD"
	}
	return strings.ToLower(applied.Workloads[0].Kind) + "/" + applied.Workloads[0].Name
}

// knexDown takes migrations of one table back, whose names are words of a shell. The password is none of the URL, where it
// would have to be encoded.
func knexDown(a record.AppliedMigration, names []string) string {
	directory := "/" + a.Folder
	if owner, _, _ := strings.Cut(a.Folder, "/migrations"); strings.HasPrefix(owner, "@") || !strings.Contains(owner, "/") {
		directory = "node_modules/" + a.Folder
	}
	schema := ""
	if a.Schema != "" && a.Schema != "public" {
		path := `-c search_path="` + strings.ReplaceAll(a.Schema, `"`, `""`) + `"`
		schema = "?options=" + strings.ReplaceAll(url.QueryEscape(path), "+", "%20")
	}
	return fmt.Sprintf(`for m in %s; do PGPASSWORD="$POSTGRES_PASSWORD" node node_modules/.bin/knex migrate:down $m --client pg `+
		`--connection "postgres://$POSTGRES_USER@$POSTGRES_HOST:${POSTGRES_PORT:-5432}/%s%s" --migrations-table-name %s --migrations-directory %s || break; done`,
		strings.Join(names, " "), text.ShellQuoted(a.Database), text.ShellQuoted(schema), text.ShellWord(a.Table), text.ShellWord(directory))
}

func sameTable(a, b record.AppliedMigration) bool {
	return a.Database == b.Database && a.Schema == b.Schema && a.Table == b.Table && a.Folder == b.Folder
}
