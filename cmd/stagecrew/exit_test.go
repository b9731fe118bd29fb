package main

import (
	"errors"
	"os/exec"
	"strconv"
)

// exitCode reads the exit code from an error of testscript.
func exitCode(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return strconv.Itoa(exit.ExitCode())
	}
	return err.Error()
}
