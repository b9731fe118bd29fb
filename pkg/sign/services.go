package sign

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
	sigstore "github.com/sigstore/sigstore-go/pkg/sign"

	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/retry"
)

// The public Sigstore.
const (
	publicFulcio    = "https://fulcio.sigstore.dev"
	publicRekor     = "https://rekor.sigstore.dev"
	publicTimestamp = "https://timestamp.sigstore.dev/api/v1/timestamp"
)

const (
	// requestTimeout bounds one question to an authority or a log.
	requestTimeout = 30 * time.Second
	// tokenLifetime is how long a GitHub token is good for, with some room.
	tokenLifetime = 4 * time.Minute
	firstWait     = 500 * time.Millisecond
	longestWait   = 15 * time.Second
	maxConfig     = 1 << 20
)

// services are the authorities and logs that take part in a signature.
type services struct {
	fulcio     string
	timestamps []string
	logs       []root.Service
}

func loadServices(o SignOptions) (services, error) {
	if o.SigningConfig == "" {
		if o.withKey() {
			return services{}, nil
		}
		return services{fulcio: publicFulcio, timestamps: []string{publicTimestamp}, logs: []root.Service{{URL: publicRekor, MajorAPIVersion: 1}}}, nil
	}
	text, err := files.Read(o.SigningConfig, maxConfig)
	if err != nil {
		return services{}, record.BadInput("sign/signing-config", "reading the signing config: %w", err)
	}
	config, err := root.NewSigningConfigFromJSON(text)
	if err != nil {
		return services{}, record.BadInput("sign/signing-config", "reading the signing config %q: %w", o.SigningConfig, shown(err))
	}
	chosen, err := choose(config, !o.withKey())
	if err != nil {
		return services{}, record.BadInput("sign/signing-config", "reading the signing config %q: %w", o.SigningConfig, shown(err))
	}
	for _, one := range chosen.logs {
		if one.MajorAPIVersion > 1 && slices.Contains(o.formats(), record.SignatureLegacy) {
			return services{}, record.BadInput("sign/format", "signing in the legacy format: the log %s is Rekor v%d, which gives no inclusion promises, and the legacy format needs them; use --sign-format bundle", one.URL, one.MajorAPIVersion)
		}
	}
	return chosen, nil
}

// choose takes the services that are valid now, as many as the config asks for.
func choose(c *root.SigningConfig, keyless bool) (services, error) {
	var s services
	now := time.Now()
	if keyless {
		authority, err := root.SelectService(c.FulcioCertificateAuthorityURLs(), sigstore.FulcioAPIVersions, now)
		if err != nil {
			return s, fmt.Errorf("choosing a certificate authority: %w", err)
		}
		s.fulcio = authority.URL
	}
	if all := c.TimestampAuthorityURLs(); len(all) > 0 {
		stamps, err := root.SelectServices(all, c.TimestampAuthorityURLsConfig(), sigstore.TimestampAuthorityAPIVersions, now)
		if err != nil {
			return s, fmt.Errorf("choosing a timestamp authority: %w", err)
		}
		for _, one := range stamps {
			s.timestamps = append(s.timestamps, one.URL)
		}
	}
	if all := c.RekorLogURLs(); len(all) > 0 {
		logs, err := root.SelectServices(all, c.RekorLogURLsConfig(), sigstore.RekorAPIVersions, now)
		if err != nil {
			return s, fmt.Errorf("choosing a transparency log: %w", err)
		}
		s.logs = logs
	}
	if keyless && len(s.timestamps) == 0 && len(s.logs) == 0 {
		return s, errors.New("it names neither a transparency log nor a timestamp authority: a keyless signature could not be verified")
	}
	return s, nil
}

// certify gets a certificate for the key from the authority. A token that grew old
// while the authority was away is replaced.
func (s services) certify(ctx context.Context, keys sigstore.Keypair, token func(context.Context) (string, error), log *slog.Logger) (certificate []byte, err error) {
	authority := sigstore.NewFulcio(&sigstore.FulcioOptions{BaseURL: s.fulcio, Timeout: -1, Transport: strict{ctx}})
	var fresh string
	var since time.Time
	err = untilAnswered(ctx, log, "asking "+s.fulcio+" for a certificate", func() (err error) {
		if time.Since(since) > tokenLifetime {
			if fresh, err = token(ctx); err != nil {
				return err
			}
			since = time.Now()
		}
		certificate, err = authority.GetCertificate(ctx, keys, &sigstore.CertificateProviderOptions{IDToken: fresh})
		return err
	})
	return certificate, err
}

