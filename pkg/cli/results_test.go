package cli

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestTheStatusTellsWhatIsACopy(t *testing.T) {
	s := newStep(t, config.Settings{})
	require.NoError(t, s.results.table([]record.Revision{{Number: 3, Origin: 1, Status: "deployed", Verdict: record.MarkGood, Image: "web"}, {Number: 2, Status: "superseded"}}))
	require.Regexp(t, `^REVISION +STATUS +VERDICT +COPY OF +WHEN +IMAGE\n3 +deployed +good +1 +\S+ +web\n2 +superseded +- +- +\S+`, s.stdout.String())
}
