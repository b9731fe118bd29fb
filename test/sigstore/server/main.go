// Command sigstore runs a private Sigstore on this machine: Fulcio with a log of
// certificates, the timestamp authority, Rekor, and in place of GitHub an issuer of
// tokens. See README.md.
//
//	sigstore --dir DIR --ready FILE
//	sigstore -- go test ./test/sigstore
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/stagecrew/stagecrew/test/sigstore/server/rekor"
	"github.com/stagecrew/stagecrew/test/sigstore/server/stack"
)

func main() {
	rekor.ServeIfAsked()
	options := stack.Options{}
	flag.StringVar(&options.Dir, "dir", "", "empty folder for trusted_root.json, signing_config.json, env and the logs; a temporary one when not given")
	flag.BoolVar(&options.WithoutRekor, "without-rekor", false, "timestamps alone date a signature")
	flag.BoolVar(&options.WithoutCTLog, "without-ct-log", false, "certificates carry no promise of a log")
	ready := flag.String("ready", "", "file that is written, with the path of the env file, as soon as everything answers")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	code, err := run(ctx, options, *ready, flag.Args())
	if err != nil {
		fmt.Fprintln(os.Stderr, "sigstore:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// run serves until the command ends, whose exit code it returns, or without one until
// the context does.
func run(ctx context.Context, options stack.Options, ready string, command []string) (code int, err error) {
	dir, remove, err := folder(options.Dir)
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, remove()) }()
	options.Dir = dir
	s, err := stack.Start(ctx, options)
	if err != nil {
		return 1, err
	}
	// Stopping takes its own time after a signal.
	defer func() { err = errors.Join(err, s.Close(context.WithoutCancel(ctx))) }()
	if err := announce(ready, dir); err != nil {
		return 1, err
	}
	if len(command) == 0 {
		fmt.Fprintf(os.Stderr, "sigstore: running; set -a; . %s/env\n", dir)
		<-ctx.Done()
		return 0, nil
	}
	return beside(ctx, append(os.Environ(), s.Env()...), command)
}

// folder makes the folder, or a temporary one that remove takes away.
func folder(dir string) (path string, remove func() error, err error) {
	if dir == "" {
		path, err = os.MkdirTemp("", "sigstore-")
		return path, func() error { return os.RemoveAll(path) }, err
	}
	path, err = filepath.Abs(dir)
	if err != nil {
		return "", nil, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", nil, err
	}
	entries, err := os.ReadDir(path)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("folder %q is not empty: give --dir another one", path)
	}
	return path, func() error { return nil }, err
}

// announce writes the ready file in one go: who sees it can read it.
func announce(ready, dir string) error {
	if ready == "" {
		return nil
	}
	if err := os.WriteFile(ready+".new", []byte(filepath.Join(dir, "env")+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(ready+".new", ready)
}

func beside(ctx context.Context, environment, command []string) (int, error) {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = environment, os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), nil
	}
	return 0, err
}
