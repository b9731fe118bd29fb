// Package backstage holds what is particular to Backstage: where things lie in its
// workspaces and images, its smoke checks, and the log lines after which a backend
// will never be ready. It is data.
package backstage

import (
	_ "embed"
	"slices"
	"strings"
)

//go:embed smoke.yaml
var smoke []byte

// SmokeYAML is the suite that --smoke backstage means, as YAML.
func SmokeYAML() []byte { return slices.Clone(smoke) }

// SkipValidation is the variable of Backstage that has knex not compare the files of the image
// with the migrations that are applied, for every plugin: the setting
// backend.database.knexConfig.migrations.disableMigrationsListValidation
// (backstage/backstage#11218).
const SkipValidation = "APP_CONFIG_backend_database_knexConfig_migrations_disableMigrationsListValidation"

// MigrationLocked are knex's words in the log of a backend that found the lock of its
// migrations held. It does not try again.
const MigrationLocked = "Migration table is already locked"

// MetLock reports whether what a container said has these words.
func MetLock(said string) bool { return strings.Contains(said, MigrationLocked) }

// StartFailed are a backend's words when its start has come to an end and failed: whether
// it stays alive or not, it does nothing more.
const StartFailed = "Backend startup failed due to the following errors"

// LogPatterns are regular expressions for lines of a backend's log. Since
// backend-app-api 1.2.8 a backend whose start failed stays alive and is never
// ready (backstage/backstage pull request 31337), so that only its log tells. A
// plugin whose failure the configuration permits (onPluginBootFailure: continue)
// writes the same line with other words behind the comma; that one is no failure.
func LogPatterns() []string {
	return []string{
		StartFailed,
		`threw an error during startup(\.|, waiting for )`,
		`The migration directory is corrupt, the following files are missing`,
		MigrationLocked,
	}
}

// PassingPatterns are regular expressions for lines that match a log pattern but
// may tell of a race: pods that start at once on an empty or older database migrate
// it at once, all but one of them fail, and a restart heals them. What the restarted
// container says again no restart heals: a lock that a killed migration has left.
func PassingPatterns() []string {
	return []string{
		MigrationLocked,
		`duplicate key value violates unique constraint \\*"pg_(type_typname_nsp|database_datname)_index`,
		`relation \\*"[a-z_]*knex_migrations(_lock)?\\*" already exists`,
	}
}