// witness adds the timestamps and the log entries to the bundle; owner is the
// certificate or public key as PEM.
func (s services) witness(ctx context.Context, made *protobundle.Bundle, stamped, owner []byte, log *slog.Logger) error {
	var all [][]byte
	for _, address := range s.timestamps {
		authority := sigstore.NewTimestampAuthority(&sigstore.TimestampAuthorityOptions{URL: address, Timeout: -1, Transport: strict{ctx}})
		var stamp []byte
		err := untilAnswered(ctx, log, "asking "+address+" for a timestamp", func() (err error) {
			stamp, err = authority.GetTimestamp(ctx, stamped)
			return err
		})
		if err != nil {
			return err
		}
		all = append(all, stamp)
	}
	if all != nil {
		made.VerificationMaterial.TimestampVerificationData = stamps(all...)
	}
	for _, one := range s.logs {
		client := sigstore.NewRekor(&sigstore.RekorOptions{BaseURL: one.URL, Version: one.MajorAPIVersion, Timeout: requestTimeout})
		if err := untilAnswered(ctx, log, "adding an entry to the log "+one.URL, func() error {
			return addKnown(ctx, one.URL, made, client.GetTransparencyLogEntry(ctx, owner, made))
		}); err != nil {
			return err
		}
	}
	return nil
}

// untilAnswered tries until it works, until the answer is one that a repetition will not
// change, or until the time is over.
func untilAnswered(ctx context.Context, log *slog.Logger, doing string, try func() error) error {
	var last error
	patience := retry.Policy{First: firstWait, Longest: longestWait}
	err := retry.Do(ctx, patience, retry.Hooks{Temporary: passing, Waiting: func(_ int, wait time.Duration, cause error) {
		last = cause
		log.Warn("no answer yet; trying again", "doing", doing, "wait", wait.Round(time.Second/10), "because", shown(cause))
	}}, try)
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded) && last != nil:
		return record.Unavailable("sign/authority-unavailable", "%s: no answer until the time was over: %w; nothing is lost: run it again, the image is neither built nor uploaded anew", doing, shown(last))
	case record.KindOf(err) != record.KindUnknown:
		return err
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		return record.Unavailable("sign/authority", "%s: %w", doing, shown(err))
	}
}

// answered is an answer that says "later".
type answered struct{ status int }

func (a answered) Error() string {
	return fmt.Sprintf("the answer was %d %s", a.status, http.StatusText(a.status))
}

// strict turns such answers into errors, bounds time and length of an answer, and
// binds the request to the context that sigstore's clients do not take.
type strict struct{ ctx context.Context } //nolint:containedctx // see above

func (s strict) RoundTrip(request *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(s.ctx, requestTimeout)
	defer cancel()
	response, err := http.DefaultTransport.RoundTrip(request.WithContext(ctx))
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if later(response.StatusCode) {
		return nil, answered{response.StatusCode}
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err == nil && len(text) > maxAnswer {
		err = fmt.Errorf("the answer is longer than %d bytes", maxAnswer)
	}
	response.Body = io.NopCloser(bytes.NewReader(text))
	return response, err
}

func later(status int) bool { return status == http.StatusTooManyRequests || status >= 500 }

// The client of Rekor v2 has its status in the text only.
var laterText = regexp.MustCompile(`unexpected response: (429|5\d\d)\b`)

// passing reports whether a repetition may help.
func passing(err error) bool {
	var (
		status  answered
		network net.Error
		request *url.Error
		rekor   interface{ IsServerError() bool }
	)
	return errors.As(err, &status) || errors.As(err, &network) || errors.As(err, &request) ||
		record.KindOf(err) == record.KindUnavailable ||
		errors.As(err, &rekor) && rekor.IsServerError() || laterText.MatchString(err.Error())
}
