package cli

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestWhoseChecksFailedWhenNobodyAskedForThem(t *testing.T) {
	check := func(target string, result record.CheckResult) record.Check {
		kind := record.TargetService
		if strings.HasPrefix(target, "Pod/") {
			kind = record.TargetPod
		}
		return record.Check{Target: target, Kind: kind, Result: result}
	}
	for name, c := range map[string]struct {
		asked  bool
		checks []record.Check
		told   bool
	}{
		"every pod fails":                    {false, []record.Check{check("Pod/a", "failed"), check("Pod/b", "failed")}, true},
		"a pod that passes only some":        {false, []record.Check{check("Pod/a", "passed"), check("Pod/a", "failed")}, true},
		"a Service answers, the pods do not": {false, []record.Check{check("Pod/a", "failed"), check("Service/a", "passed")}, true},
		"one pod passes":                     {false, []record.Check{check("Pod/a", "passed"), check("Pod/b", "failed")}, false},
		"the Service alone is asked":         {false, []record.Check{check("Service/a", "failed")}, true},
		"the checks were asked for":          {true, []record.Check{check("Pod/a", "failed")}, false},
		"nothing failed":                     {false, []record.Check{check("Pod/a", "inconclusive")}, false},
		"no checks":                          {false, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStep(t, config.Settings{Checks: config.Checks{Smoke: config.SmokeBackstage}})
			s.smokeByDefault = !c.asked
			s.update(func(r *record.Record) { r.Checks, r.Advice = c.checks, "look" })
			s.finish(record.Refused("smoke/check-failed", "x"))
			want := "look"
			if c.told {
				want += "; " + presetAdvice
				require.Contains(t, s.stderr.String(), presetAdvice)
			}
			require.Equal(t, want, s.read().Advice)
		})
	}
}

func TestTheSmokeSettingIsKnownToBeTheDefault(t *testing.T) {
	var told []bool
	for _, environ := range [][]string{nil, {"STAGECREW_SMOKE=backstage"}} {
		c := command{
			config.Command{Name: "smoke", Groups: func(s *config.Settings) []any { return []any{&s.Checks} }},
			func(_ context.Context, s *session) error { told = append(told, s.smokeByDefault); return nil },
		}
		cmd := c.cobra(new(int), environ, io.Discard, io.Discard)
		cmd.SetArgs([]string{})
		require.NoError(t, cmd.ExecuteContext(t.Context()))
	}
	require.Equal(t, []bool{true, false}, told)
}
