// Package env prepares what the demo and the end-to-end tests need: a cluster
// with a registry, an installed Backstage workspace, a vulnerability database
// and a pair of signing keys.
package env

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/stagecrew/stagecrew/pkg/scan/scantest"
	"github.com/stagecrew/stagecrew/pkg/sign"
)

// Config says where the stage is to be.
type Config struct {
	Root    string    // of the repository
	Name    string    // of the sandbox
	Log     io.Writer // progress, for people
	Sandbox string    // the sandbox binary; default Root/bin/sandbox
	With    string    // the sandbox's add-ons, NAME,...
	Full    bool      // the example is a whole Backstage, which the pipeline builds from its sources
	Both    bool      // the whole one is there beside the smallest

	// Kubeconfig and Repository name a cluster and a registry of the user's, in
	// place of a sandbox. Repository is a prefix: HOST/PATH.
	Kubeconfig, Repository string
}

// Stage is ready for a pipeline.
type Stage struct {
	Kubeconfig string // file
	Repository string // prefix for repositories, HOST[:PORT][/PATH]
	BaseImage  string // reference of the Node base image
	Database   string // OCI reference of the vulnerability database
	Source     string // example workspace, installed unless it is the whole one
	Whole      string // that of the whole one, "" without
	SignKey    string // file
	VerifyKey  string // file
	Password   string // of SignKey
	CABundle   string // file, "" where the system's roots suffice
	Work       string // directory for temporary files

	config Config
	tools  []string // variables by which the programs are found that build the whole example
}

// Up prepares a stage. Call Down when it is no longer needed, also after an error.
func Up(ctx context.Context, c Config) (*Stage, error) {
	if c.Sandbox == "" {
		c.Sandbox = filepath.Join(c.Root, "bin", "sandbox")
	}
	s := &Stage{config: c, Kubeconfig: c.Kubeconfig, Repository: c.Repository, BaseImage: "docker.io/library/node:22-bookworm-slim"}
	var err error
	if s.Work, err = os.MkdirTemp("", "stagecrew-stage-"); err != nil {
		return s, err
	}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"fetching what the example is built with", s.source},
		{"starting the cluster", s.cluster},
		{"making signing keys", s.keys},
		{"publishing the vulnerability database", s.database},
	} {
		start := time.Now()
		fmt.Fprintf(c.Log, "== %s\n", step.name)
		if err := step.do(ctx); err != nil {
			return s, fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Fprintf(c.Log, "== %s: %.1f s\n", step.name, time.Since(start).Seconds())
	}
	return s, nil
}

// Down removes the sandbox (unless the cluster is the user's) and temporary files.
func (s *Stage) Down(ctx context.Context, keepSandbox bool) error {
	err := os.RemoveAll(s.Work)
	if s.config.Kubeconfig != "" || keepSandbox {
		return err
	}
	if downErr := s.run(ctx, s.config.Sandbox, "down", "--name", s.config.Name); downErr != nil {
		return downErr
	}
	return err
}

// cluster starts the sandbox, unless the user gave a cluster.
func (s *Stage) cluster(ctx context.Context) error {
	if s.config.Kubeconfig != "" {
		return s.given(ctx)
	}
	if err := s.run(ctx, s.config.Sandbox, "up", "--name", s.config.Name, "--with="+s.config.With); err != nil {
		return err
	}
	status, err := s.status(ctx, s.config.Name)
	if err != nil {
		return err
	}
	s.Kubeconfig = status.Kubeconfig
	return s.use(status)
}

