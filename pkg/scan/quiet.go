//go:build goexperiment.jsonv2

package scan

import (
	stdlog "log"
	"log/slog"
	"os"
	"strings"

	"github.com/aquasecurity/trivy-db/pkg/vulnsrc/bucket"
	fanal "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/aquasecurity/trivy/pkg/types"
)

// Importing Trivy replaces the process's default loggers by one that only collects
// records in memory, so that what other packages log through them is lost.
func init() {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	stdlog.SetOutput(os.Stderr)
	stdlog.SetFlags(stdlog.LstdFlags)
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
