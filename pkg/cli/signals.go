package cli

import (
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/stagecrew/stagecrew/pkg/pipeline"
)

// endings are the signals that end a run: those of GitHub's runner and of a person, and
// that of a terminal or a connection that is gone. One that was ignored when the program
// began stays so: nohup means it.
func endings() []os.Signal {
	return slices.DeleteFunc([]os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}, func(s os.Signal) bool {
		return s == syscall.SIGHUP && signal.Ignored(s)
	})
}

// outlast keeps a command that changes something alive when its log has no reader any more:
// of `stagecrew deploy 2>&1 | tee log`, Ctrl-C ends tee, too, and the next line would be
// the end of a deploy that has just begun to put things right. Whoever only looks ends
// with its reader, as kubectl does. Programs that are started have the signal as before,
// which would not be so if it were ignored.
func outlast(effect pipeline.Effect) (release func()) {
	if effect == pipeline.Nothing {
		return func() {}
	}
	unread := make(chan os.Signal, 1)
	signal.Notify(unread, syscall.SIGPIPE)
	return func() { signal.Stop(unread) }
}
