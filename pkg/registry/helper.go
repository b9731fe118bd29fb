package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	helpers "github.com/docker/docker-credential-helpers/client"
	"github.com/docker/docker-credential-helpers/credentials"
	"github.com/google/go-containerregistry/pkg/authn"
)

// helperTime bounds one question to a credential helper. Some of them ask the service
// of a cloud.
const helperTime = time.Minute

// tokenUser is the user name that stands for an identity token.
const tokenUser = "<token>"

// helper is a program that is asked for credentials.
type helper struct {
	cmd     *exec.Cmd
	problem bytes.Buffer
}

// Input implements [helpers.Program].
func (h *helper) Input(in io.Reader) { h.cmd.Stdin = in }

// Output implements [helpers.Program]. What the program complains about is part of the
// error, and not of our own output.
func (h *helper) Output() ([]byte, error) {
	h.cmd.Stderr = &h.problem
	out, err := h.cmd.Output()
	if said := bytes.TrimSpace(h.problem.Bytes()); err != nil && len(said) > 0 {
		err = fmt.Errorf("%w: %s", err, said)
	}
	return out, err
}

// askHelper runs docker-credential-NAME.
func askHelper(ctx context.Context, name, registry string) (authn.Authenticator, error) {
	path, err := exec.LookPath("docker-credential-" + name)
	if err != nil {
		return nil, errors.New("it is not installed here")
	}
	ctx, cancel := context.WithTimeout(ctx, helperTime)
	defer cancel()
	found, err := helpers.Get(func(args ...string) helpers.Program {
		cmd := exec.CommandContext(ctx, path, args...)
		cmd.WaitDelay = time.Second
		return &helper{cmd: cmd}
	}, registry)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil, fmt.Errorf("it did not answer in %s", helperTime)
	}
	if err != nil {
		return nil, err
	}
	if found.Username == "" && found.Secret == "" {
		return nil, credentials.NewErrCredentialsNotFound()
	}
	if found.Username == tokenUser {
		return authn.FromConfig(authn.AuthConfig{IdentityToken: found.Secret}), nil
	}
	return authn.FromConfig(authn.AuthConfig{Username: found.Username, Password: found.Secret}), nil
}
