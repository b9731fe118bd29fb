// Package trivylog reads what Trivy logs: it says there, and nowhere else, what it did not
// compare and could not read.
package trivylog

import (
	"context"
	stdlog "log"
	"log/slog"

	"github.com/stagecrew/stagecrew/pkg/text"
)

// Redirect sends what Trivy logs to log until the returned function is called.
func Redirect(log *slog.Logger, missed *Missed) (restore func()) {
	before, out, flags := slog.Default(), stdlog.Writer(), stdlog.Flags()
	set := func(l *slog.Logger) {
		slog.SetDefault(l)
		// slog takes the standard logger along, whose users have nothing to do with this.
		stdlog.SetOutput(out)
		stdlog.SetFlags(flags)
	}
	set(slog.New(bridge{log, missed}))
	return func() { set(before) }
}

// bridge passes on Trivy's warnings as such and all else as debug messages, with
// its foreign text made fit for a log.
type bridge struct {
	log    *slog.Logger
	missed *Missed
}

func level(l slog.Level) slog.Level {
	if l >= slog.LevelWarn {
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

func (b bridge) Enabled(context.Context, slog.Level) bool {
	return true // for what was missed, which Trivy tells on all levels
}

func (b bridge) Handle(ctx context.Context, r slog.Record) error {
	b.missed.see(r)
	if !b.log.Enabled(ctx, level(r.Level)) {
		return nil
	}
	attrs := []slog.Attr{slog.String("from", "trivy")}
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, legible(a))
		return true
	})
	b.log.LogAttrs(ctx, level(r.Level), text.Line(r.Message, 300), attrs...)
	return nil
}

func (b bridge) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := make([]any, 0, len(attrs))
	for _, a := range attrs {
		with = append(with, legible(a))
	}
	return bridge{b.log.With(with...), b.missed}
}

func (b bridge) WithGroup(name string) slog.Handler { return bridge{b.log.WithGroup(name), b.missed} }

func legible(a slog.Attr) slog.Attr {
	return slog.String(a.Key, text.Line(a.Value.String(), 300))
}
