// Command releaser makes the files of a release, the same bytes on every machine and in
// every folder: for each platform the program, packed, and a list of what is in it, and
// SHA256SUMS. What is committed beside actions/setup/setup.sh says which bytes these
// must be, before anybody builds them.
//
//	releaser -version 1.4.0 [-dir dist] [-platforms linux/amd64,…]
//	releaser -version 1.4.0 -pin     and writes VERSION and SHA256SUMS of actions/setup
//	releaser -version 1.4.0 -check   and refuses what is not as they say
//	releaser -version 1.5.0 -next    builds nothing: VERSION is the next, no checksums
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
)

// platforms are those that have a program: runners, and the laptops of developers.
const platforms = "linux/amd64,linux/arm64,darwin/amd64,darwin/arm64"

var semantic = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?$`)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "releaser:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("releaser", flag.ContinueOnError)
	var (
		version = flags.String("version", "", "version without v")
		root    = flags.String("root", ".", "the repository")
		dir     = flags.String("dir", "dist", "folder to make")
		list    = flags.String("platforms", platforms, "OS/ARCH, with commas")
		pin     = flags.Bool("pin", false, "write VERSION and SHA256SUMS of actions/setup")
		check   = flags.Bool("check", false, "compare with them")
		next    = flags.Bool("next", false, "begin this version: no checksums")
	)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if !semantic.MatchString(*version) {
		return fmt.Errorf("-version %q is no version such as 1.4.0", *version)
	}
	setup := filepath.Join(*root, "actions", "setup")
	if *next {
		return writePins(setup, *version, nothingPinned)
	}
	if err := checkToolchain(*root); err != nil {
		return err
	}
	if *pin && *list != platforms {
		return errors.New("-pin is for all platforms")
	}
	if *check {
		if err := checkVersion(setup, *version); err != nil {
			return err
		}
	}
	sums, err := release{root: *root, dir: *dir, version: *version, program: "./cmd/stagecrew"}.make(ctx, strings.Split(*list, ","))
	switch {
	case err != nil:
		return err
	case *pin:
		return writePins(setup, *version, sums)
	case *check:
		return checkSums(setup, sums)
	}
	return nil
}
