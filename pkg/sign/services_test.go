package sign

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestAnAuthorityIsAskedUntilItAnswers(t *testing.T) {
	busy := answered{http.StatusServiceUnavailable}
	for name, c := range map[string]struct {
		answer func(try int) error
		want   string // "" when it works in the end
		kind   record.Kind
		tries  int // 0 for any number above one
	}{
		"an outage that ends":              {func(try int) error { return map[bool]error{true: busy}[try < 5] }, "", record.KindUnknown, 5},
		"an outage without end":            {func(int) error { return busy }, "the answer was 503 Service Unavailable; nothing is lost", record.KindUnavailable, 0},
		"an answer that stays":             {func(int) error { return errors.New("the token is for somebody else") }, "[sign/authority]", record.KindUnavailable, 1},
		"a refusal of who gives the token": {func(int) error { return record.BadInput("github/no-token", "no token") }, "[github/no-token]", record.KindInput, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), defaultSignTimeout)
				defer cancel()
				tries, begin := 0, time.Now()
				err := untilAnswered(ctx, slog.New(slog.DiscardHandler), "asking", func() error { tries++; return c.answer(tries) })
				if c.want == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, c.want)
				}
				require.Equal(t, c.kind, record.KindOf(err))
				require.LessOrEqual(t, time.Since(begin), defaultSignTimeout)
				if c.tries == 0 {
					require.Greater(t, tries, 10)
				} else {
					require.Equal(t, c.tries, tries)
				}
			})
		})
	}
}
