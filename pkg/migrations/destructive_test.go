package migrations

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatAMigrationDestroys(t *testing.T) {
	for name, c := range map[string]struct{ file, text, says string }{
		"a new table":                    {"1_a.js", "exports.up = knex => knex.schema.createTable('a', t => { t.string('b').notNullable(); t.unique(['b']); });\nexports.down = knex => knex.schema.dropTable('a');", ""},
		"a new column":                   {"1_a.js", "exports.up = async knex => { await knex.schema.alterTable('a', t => { t.string('b').nullable(); }); };\nexports.down = knex => knex.schema.alterTable('a', t => t.dropColumn('b'));", ""},
		"a column that goes":             {"1_a.js", "exports.up = knex => knex.schema.alterTable('a', t => t.dropColumn('b'));\nexports.down = () => {};", "drops a column"},
		"after a new table":              {"1_a.js", "exports.up = async knex => {\n await knex.schema.createTable('q', t => { t.string('b'); });\n await knex.schema.alterTable('a', t => { t.dropColumn('b') }); };", "drops a column"},
		"raw SQL":                        {"1_a.js", "exports.up = knex => knex.raw('ALTER TABLE a DROP   COLUMN b');", "drops a column"},
		"a renamed column":               {"1_a.ts", "export async function up(knex) { await knex.schema.alterTable('a', t => t.renameColumn('b', 'c')); }\nexport async function down() {}", "renames"},
		"a raw rename":                   {"1_a.js", "exports.up = knex => knex.raw(`ALTER TABLE a RENAME TO b`);", "renames"},
		"not null on old rows":           {"1_a.js", "exports.up = knex => knex.raw('alter table a alter column b set not null');", "wants a value where there was none"},
		"a column that old writes lack":  {"1_a.js", "exports.up = knex => knex.schema.alterTable('a', t => t.string('b').notNullable());", "wants a value where there was none"},
		"a changed type":                 {"1_a.js", "exports.up = knex => knex.schema.alterTable('a', t => t.text('b').alter());", "changes a type"},
		"rows":                           {"1_a.js", "exports.up = knex => knex('a').where('b', 1).delete();", "takes rows away"},
		"a rule":                         {"1_a.js", "exports.up = knex => knex.schema.alterTable('a', t => t.unique(['b']));", "adds a rule that old rows or writes may break"},
		"an index":                       {"1_a.js", "exports.config = { transaction: false };\nexports.up = knex => knex.raw('CREATE INDEX CONCURRENTLY i ON a (b)');\nexports.down = knex => knex.raw('DROP INDEX i');", ""},
		"the way back stands first":      {"1_a.js", "exports.down = knex => knex.schema.dropTable('a');\nexports.up = knex => knex.schema.createTable('a', t => {});", ""},
		"a comment about a drop":         {"1_a.js", "// we used to dropColumn('a')\nexports.up = knex => knex.schema.createTable('a', t => {}); /* DROP TABLE b */", ""},
		"work in another file":           {"1_a.js", "const { move } = require('./helper');\nexports.up = knex => move(knex);", "does something that stands in another file"},
		"no migration":                   {"1_a.js", "module.exports = 1;", "cannot be read"},
		"nothing":                        {"1_a.js", "", "cannot be read"},
		"SQL":                            {"1_a.sql", "CREATE TABLE a (b int NOT NULL); -- DROP TABLE b", ""},
		"SQL that drops":                 {"1_a.sql", "drop table a;", "drops a table"},
		"a word that is no function, up": {"1_a.js", "exports.up = async function up(knex) { await knex.schema.alterTable('x', t => { t.dropColumn('y'); }); };\nexports.down = async function down(knex) {};", "drops a column"},
		"a bracket that is never closed": {"1_a.js", "exports.up = knex => knex.schema.createTable('a', t => { t.dropColumn(", "drops a column"},
		// As 20260510000000_search_indices_and_dedup.js of catalog 4.0.0 has them.
		"a function behind the way back": {"1_a.js", "exports.up = async knex => {\n  await dedup(knex);\n};\nexports.down = async knex => {\n  await knex.schema.dropTable('a');\n};\nasync function dedup(knex) {\n  await knex.raw(`DELETE FROM a`);\n}", "takes rows away"},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.says, Destructive(c.file, c.text)) })
	}
}
