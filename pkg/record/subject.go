package record

// Subject is what a command may have something to tell of. The outputs that it has in
// GitHub Actions follow from that.
type Subject string

// The subjects. Of the run itself every command tells.
const (
	SubjectRun        Subject = ""
	SubjectImage      Subject = "image"
	SubjectRelease    Subject = "release" // which it changes or judges
	SubjectLive       Subject = "live revision"
	SubjectScan       Subject = "scan"
	SubjectMigrations Subject = "migrations"
	SubjectTags       Subject = "tags"
)
