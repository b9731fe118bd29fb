package causes

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Rule says when a condition counts as a failure of the rollout. Seconds are
// counted for what heals by waiting, failures for what heals by a restart.
type Rule struct {
	// Wait means never by itself: the deadline decides, and its cause names it.
	Wait bool
	// Grace is how long the condition must last without a break; 0 is at once.
	Grace time.Duration
	// Shared is the grace once another pod of the same revision has been ready: the
	// revision works somewhere, so that one node may be to blame.
	Shared time.Duration
	// Failures is how often the container must have ended since the watch began.
	Failures int
}

// sharedGrace is the least grace of a condition that other pods do not have
// (kapp pull request 994 and Skaffold issue 8032 tell what happens without).
const sharedGrace = time.Minute

// configGrace is longer than what makes Secrets beside a release takes to make one,
// 20 s and more (https://github.com/external-secrets/kubernetes-external-secrets/issues/154),
// and than the kubelet takes to try again, 10 to 15 s.
const configGrace = 25 * time.Second

func lasting(grace time.Duration) Rule { return Rule{Grace: grace, Shared: max(grace, sharedGrace)} }
func failing(n int) Rule               { return Rule{Failures: n, Shared: sharedGrace} }

var waits = Rule{Wait: true}

// patientCrashes is how often a container may exit before it counts where there is
// nothing to go back to. At a first install the database comes up beside what needs
// it, which crashes meanwhile (https://github.com/backstage/backstage/issues/2892,
// https://github.com/Kong/charts/pull/283): by the kubelet's back-off the fifth exit
// comes two and a half minutes after the first.
const patientCrashes = 5

// For are the rules that replace the default ones where these are given; alone says that
// there is no revision to go back to. Who gives a rule for a code means its kinds, too.
func For(given map[string]Rule, alone bool) map[string]Rule {
	rules := map[string]Rule{}
	if alone {
		rules[CrashLoop] = failing(patientCrashes)
	}
	for _, r := range Table {
		if rule, ok := given[r.KindOf]; ok {
			rules[r.Code] = rule
		}
	}
	maps.Copy(rules, given)
	return rules
}

// ParseRules reads "CODE=terminal" (at once, or at the first end of a container),
// "CODE=ignore" (wait for the deadline) and "CODE=90s" (fail when it lasts that
// long). CODE is one of the table's, with or without "rollout/". All problems are
// reported at once, as wrong input.
func ParseRules(lines []string) (map[string]Rule, error) {
	rules := map[string]Rule{}
	var problems []error
	for _, line := range lines {
		code, rule, err := parseRule(line)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		rules[code] = rule
	}
	if len(problems) > 0 {
		return nil, record.BadInput("rollout/rule-invalid", "%w", record.Problems(problems...))
	}
	return rules, nil
}

func parseRule(line string) (string, Rule, error) {
	name, value, _ := strings.Cut(line, "=")
	code := "rollout/" + strings.TrimPrefix(strings.TrimSpace(name), "rollout/")
	rule, known := Defaults()[code]
	if !known {
		return "", Rule{}, fmt.Errorf("rule %q: no such code; there are %s", line, strings.Join(ruleNames(), ", "))
	}
	switch value = strings.TrimSpace(value); value {
	case "ignore":
		return code, waits, nil
	case "terminal":
		return code, Rule{Failures: min(rule.Failures, 1)}, nil
	}
	grace, err := time.ParseDuration(value)
	if err != nil || grace < 0 {
		return "", Rule{}, fmt.Errorf("rule %q: want CODE=terminal, CODE=ignore or a duration as in CODE=90s", line)
	}
	return code, Rule{Grace: grace, Shared: grace, Failures: rule.Failures}, nil
}

// Defaults are the rules of the table by code, but for its verdicts.
func Defaults() map[string]Rule {
	rules := make(map[string]Rule, len(Table))
	for _, r := range Table {
		if !r.Verdict {
			rules[r.Code] = r.Rule
		}
	}
	return rules
}

func ruleNames() []string {
	var names []string
	for code := range Defaults() {
		names = append(names, strings.TrimPrefix(code, "rollout/"))
	}
	slices.Sort(names)
	return names
}
