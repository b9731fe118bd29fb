package release

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"helm.sh/helm/v3/pkg/chart"
	helmrelease "helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	corev1 "k8s.io/api/core/v1"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/release/internal/manifest"
)

// checkedDriver stores no record of a release that cannot work. Helm stores the record
// before it changes any object, so that this is the last moment to say no.
type checkedDriver struct {
	driver.Driver

	mu     sync.Mutex
	images []string // that must be those of the next record; nil for any
}

// expect makes the next record one with the images that were planned.
func (g *checkedDriver) expect(images []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.images = images
}

// Create stores a new record.
func (g *checkedDriver) Create(key string, stored *helmrelease.Release) error {
	// What is gone back to was deployed once.
	if stored.Info.Status != helmrelease.StatusPendingRollback {
		if err := checkContent(stored); err != nil {
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

// checkContent refuses a rendered chart that the API server would take one object at a
// time and that yet cannot work.
func checkContent(stored *helmrelease.Release) error {
	if problems := manifest.Contradictions(stored.Manifest, stored.Namespace); len(problems) > 0 {
		return record.Refused("release/contradiction", "chart %s cannot be applied: %s", stored.Chart.Name(), strings.Join(problems, "; "))
	}
	return tooLarge(stored)
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
