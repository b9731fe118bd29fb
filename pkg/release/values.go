package release

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/cli"
	"helm.sh/helm/v3/pkg/cli/values"
	helmgetter "helm.sh/helm/v3/pkg/getter"
	"helm.sh/helm/v3/pkg/registry"
	"helm.sh/helm/v3/pkg/strvals"

	"github.com/stagecrew/stagecrew/pkg/files"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
	"github.com/stagecrew/stagecrew/pkg/yamlfile"
)

// prepare gives the chart and the values that it is rendered with.
func (r *Release) prepare(ctx context.Context, image record.Image) (*chart.Chart, map[string]any, error) {
	c, err := r.chart(ctx)
	if err != nil {
		return nil, nil, err
	}
	merged, err := r.values(image)
	if err != nil {
		return nil, nil, err
	}
	r.secrets.Settings(over(defaults(c), merged))
	return c, merged, r.nested(c, merged)
}

// values merges files, --set and the image.
func (r *Release) values(image record.Image) (map[string]any, error) {
	given, err := r.given()
	if err != nil {
		return nil, err
	}
	merged := copied(given)
	r.secrets.Settings(merged)
	at := merged
	for _, key := range strings.Split(r.ImageValuesPath, ".") {
		next, ok := at[key].(map[string]any)
		if !ok {
			if at[key] != nil {
				return nil, record.BadInput("release/values", "--image-values-path %s: %q is not a mapping in the values", r.ImageValuesPath, key)
			}
			next = map[string]any{}
			at[key] = next
		}
		at = next
	}
	at["repository"], at["digest"] = image.Repository, image.Digest
	return merged, nil
}

// copied is a mapping whose mappings can be changed: the values are read once, so
// that what was planned is what is applied.
func copied(mapping map[string]any) map[string]any {
	result := make(map[string]any, len(mapping))
	for k, value := range mapping {
		if inner, ok := value.(map[string]any); ok {
			value = copied(inner)
		}
		result[k] = value
	}
	return result
}

// defaults are the values of a chart and, under their names, of those in it.
func defaults(c *chart.Chart) map[string]any {
	if c == nil {
		return nil
	}
	values := map[string]any{}
	for _, inner := range c.Dependencies() {
		values[inner.Name()] = defaults(inner)
	}
	return over(values, c.Values)
}

// over gives values with others over them.
func over(below, above map[string]any) map[string]any {
	merged := maps.Clone(below)
	if merged == nil {
		merged = map[string]any{}
	}
	for key, value := range above {
		lower, isMap := merged[key].(map[string]any)
		if upper, ok := value.(map[string]any); ok && isMap {
			value = over(lower, upper)
		}
		merged[key] = value
	}
	return merged
}

// CheckInputs reports everything that is wrong with the chart and the values, as far as
// that can be told without a cluster or a network. What was read is kept in
// [Options.Charts].
func (o Options) CheckInputs() error {
	o.Log, o.Charts = cmp.Or(o.Log, slog.New(slog.DiscardHandler)), cmp.Or(o.Charts, &Charts{})
	r := &Release{Options: o}
	var chartErr, valuesErr error
	if o.Chart == "" || !registry.IsOCI(o.Chart) {
		_, chartErr = r.chart(context.Background()) //nolint:forbidigo // a directory or an archive is read
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
	getters := append(helmgetter.All(cli.New()), localFiles(r.Charts))
	merged, err := (&values.Options{ValueFiles: r.Values, Values: r.Set}).MergeValues(getters)
	if err != nil {
		return nil, r.wrongValues(getters, err)
	}
	r.Charts.values = merged
	return merged, nil
}

// maxValues is far more than Helm can keep of a release: 1 MiB, packed.
const maxValues = 16 << 20

// localFiles gives Helm the files of values: it would wait for a pipe without a
// writer, and read any size.
func localFiles(notes *Charts) helmgetter.Provider {
	return helmgetter.Provider{Schemes: []string{""}, New: func(...helmgetter.Option) (helmgetter.Getter, error) { return local{notes}, nil }}
}

// local reads the files of values, and notes what of them does not count.
type local struct{ notes *Charts }

func (l local) Get(file string, _ ...helmgetter.Option) (*bytes.Buffer, error) {
	text, err := files.Read(file, maxValues)
	switch {
	case errors.Is(err, fs.ErrNotExist) && strings.Contains(file, ","):
		return nil, fmt.Errorf("%w: each file is a --values of its own", err)
	case err != nil:
		return nil, err
	}
	for _, line := range manifest.RepeatedKeys(string(text)) {
		l.notes.repeated = append(l.notes.repeated, file+": "+line)
	}
	return bytes.NewBuffer(text), whole(file, text)
}

// repeated tells of keys that a file of values, or the chart's own, has twice: Helm takes the
// last one without a word, and what stood under the first is lost
// (https://github.com/helm/helm/issues/4107).
func (r *Release) repeated(c *chart.Chart) (all []record.Concern) {
	r.Charts.mu.Lock()
	lines := slices.Clone(r.Charts.repeated)
	r.Charts.mu.Unlock()
	for _, f := range c.Raw {
		if f.Name != chartutil.ValuesfileName {
			continue
		}
		for _, line := range manifest.RepeatedKeys(string(f.Data)) {
			lines = append(lines, "the chart's "+f.Name+": "+line)
		}
	}
	for _, line := range lines {
		all = append(all, record.Concern{Code: "preflight/remark", Message: line + ": the last one counts, with nothing of the one before", Advice: "write the key once, with all that belongs to it"})
	}
	return all
}

// whole refuses a file of which a part would not count. What is no YAML Helm says itself.
func whole(file string, text []byte) error {
	switch _, err := yamlfile.Document(text); {
	case errors.Is(err, yamlfile.ErrSeveral):
		// Helm 4 merges them (helm/helm#13097, vllm-project/semantic-router#3090).
		return fmt.Errorf("%s has several documents, of which Helm 3 reads the first only: make files of them", file)
	case errors.Is(err, yamlfile.ErrUncounted):
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// wrongValues is the error of a merge with what else is wrong: Helm tells of the first.
func (r *Release) wrongValues(getters helmgetter.Providers, first error) error {
	problems := []error{wrongValue(first, "")}
	note := func(one values.Options, hint string) {
		_, err := one.MergeValues(getters)
		switch {
		case err == nil:
		case err.Error() != first.Error():
			problems = append(problems, wrongValue(err, hint))
		case hint != "":
			problems[0] = wrongValue(err, hint)
		}
	}
	for _, file := range r.Values {
		if file != "-" && !isRemote(file) {
			note(values.Options{ValueFiles: []string{file}}, "")
		}
	}
	for _, one := range r.Set {
		hint := ""
		if _, err := strvals.Parse(strings.ReplaceAll(one, ",", `\,`)); err == nil {
			hint = `; a comma within a value is written \,`
		}
		note(values.Options{Values: []string{one}}, hint)
	}
	return record.Problems(problems...)
}

func wrongValue(err error, hint string) error {
	return record.BadInput("release/values", "reading the chart's values: %w%s", err, hint)
}
