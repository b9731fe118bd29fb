package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/mod/modfile"
)

// nothingPinned is SHA256SUMS of a commit that belongs to no release; setup says so then.
const nothingPinned = "# Checksums of the release in VERSION: one line for each archive and for the program\n" +
	"# in it. None yet: this commit belongs to no release. `make release-hashes` writes them.\n"

// sumsOf gives the checksums of a folder in the form of sha256sum.
func sumsOf(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, entry := range entries {
		sum, err := sumOf(filepath.Join(dir, entry.Name()))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%s  %s\n", sum, entry.Name())
	}
	return b.String(), nil
}

func sumOf(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// writePins says in actions/setup which program belongs to this commit.
func writePins(setup, version, sums string) error {
	return errors.Join(
		os.WriteFile(filepath.Join(setup, "VERSION"), []byte(version+"\n"), 0o644),
		os.WriteFile(filepath.Join(setup, "SHA256SUMS"), []byte(sums), 0o644))
}

// checkVersion refuses to build what could only be another release.
func checkVersion(setup, version string) error {
	pinned, err := os.ReadFile(filepath.Join(setup, "VERSION"))
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(pinned)) != version {
		return fmt.Errorf("this is %s, and actions/setup/VERSION says %s", version, strings.TrimSpace(string(pinned)))
	}
	return nil
}

// checkSums names what was built and is not as committed.
func checkSums(setup, sums string) error {
	pinned, err := os.ReadFile(filepath.Join(setup, "SHA256SUMS"))
	if err != nil {
		return err
	}
	var problems []error
	for line := range strings.Lines(sums) {
		if !strings.Contains("\n"+string(pinned), "\n"+line) {
			problems = append(problems, fmt.Errorf("actions/setup/SHA256SUMS does not have %s", strings.TrimSpace(line)))
		}
	}
	return errors.Join(problems...)
}

// checkToolchain refuses a compiler whose bytes nobody else would get.
func checkToolchain(root string) error {
	content, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		return err
	}
	module, err := modfile.Parse("go.mod", content, nil)
	if err != nil || module.Toolchain == nil {
		return err
	}
	if have := withoutExperiments(runtime.Version()); have != module.Toolchain.Name {
		return fmt.Errorf("this is %s, and releases are made with %s: set GOTOOLCHAIN to it, as make release does", have, module.Toolchain.Name)
	}
	return nil
}

// withoutExperiments is the version alone: behind it stand experiments, as in
// "go1.26.8-X:jsonv2", which before was "go1.25.1 X:jsonv2".
func withoutExperiments(version string) string {
	version, _, _ = strings.Cut(version, " ")
	version, _, _ = strings.Cut(version, "-X:")
	return version
}
