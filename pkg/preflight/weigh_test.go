package preflight

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestWeighRefusesForWhatBlocksAndWarnsOfTheRest(t *testing.T) {
	var said strings.Builder
	log := slog.New(slog.NewTextHandler(&said, nil))
	slow := record.Concern{Code: "preflight/budget", Message: "the startup probe may take longer"}
	require.NoError(t, Weigh(log, []record.Concern{slow}))
	require.Contains(t, said.String(), "level=WARN")
	require.Contains(t, said.String(), "may take longer [preflight/budget]")

	err := Weigh(log, []record.Concern{
		slow,
		{Code: "preflight/forbidden", Object: "secrets", Message: "may not be listed", Advice: "add a Role", Blocks: true},
		{Code: "preflight/quota", Message: "no pod fits", Blocks: true},
	})
	require.Equal(t, record.KindRefused, record.KindOf(err))
	require.ErrorContains(t, err, "secrets: may not be listed; add a Role [preflight/forbidden]\nno pod fits [preflight/quota]\nnothing was changed [deploy/preflight]")
}
