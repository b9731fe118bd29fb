package release

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"helm.sh/helm/v3/pkg/chart"
	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// guarded stores no record of a release that cannot work. Helm stores the record
// before it changes any object, so that this is the last moment to say no.
type guarded struct {
	driver.Driver

	mu     sync.Mutex
	images []string // that must be those of the next record; nil for any
}

// expect makes the next record one with the images that were planned.
func (g *guarded) expect(images []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.images = images
}

// Create stores a new record.
func (g *guarded) Create(key string, stored *helmrelease.Release) error {
	// What is gone back to was deployed once.
	if stored.Info.Status != helmrelease.StatusPendingRollback {
		if err := workable(stored); err != nil {
			return err
		}
		g.mu.Lock()
		planned := g.images
		g.mu.Unlock()
		if got := imagesOf(stored); planned != nil && !slices.Equal(planned, got) {
			return record.Refused("release/other-images", "the chart was planned with the images %s and now renders %s; deploy again, and look what in it depends on the time or the cluster",
				strings.Join(planned, ", "), strings.Join(got, ", "))
		}
	}
	return g.Driver.Create(key, stored)
}

// imagesOf lists the images of a record's objects and hooks, each once.
func imagesOf(stored *helmrelease.Release) []string {
	images := []string{}
	objects, _ := documents(stored.Manifest + "\n" + hooksOf(stored)) // Helm has read it
	for _, object := range objects {
		for _, container := range record.Containers(object.Object) {
			images = append(images, container.Image)
		}
	}
	slices.Sort(images)
	return slices.Compact(images)
}

// workable refuses a rendered chart that the API server would take one object at a
// time and that yet cannot work.
func workable(stored *helmrelease.Release) error {
	var problems []string
	objects := sourced(stored.Manifest)
	problems = append(problems, twice(objects, stored.Namespace)...)
	problems = append(problems, shared(objects)...)
	if len(problems) > 0 {
		return record.Refused("release/contradiction", "chart %s cannot be applied: %s", stored.Chart.Name(), strings.Join(problems, "; "))
	}
	return tooLarge(stored)
}

// sourcedObject is an object with the template that made it.
type sourcedObject struct {
	*unstructured.Unstructured
	source string
}

func (o sourcedObject) name() string { return o.GetKind() + "/" + o.GetName() }

var source = regexp.MustCompile(`(?m)^# Source: (.+)$`)

func sourced(manifest string) []sourcedObject {
	var all []sourcedObject
	for _, text := range split(manifest) {
		from := "the chart"
		if parts := source.FindStringSubmatch(text); parts != nil {
			from = parts[1]
		}
		objects, _ := documents(text) // Helm will say it
		for _, object := range objects {
			all = append(all, sourcedObject{object, from})
		}
	}
	return all
}

// twice finds objects that are there more than once. Helm's upgrade takes the
// last one, its install fails half-way (https://github.com/helm/helm/issues/2947).
func twice(objects []sourcedObject, namespace string) []string {
	first := map[string]sourcedObject{}
	var problems []string
	for _, o := range objects {
		at := o.GetNamespace()
		if at == "" {
			at = namespace
		}
		identity := o.GroupVersionKind().GroupKind().String() + "/" + at + "/" + o.GetName()
		if before, found := first[identity]; found {
			problems = append(problems, fmt.Sprintf("%s is in it twice, from %s and %s", o.name(), before.source, o.source))
			continue
		}
		first[identity] = o
	}
	return problems
}

// shared finds numbers and addresses that two Services claim: each for itself
// they could be had.
func shared(objects []sourcedObject) []string {
	taken := map[string]sourcedObject{}
	var problems []string
	for _, o := range objects {
		if o.GetAPIVersion() != "v1" || o.GetKind() != "Service" {
			continue
		}
		for _, claim := range claims(o.Object) {
			before, found := taken[claim]
			if found && before.Unstructured != o.Unstructured {
				problems = append(problems, fmt.Sprintf("%s (%s) and %s (%s) both want the %s", before.name(), before.source, o.name(), o.source, claim))
			}
			taken[claim] = o
		}
	}
	return problems
}

// claims are what only one Service of the cluster can have.
func claims(service map[string]any) []string {
	spec := mapOf(service["spec"])
	var all []string
	numbers := []any{spec["healthCheckNodePort"]}
	ports, _ := spec["ports"].([]any)
	for _, port := range ports {
		numbers = append(numbers, mapOf(port)["nodePort"])
	}
	for _, number := range numbers {
		if n := fmt.Sprint(number); number != nil && n != "0" {
			all = append(all, "nodePort "+n)
		}
	}
	if address, _ := spec["clusterIP"].(string); address != "" && address != corev1.ClusterIPNone {
		all = append(all, "clusterIP "+address)
	}
	return all
}

const (
	// maxRecord is what a Secret may hold, less what Helm adds when the release goes on.
	maxRecord = corev1.MaxSecretSize - 4<<10
	// largest is how many files a message names.
	largest = 3
)

// tooLarge refuses a release whose record Helm could not store, see
// https://github.com/helm/helm/issues/9788.
func tooLarge(stored *helmrelease.Release) error {
	size, err := encodedSize(stored)
	if err != nil || size <= maxRecord {
		return nil //nolint:nilerr // Helm will say it
	}
	return record.Refused("release/too-large", "Helm's record of the release would be %d bytes, more than the %d that a Secret may hold: it holds the packed chart and what it renders. "+
		"The largest: %s; list files that the chart does not need in .helmignore, or split the release", size, corev1.MaxSecretSize, strings.Join(heavy(stored), ", "))
}

// encodedSize is how large Helm's record is in a Secret: packed and in base64.
func encodedSize(stored *helmrelease.Release) (int, error) {
	plain, err := json.Marshal(stored)
	// What is small unpacked need not be packed.
	if err != nil || base64.StdEncoding.EncodedLen(len(plain)) <= maxRecord {
		return 0, err
	}
	packed := &bytes.Buffer{}
	w, err := gzip.NewWriterLevel(packed, gzip.BestCompression)
	if err != nil {
		return 0, err
	}
	if _, err := w.Write(plain); err != nil {
		return 0, err
	}
	if err := w.Close(); err != nil {
		return 0, err
	}
	return base64.StdEncoding.EncodedLen(packed.Len()), nil
}

// heavy names what is largest in a record.
func heavy(stored *helmrelease.Release) []string {
	type part struct {
		name string
		size int
	}
	parts := []part{{"the rendered manifest", len(stored.Manifest)}}
	var walk func(*chart.Chart)
	walk = func(c *chart.Chart) {
		for _, f := range slices.Concat(c.Files, c.Templates) {
			parts = append(parts, part{strings.TrimPrefix(c.ChartFullPath()+"/"+f.Name, stored.Chart.Name()+"/"), len(f.Data)})
		}
		for _, d := range c.Dependencies() {
			walk(d)
		}
	}
	walk(stored.Chart)
	slices.SortStableFunc(parts, func(a, b part) int { return b.size - a.size })
	var names []string
	for _, p := range parts[:min(largest, len(parts))] {
		names = append(names, fmt.Sprintf("%s (%d bytes)", p.name, p.size))
	}
	return names
}
