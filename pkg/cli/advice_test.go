package cli

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/record"
)

func TestWhoseChecksFailedWhenNobodyAskedForThem(t *testing.T) {
	check := func(target string, result record.CheckResult) record.Check {
		kind := record.TargetService
		switch of, _, _ := strings.Cut(target, "/"); of {
		case "Pod":
			kind = record.TargetPod
		case "https:":
			kind = record.TargetPublic
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
		"a Service fails first":              {false, []record.Check{check("Service/a", "failed"), check("Pod/a", "passed"), check("Pod/a", "inconclusive")}, true},
		"a Service fails, a pod passes":      {false, []record.Check{check("Service/a", "failed"), check("Pod/a", "passed"), check("Pod/b", "inconclusive")}, false},
		"a public URL fails first":           {false, []record.Check{check("https://a", "failed"), check("Pod/a", "inconclusive")}, false},
		"the Service alone is asked":         {false, []record.Check{check("Service/a", "failed")}, true},
		"the checks were asked for":          {true, []record.Check{check("Pod/a", "failed")}, false},
		"nothing failed":                     {false, []record.Check{check("Pod/a", "inconclusive")}, false},
		"no checks":                          {false, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStep(t, config.Settings{Checks: config.Checks{Smoke: record.SmokeBackstage}})
			s.smokeByDefault = !c.asked
			s.Update(func(r *record.Record) { r.Checks, r.Advice = c.checks, "look" })
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
	var byDefault []bool
	for _, environ := range [][]string{nil, {"STAGECREW_SMOKE=backstage"}} {
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		config.Define(flags, &config.Checks{})
		require.NoError(t, config.Resolve(flags, environ))
		byDefault = append(byDefault, isByDefault(flags, "smoke"))
		require.False(t, isByDefault(flags, "another"))
	}
	require.Equal(t, []bool{true, false}, byDefault)
}
