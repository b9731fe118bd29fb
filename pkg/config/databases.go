package config

import "github.com/stagecrew/stagecrew/pkg/record"

// Database is how the database of a release is found, before something is rolled back.
type Database struct {
	DatabaseEnv DatabaseEnv `name:"database-env" value:"WHAT=NAME" pattern:"^({choices})=[^=\\s]+$" want:"WHAT=NAME with {choices} as WHAT" help:"WHAT=NAME with the NAME of a variable of the pods that says where their PostgreSQL is, repeatable; WHAT is {choices}; default those of Backstage and libpq"`
}

// Migrated is what is done about the databases before a rollback from a release whose
// migrations are in them.
type Migrated struct {
	OnMigrated record.MigratedPolicy `name:"on-migrated" default:"stop" help:"what to do when a release has failed whose migrations are in the database, before its rollback"`
}

// Dumps are where the databases are dumped to before a deploy, and restored from.
type Dumps struct {
	DumpClaim     string `name:"dump-claim" value:"NAME" help:"PersistentVolumeClaim NAME in the namespace of the release for the dumps of --on-migrated restore"`
	DumpImage     string `name:"dump-image" value:"IMAGE" help:"IMAGE with psql, pg_dump and pg_restore of the server's version or a newer one; default that of the database's own pod"`
	DumpKeep      int    `name:"dump-keep" value:"N" default:"3" least:"1" help:"keep N dumps, at least 1; older ones go when a new one is made and checked"`
	DumpRecipient string `name:"dump-recipient" value:"AGE" help:"encrypt dumps for this recipient, AGE is age1…; the image has to have age then"`
	DumpIdentity  string `name:"dump-identity" value:"SECRET/KEY" help:"SECRET/KEY in the namespace of the release that holds the age identity for a restore"`
}

// Unlocking is what a recovery does about locks of migrations.
type Unlocking struct {
	UnlockMigrations bool `name:"unlock-migrations" file:"-" help:"first free the locks that killed migrations have left in the database; refused while a pod lives that may be migrating"`
}

// Schema is how the changes that an image makes to its databases are found.
type Schema struct {
	MigrationFiles []string `name:"migrations" value:"PATTERN" help:"PATTERN with ** of the files in the image that change its database, such as app/db/migrate/*.rb, repeatable; default those of Backstage's plugins"`
}

// SafeRollback is what a deploy wants of a rollback from it.
type SafeRollback struct {
	RequireSafeRollback bool `name:"require-safe-rollback" help:"refuse an image from which a rollback is not known to be possible without the database; without it that is a warning"`
}
