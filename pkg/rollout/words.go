package rollout

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"

	corev1 "k8s.io/api/core/v1"
)

// maxLine bounds a message, in characters.
const maxLine = 500

// execFormat is what a kernel says about a program for another machine.
const execFormat = "exec format error"

var (
	// errorLine looks like the line that names an error.
	errorLine = regexp.MustCompile(`(?i)(\b\w*error\b|exception|fatal|panic|cannot|denied|refused|not found)`)
	// kubeletLine is what the kubelet writes in place of a log that is gone.
	kubeletLine = regexp.MustCompile(`^(failed to try resolving symlinks in path|unable to retrieve container logs for|failed to open log file)`)
)

// significantLine gives the first line that looks like an error, else the last line of
// the first log that has one.
func significantLine(logs ...string) string {
	last := ""
	for _, log := range logs {
		end := ""
		for line := range strings.Lines(log) {
			line = strings.TrimSpace(line)
			if line == "" || kubeletLine.MatchString(line) {
				continue
			}
			if errorLine.MatchString(line) {
				return shorten(plain(line))
			}
			end = plain(line)
		}
		if last == "" {
			last = end
		}
	}
	return shorten(last)
}

// plain gives the message of a line that a program logs as a JSON object.
func plain(line string) string {
	var entry struct{ Message string }
	if err := json.Unmarshal([]byte(line), &entry); err == nil && entry.Message != "" {
		return entry.Message
	}
	return line
}

// shorten makes one line of a text and leaves out the middle of a long one: a message
// begins with what was tried and ends with what went wrong.
func shorten(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(strings.TrimSpace(text), "?"))
	runes := []rune(text)
	if len(runes) <= maxLine {
		return text
	}
	return string(runes[:maxLine/3]) + " … " + string(runes[len(runes)-maxLine*2/3:])
}

// signals are those that end containers; Linux runtimes report them as 128 and
// their number.
var signals = map[int32]string{4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV", 13: "SIGPIPE", 15: "SIGTERM"}

// describeExit gives code, signal, duration and the termination message.
func describeExit(t corev1.ContainerStateTerminated) string {
	if t.Message == "" {
		return exitCode(t)
	}
	return exitCode(t) + "; it said: " + significantLine(t.Message)
}

// exitStatus is how a container ended, as the heading of its log has it.
func exitStatus(t corev1.ContainerStateTerminated) string { return "exit " + exitCode(t) }

func exitCode(t corev1.ContainerStateTerminated) string {
	s := fmt.Sprintf("code %d", t.ExitCode)
	signal := t.Signal
	if signal == 0 && t.ExitCode > 128 {
		signal = t.ExitCode - 128
	}
	var more []string
	if name := signals[signal]; name != "" {
		more = append(more, name)
	} else if t.Signal != 0 {
		more = append(more, fmt.Sprintf("signal %d", t.Signal))
	}
	if t.Reason != "" && t.Reason != "Error" {
		more = append(more, t.Reason)
	}
	if len(more) > 0 {
		s += " (" + strings.Join(more, ", ") + ")"
	}
	if !t.StartedAt.IsZero() && t.StartedAt.Unix() > 0 && t.FinishedAt.After(t.StartedAt.Time) {
		s += fmt.Sprintf(" after %s", t.FinishedAt.Sub(t.StartedAt.Time).Round(time.Second))
	}
	return s
}
