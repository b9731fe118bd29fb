//go:build goexperiment.jsonv2

package scan

import (
	"context"
	stdlog "log"
	"log/slog"
	"os"
	"strings"

	"github.com/aquasecurity/trivy-db/pkg/vulnsrc/bucket"
	fanal "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/types"

	"github.com/stagecrew/stagecrew/pkg/text"
)

// Importing Trivy replaces the process's default loggers by one that only collects
// records in memory, so that what other packages log through them is lost.
func init() {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	stdlog.SetOutput(os.Stderr)
	stdlog.SetFlags(stdlog.LstdFlags)
}

// redirect sends what Trivy logs to log until the returned function is called.
func redirect(log *slog.Logger, missed *missed) (restore func()) {
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
	missed *missed
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

// warn says what of an image was not compared, and what a comparison is worth.
func warn(log *slog.Logger, base database, report types.Report) {
	system := system(report)
	if !system.Detected() {
		return
	}
	if system.Eosl {
		log.Warn("the image's operating system gets no security updates any more, so new vulnerabilities in it go unnoticed", "system", system.Family, "version", system.Name)
	}
	if name := bucketOf(system); name != "" && !base.systems[name] {
		log.Warn("the vulnerability database knows nothing about the image's operating system, whose packages were not compared", "system", name)
	}
}

// bucketOf gives where the database keeps the advisories of an operating system, ""
// where that is not simply its name and version.
func bucketOf(system fanal.OS) string {
	switch system.Family {
	case fanal.Debian:
		return bucket.NewDebian(major(system.Name)).Name()
	case fanal.Ubuntu:
		return bucket.NewUbuntu(system.Name).Name()
	default:
		return ""
	}
}

func major(version string) string {
	first, _, _ := strings.Cut(version, ".")
	return first
}
