package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
)

// conditions are what the results depend on besides stagecrew.
type conditions struct {
	Machine  string `json:"machine"`
	Versions string `json:"versions"`
}

func (c conditions) String() string { return c.Machine + "; " + c.Versions }

// conditionsOf describes this machine and the tools that tools.mk names.
func conditionsOf(ctx context.Context, root string) (conditions, error) {
	versions := []string{}
	for _, tool := range []struct{ name, file, before string }{
		{"BuildKit", "tools.mk", `BUILDKIT_VERSION\s*:=`}, {"buildx", "tools.mk", `BUILDX_VERSION\s*:=`}, {"Trivy", "tools.mk", `TRIVY_VERSION\s*:=`},
		// It is built with the product's versions.
		{"cosign", "go.mod", `\s*github\.com/sigstore/cosign/v2`},
	} {
		text, err := os.ReadFile(filepath.Join(root, tool.file))
		if err != nil {
			return conditions{}, err
		}
		found := regexp.MustCompile(`(?m)^` + tool.before + `\s*v(\S+)$`).FindSubmatch(text)
		if found == nil {
			return conditions{}, fmt.Errorf("%s has no version of %s", tool.file, tool.name)
		}
		versions = append(versions, tool.name+" "+string(found[1]))
	}
	for _, program := range []struct{ name, command string }{{"Node.js", "node"}, {"npm", "npm"}} {
		out, err := exec.CommandContext(ctx, program.command, "--version").Output()
		if err != nil {
			return conditions{}, fmt.Errorf("asking %s for its version: %w", program.command, err)
		}
		versions = append(versions, program.name+" "+strings.TrimPrefix(strings.TrimSpace(string(out)), "v"))
	}
	versions = append(versions, "Go "+strings.TrimPrefix(runtime.Version(), "go"))
	return conditions{Machine: machine(), Versions: strings.Join(versions, ", ")}, nil
}

// machine says what is known of it: "2 processors (AMD EPYC), 24 GB of memory".
func machine() string {
	text := fmt.Sprintf("%d processors", runtime.NumCPU())
	if model := field("/proc/cpuinfo", "model name"); model != "" {
		text += " (" + model + ")"
	}
	if kilobytes, err := strconv.ParseFloat(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB"), 64); err == nil {
		text += fmt.Sprintf(", %.0f GB of memory", math.Ceil(kilobytes/(1<<20)))
	}
	return text
}

// field is the first value of a name in a file of the kernel's, "" where there is none.
func field(file, name string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range bytes.Lines(text) {
		key, value, found := strings.Cut(string(line), ":")
		if found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// load1 is the machine's load of the last minute, 0 where it is not told.
func load1() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), " ")
	load, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return 0
	}
	return load
}
