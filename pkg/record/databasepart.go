package record

// DatabasePart is what a variable of the pods says of where their database is.
type DatabasePart string

// The parts. A URL says all but the prefix, which the names of a Backstage's databases
// begin with.
const (
	DatabaseURL      DatabasePart = "url"
	DatabaseHost     DatabasePart = "host"
	DatabasePort     DatabasePart = "port"
	DatabaseUser     DatabasePart = "user"
	DatabasePassword DatabasePart = "password"
	DatabaseName     DatabasePart = "name"
	DatabasePrefix   DatabasePart = "prefix"
	DatabaseSSLMode  DatabasePart = "sslmode"
)

// Choices are all parts.
func (DatabasePart) Choices() []Choice {
	return plain(DatabaseURL, DatabaseHost, DatabasePort, DatabaseUser, DatabasePassword, DatabaseName, DatabasePrefix, DatabaseSSLMode)
}
