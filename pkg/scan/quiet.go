//go:build goexperiment.jsonv2 && !notrivy

package scan

import (
	"cmp"
	stdlog "log"
	"log/slog"
	"os"
	"strings"

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

// uncovered says why the packages of the image's operating system were not compared, or
// what the comparison is worth. Noted is what the scanner said about it.
func uncovered(log *slog.Logger, base database, report types.Report, noted []string) []string {
	system := system(report)
	if system.Eosl {
		noted = append(noted, "the image's operating system gets no security updates any more, so new vulnerabilities in it go unnoticed")
	}
	name := bucketOf(system)
	if name != "" && !base.systems[name] {
		noted = append(noted, "the vulnerability database knows nothing about the image's operating system, whose packages were not compared")
	}
	name = cmp.Or(name, strings.TrimSpace(string(system.Family)+" "+system.Name), "unknown")
	for i, line := range noted {
		log.Warn(line, "image", report.ArtifactName, "system", name)
		noted[i] = text.Line(name+": "+line, long)
	}
	return noted
}
