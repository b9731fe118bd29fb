// Package atstart lets the program start without collecting garbage. About 1300
// packages initialise what they hold for the whole run, 24 MB; the collector would go
// through that five times, a fifth of the time that `stagecrew version` takes. It has to
// be initialised before them, so it imports next to nothing.
package atstart

import (
	"os"
	"runtime"
	"runtime/debug"
)

// firstCollection is how much memory the program has when garbage is collected first, in
// bytes: a build of a changed application ends before that. From then on everything is
// as ever.
const firstCollection = 64 << 20

func init() {
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return // the user knows better
	}
	percent, limit := debug.SetGCPercent(-1), debug.SetMemoryLimit(firstCollection)
	// Nothing refers to this, so that the first collection meets it.
	runtime.AddCleanup(&[64]byte{}, func(struct{}) {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}, struct{}{})
}
