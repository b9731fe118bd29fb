package pipeline

import (
	"context"
	"log/slog"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/promote"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/retry"
	"github.com/stagecrew/stagecrew/pkg/sign"
	"github.com/stagecrew/stagecrew/pkg/validate"
)

// images talk to registries with the credentials and the patience of the settings.
// The credentials are for the registries that the settings name, and no others.
func (s *slice) images() registry.Access {
	all := registry.Access{Retry: retry.Policy{Attempts: s.settings.PushAttempts}, Insecure: s.settings.InsecureRegistries, Log: s.host.Log, Getenv: s.host.Getenv}
	if s.settings.RegistryUsername == "" || s.settings.RegistryPassword == "" {
		return all
	}
	// A line break at the end comes from how the secret was stored.
	password := strings.TrimRight(s.settings.RegistryPassword, "\r\n")
	if password != s.settings.RegistryPassword {
		s.host.Secrets.Withhold(password)
	}
	for _, repository := range []string{s.settings.Repository, s.settings.ToRepository, s.settings.Image} {
		host, _, found := strings.Cut(repository, "/")
		if found {
			all.Credentials = append(all.Credentials, registry.Credentials{Host: host, Username: s.settings.RegistryUsername, Password: password})
		}
	}
	return all
}

// tellHalfLogin says that one of user and password alone logs nobody in: in GitHub
// Actions, a secret that there is not is an empty text.
func (s *slice) tellHalfLogin() {
	missing := "REGISTRY_USERNAME"
	if s.settings.RegistryUsername != "" {
		missing = "REGISTRY_PASSWORD"
	}
	named := s.settings.Repository+s.settings.ToRepository+s.settings.Image != ""
	if named && (s.settings.RegistryUsername == "") != (s.settings.RegistryPassword == "") {
		s.host.Log.Warn("registries are asked without the credentials of the environment, which are not whole", "missing", missing)
	}
}

// validateStage looks at the image as a strict cluster would.
func validateStage(s *slice) (func(context.Context, inputs) (done, error), error) {
	access := s.images()
	return func(ctx context.Context, in inputs) (done, error) {
		return done{}, s.phase("validate", func() error {
			found, err := validate.Image(ctx, access, image.of(in))
			s.host.Ledger.Update(func(r *record.Record) { r.Checks = found })
			if err != nil {
				return err
			}
			return allPassed(ctx, s.host.Log, image.of(in), found)
		})
	}, nil
}

func allPassed(ctx context.Context, log *slog.Logger, looked record.Image, found []record.Check) error {
	var failed []string
	for _, c := range found {
		level := slog.LevelInfo
		if c.Result != record.CheckPassed {
			level = slog.LevelWarn
		}
		log.Log(ctx, level, string(c.Result), "check", c.Name, "platform", c.Target, "detail", c.Detail)
		if c.Result == record.CheckFailed {
			failed = append(failed, c.Name)
		}
	}
	if len(failed) > 0 {
		return record.Refused("build/not-valid", "image %q fails the checks %s", looked, strings.Join(failed, ", "))
	}
	return nil
}

// promoteStage brings a verified image to another repository, or leaves it where it
// is.
func promoteStage(s *slice) (func(context.Context, inputs) (record.Image, error), error) {
	to, access := s.settings.ToRepository, s.images()
	moves, err := s.moves()
	if err != nil {
		return nil, err
	}
	if to == "" && len(moves) == 0 {
		return nil, record.BadInput("config/nothing-to-promote", "there is nothing to do: give --to-repository, --version-label, --revision, --branch or --tag")
	}
	if to == "" {
		return nil, nil
	}
	trust, err := s.verifyOptions()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, in inputs) (copied record.Image, err error) {
		options := promote.Options{Registry: access}
		if !trust.AllowUnsignedUnsafe {
			options.Beside = func(ctx context.Context, repository string, digests []string) error {
				trust.Image = image.of(in)
				beside, err := sign.Copy(ctx, trust, digests, repository)
				s.host.Log.Info("signatures and attestations that hold are copied", "to", repository, "count", beside.Taken, "left", len(beside.Left))
				return err
			}
		}
		err = s.phase("promote", func() error {
			copied, err = promote.Image(ctx, options, image.of(in), to)
			if err == nil {
				s.host.Ledger.Update(func(r *record.Record) { r.Image = copied })
			}
			return err
		})
		return copied, err
	}, nil
}
