// Package wording makes lines for people of what containers, registries and Kubernetes say:
// one line, bounded, without control characters, and of a log the line that matters.
package wording

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/text"
)

// MaxLine bounds a message, in bytes.
const MaxLine = 500

// ExecFormat is what a kernel says about a program for another machine.
const ExecFormat = "exec format error"

var (
	// errorLine looks like the line that names an error.
	errorLine = regexp.MustCompile(`(?i)(\b\w*error\b|exception|fatal|panic|cannot|denied|refused|not found)`)
	// kubeletLine is what the kubelet writes in place of a log that is gone.
	kubeletLine = regexp.MustCompile(`^(failed to try resolving symlinks in path|unable to retrieve container logs for|failed to open log file)`)
)

// SignificantLine gives the first line that looks like an error, else the last line of
// the first log that has one, as long as it is.
func SignificantLine(logs ...string) string {
	last := ""
	for _, log := range logs {
		end := ""
		for line := range strings.Lines(log) {
			line = strings.TrimSpace(line)
			if line == "" || kubeletLine.MatchString(line) {
				continue
			}
			if errorLine.MatchString(line) {
				return Plain(line)
			}
			end = Plain(line)
		}
		if last == "" {
			last = end
		}
	}
	return last
}

// Plain gives the message of a line that a program logs as a JSON object.
func Plain(line string) string {
	var entry struct{ Message string }
	if err := json.Unmarshal([]byte(line), &entry); err == nil && entry.Message != "" {
		return entry.Message
	}
	return line
}

// Shorten makes one line of a message, and leaves out the middle of a long one.
func Shorten(said string) string { return text.Middle(said, MaxLine) }

// WrongArchitecture is the whole of what a container says whose program is for another
// architecture; a longer text would be an application that talks about it.
var WrongArchitecture = regexp.MustCompile(`^exec [^ ]+: ` + ExecFormat + `$`)

// FirstOf is the first that is not empty.
func FirstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
