package record

// Codes of errors and causes that another room goes by than the one that makes them.
const (
	CodeNoDatabase    = "database/none-known"
	CodeWrongPassword = "database/wrong-password"
	CodeFrozen        = "deploy/frozen"
	CodeNoTunnel      = "kube/tunnel"
	CodeNotMadeHere   = "release/not-made-here"
	CodeCrashLoop     = "rollout/crash-loop"
)

// Reasons of causes that another room goes by than the one that makes them.
const (
	ReasonDeleted      = "NotFound" // the object was deleted
	ReasonImageDiffers = "ImageDiffers"
	ReasonLog          = "Log" // the message is a line of a container's log
)
