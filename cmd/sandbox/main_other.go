//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "sandbox: this is not Linux; the sandbox needs its namespaces and cgroups.\n"+
		"Any cluster will do in its place: give its kubeconfig, KUBECONFIG=FILE, for example one of kind.")
	os.Exit(1)
}
