package workspace

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/retry"
)

// installWaits are between the attempts of an install whose registry of packages did not
// answer: one connection that is reset ends a whole `npm ci` (apache/superset#40874,
// knex/knex#6468), and the next one goes on with what is in its cache.
var installWaits = retry.Policy{Attempts: 3, First: 2 * time.Second, Longest: 10 * time.Second}

// fromNetwork are how npm, Yarn 4 and Yarn 1 say that a registry of packages could not be
// reached, or broke; not what a script of the workspace may say of its own network.
var fromNetwork = regexp.MustCompile(
	`npm (error|ERR!) code (ECONN\w+|ETIMEDOUT|EAI_AGAIN|ENOTFOUND|EHOSTUNREACH|ENETUNREACH|ERR_SOCKET_TIMEOUT|FETCH_ERROR|E429|E5\d\d)\b` +
		`|YN0001: .*RequestError: .*(ECONN|ETIMEDOUT|EAI_AGAIN|ENOTFOUND|EHOSTUNREACH|ENETUNREACH|socket hang up|Timeout awaiting)` +
		`|YN0035: .*Response Code: .*\b(429|5\d\d)\b` +
		`|error (An unexpected error occurred: |Error: )?"?https?://\S+: .*(ECONN|ETIMEDOUT|EAI_AGAIN|ENOTFOUND|ESOCKETTIMEDOUT|failed \\?"(429|5\d\d))`)

// fetch runs an install, again where the network failed.
func (m manager) fetch(ctx context.Context, dir string, args, env []string, log *slog.Logger) error {
	return retry.Do(ctx, installWaits, retry.Hooks{
		Temporary: func(err error) bool { return record.CodeOf(err) == "build/packages-unavailable" },
		Waiting: func(_ int, wait time.Duration, _ error) {
			log.Warn("the registry of packages did not answer; installing again", "wait", wait)
		},
	}, func() error {
		err := m.run(ctx, dir, args, env, log)
		var failed *record.Error
		if errors.As(err, &failed) && failed.Code == "build/command" && fromNetwork.MatchString(err.Error()) {
			return record.Unavailable("build/packages-unavailable", "%w", failed.Err)
		}
		return err
	})
}
