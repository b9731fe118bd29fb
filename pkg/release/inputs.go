package release

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/cli"
	"helm.sh/helm/v3/pkg/cli/values"
	helmgetter "helm.sh/helm/v3/pkg/getter"
	"helm.sh/helm/v3/pkg/registry"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// CheckInputs reports everything that is wrong with the chart and the values, as far as
// that can be told without a cluster or a network. What was read is kept in
// [Options.Charts].
func (o Options) CheckInputs() error {
	o.Log, o.Charts = cmp.Or(o.Log, slog.New(slog.DiscardHandler)), cmp.Or(o.Charts, &Charts{})
	r := &Release{Options: o}
	var chartErr, valuesErr error
	if o.Chart == "" || !registry.IsOCI(o.Chart) {
		_, chartErr = r.chart(context.Background())
	}
	if !slices.ContainsFunc(o.Values, isRemote) {
		_, valuesErr = r.given()
	}
	return errors.Join(chartErr, valuesErr)
}

// isRemote reports whether Helm fetches a file of values.
func isRemote(file string) bool { return strings.Contains(file, "://") }

// given are the values of files and --set, without the image. They are read once: a
// file may be a pipe.
func (r *Release) given() (map[string]any, error) {
	r.Charts.mu.Lock()
	defer r.Charts.mu.Unlock()
	if r.Charts.values != nil {
		return r.Charts.values, nil
	}
	getters := helmgetter.All(cli.New())
	merged, err := (&values.Options{ValueFiles: r.Values, Values: r.Set}).MergeValues(getters)
	if err != nil {
		return nil, r.wrongValues(getters, err)
	}
	r.Charts.values = merged
	return merged, nil
}

// wrongValues is the error of a merge with what else is wrong: Helm tells of the first.
func (r *Release) wrongValues(getters helmgetter.Providers, first error) error {
	problems := []error{wrongValue(first)}
	note := func(one values.Options) {
		_, err := one.MergeValues(getters)
		if err != nil && err.Error() != first.Error() {
			problems = append(problems, wrongValue(err))
		}
	}
	for _, file := range r.Values {
		if file != "-" && !isRemote(file) {
			note(values.Options{ValueFiles: []string{file}})
		}
	}
	for _, one := range r.Set {
		note(values.Options{Values: []string{one}})
	}
	return errors.Join(problems...)
}

func wrongValue(err error) error {
	return record.BadInput("release/values", "reading the chart's values: %w", err)
}
