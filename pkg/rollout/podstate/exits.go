package podstate

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/rollout/wording"
)

// signals are those that end containers; Linux runtimes report them as 128 and
// their number.
var signals = map[int32]string{4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV", 13: "SIGPIPE", 15: "SIGTERM"}

// DescribeExit gives code, signal, duration and the termination message.
func DescribeExit(t corev1.ContainerStateTerminated) string {
	if t.Message == "" {
		return exitCode(t)
	}
	return exitCode(t) + "; " + record.Said + wording.Shorten(wording.SignificantLine(t.Message))
}

// ExitStatus is how a container ended, as the heading of its log has it.
func ExitStatus(t corev1.ContainerStateTerminated) string { return "exit " + exitCode(t) }

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