// given uses the user's cluster. Its registry is what the user says, or that of
// the running sandbox which the cluster turns out to be.
func (s *Stage) given(ctx context.Context) error {
	fmt.Fprintf(s.config.Log, "using the cluster of %s\n", s.config.Kubeconfig)
	if s.Repository != "" {
		return nil
	}
	config, err := clientcmd.BuildConfigFromFlags("", s.config.Kubeconfig)
	if err != nil {
		return err
	}
	running, err := exec.CommandContext(ctx, s.config.Sandbox, "list").Output()
	if err != nil {
		return fmt.Errorf("listing the sandboxes: %w", err)
	}
	for _, name := range strings.Fields(string(running)) {
		if status, err := s.status(ctx, name); err == nil && strings.Contains(config.Host, "//"+status.NodeAddress+":") {
			return s.use(status)
		}
	}
	return errors.New("a cluster of your own needs a registry that it can pull from: give REPOSITORY=HOST/PATH as well")
}

// sandbox is what `sandbox status` says.
type sandbox struct{ Kubeconfig, Registry, CABundle, NodeAddress string }

func (s *Stage) status(ctx context.Context, name string) (sandbox, error) {
	var status sandbox
	out, err := exec.CommandContext(ctx, s.config.Sandbox, "status", "--name", name, "--output", "json").Output()
	if err == nil {
		err = json.Unmarshal(out, &status)
	}
	if err != nil {
		return status, fmt.Errorf("asking sandbox %s for its status: %w", name, err)
	}
	return status, nil
}

// use takes registry, base image and trust from a sandbox.
func (s *Stage) use(status sandbox) error {
	s.CABundle, s.Repository = status.CABundle, status.Registry
	s.BaseImage = status.Registry + "/library/node:22-bookworm-slim"
	// This process talks to the registry, too.
	return os.Setenv("SSL_CERT_FILE", status.CABundle)
}

func (s *Stage) keys(context.Context) error {
	random := make([]byte, 16)
	if _, err := rand.Read(random); err != nil {
		return err
	}
	s.Password = hex.EncodeToString(random)
	private, public, err := sign.GenerateKeyPair([]byte(s.Password))
	if err != nil {
		return err
	}
	s.SignKey, s.VerifyKey = filepath.Join(s.Work, "release.key"), filepath.Join(s.Work, "release.pub")
	if err := os.WriteFile(s.SignKey, private, 0o600); err != nil {
		return err
	}
	return os.WriteFile(s.VerifyKey, public, 0o600)
}

func (s *Stage) database(ctx context.Context) error {
	s.Database = s.Repository + "/aquasecurity/trivy-db:2"
	return scantest.Push(ctx, s.Database)
}

// Env is the environment for the stagecrew command and the tests: the caller's,
// without STAGECREW_ variables, and what the stage adds.
func (s *Stage) Env() []string {
	env := []string{
		"COSIGN_PASSWORD=" + s.Password,
		"E2E_KUBECONFIG=" + s.Kubeconfig,
		"E2E_REPOSITORY=" + s.Repository,
		"E2E_BASE_IMAGE=" + s.BaseImage,
		"E2E_DATABASE=" + s.Database,
		"E2E_SOURCE=" + s.Source,
		"E2E_WHOLE=" + s.Whole,
		"E2E_SIGN_KEY=" + s.SignKey,
		"E2E_VERIFY_KEY=" + s.VerifyKey,
		"E2E_STAGECREW=" + filepath.Join(s.config.Root, "bin", "stagecrew"),
		"E2E_SANDBOX=" + s.config.Sandbox,
		"E2E_SANDBOX_NAME=" + s.config.Name,
		"E2E_ROOT=" + s.config.Root,
	}
	if s.CABundle != "" {
		env = append(env, "SSL_CERT_FILE="+s.CABundle)
	}
	// A setting in the caller's environment would change what is tested.
	ours := func(line string) bool { return strings.HasPrefix(line, "STAGECREW_") }
	return slices.Concat(slices.DeleteFunc(os.Environ(), ours), s.tools, env)
}

// run shows the output of a command as it comes.
func (s *Stage) run(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = s.config.Log, s.config.Log
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("running %s %v: %w", filepath.Base(name), args, err)
	}
	return nil
}
