package preflight

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// imageRef is how a container names its image.
type imageRef struct{ repository, tag, digest string }

// refer reads a reference; a repository without a registry is Docker Hub's.
func refer(image string) imageRef {
	rest, digest, _ := strings.Cut(image, "@")
	tag := ""
	if i := strings.LastIndex(rest, ":"); i > strings.LastIndex(rest, "/") {
		rest, tag = rest[:i], rest[i+1:]
	}
	return imageRef{full(rest), tag, digest}
}

// full is a repository with its registry, as container runtimes complete it.
func full(repository string) string {
	host, path, found := strings.Cut(repository, "/")
	if !found || !strings.ContainsAny(host, ".:") && host != "localhost" {
		host, path = "docker.io", repository
	}
	if host == "index.docker.io" {
		host = "docker.io"
	}
	if host == "docker.io" && !strings.Contains(path, "/") {
		path = "library/" + path
	}
	return host + "/" + path
}

// running is a container of the plan.
type running struct {
	object object
	record.Container
}

func (r running) String() string {
	if r.Name == "" {
		return r.object.name()
	}
	return r.object.name() + " container " + r.Name
}

// containers are all that a deploy may start, hooks included.
func (c *check) containers() []running {
	var all []running
	for _, o := range c.objects {
		if !isIdle(o) {
			for _, container := range record.Containers(o.Object) {
				all = append(all, running{o, container})
			}
		}
	}
	return all
}

// isIdle reports whether an object is a hook that no deploy and no rollback runs.
func isIdle(o object) bool {
	events := strings.Split(o.GetAnnotations()["helm.sh/hook"], ",")
	return !slices.ContainsFunc(events, func(event string) bool {
		event = strings.TrimSpace(event)
		return !strings.HasPrefix(event, "test") && !strings.HasSuffix(event, "-delete")
	})
}

// digests makes sure that the image that was verified is the one that will run,
// and tells of the others, which were not verified.
func (c *check) digests() {
	want := c.plan.Image
	if want == (record.Image{}) {
		return // going back: what ran before may run again
	}
	all, runs := c.containers(), c.isInCustomResource(want)
	byTag := map[string][]string{}
	var others []string
	for _, r := range all {
		ref := refer(r.Image)
		switch same := ref.repository == full(want.Repository); {
		case same && ref.digest == want.Digest:
			runs = true
		case same:
			c.add(record.Concern{Code: "preflight/image-differs", Object: r.object.name(), Blocks: true,
				Message: fmt.Sprintf("container %s runs %s, which is not the image that was verified: %s", r.Name, r.Image, want),
				Advice:  "let the chart give it the same repository@digest, from " + c.imagePath()})
		case ref.digest == "":
			byTag[r.Image] = append(byTag[r.Image], r.String())
		}
		others = append(others, fmt.Sprintf("%s runs %s", r, r.Image))
	}
	if !runs {
		c.notRendered(want, all, others)
	}
	for _, image := range slices.Sorted(maps.Keys(byTag)) {
		c.add(record.Concern{Code: "preflight/image-by-tag", Object: image, Blocks: c.RequireDigests,
			Message: strings.Join(byTag[image], ", ") + " would run it by a tag, which may be other content tomorrow; nobody has scanned or verified it here",
			Advice:  "give it by digest, name:tag@sha256:…"})
	}
}

// isInCustomResource reports whether a custom resource names the image: its
// operator makes the pods.
func (c *check) isInCustomResource(want record.Image) bool {
	return slices.ContainsFunc(c.objects, func(o object) bool {
		return isCustom(o) && text.Anywhere(o.Object, func(s string) bool {
			ref := refer(s)
			return ref.digest == want.Digest && ref.repository == full(want.Repository)
		})
	})
}

// isCustom reports whether the kind is none of Kubernetes' own.
func isCustom(o object) bool {
	group := o.GroupVersionKind().Group
	return strings.Contains(group, ".") && !strings.HasSuffix(group, ".k8s.io")
}

func (c *check) imagePath() string {
	return fmt.Sprintf("%s.repository and %[1]s.digest", c.ImageValuesPath)
}

// notRendered explains a chart that does not run the image.
func (c *check) notRendered(want record.Image, all []running, others []string) {
	advice := fmt.Sprintf("the chart must put %s together as repository@digest; stagecrew sets them in the values, and --image-values-path names another place for them", c.imagePath())
	if paths := c.plan.ImagePaths; len(paths) > 0 {
		advice += "; what looks like an image in the chart's values is " + listed(paths) + ": --image-values-path " + paths[0]
	}
	for _, r := range all {
		if ref := refer(r.Image); ref.digest == want.Digest || strings.HasSuffix(ref.repository, "/"+want.Repository) {
			advice = fmt.Sprintf("the chart puts a registry of its own in front of the repository (often the value %s.registry): set that to nothing, or to the registry and let the repository be without it",
				strings.TrimSuffix(c.imagePath()[:strings.Index(c.imagePath(), ".repository")], "."))
		}
	}
	found := "it renders no container at all"
	if len(others) > 0 {
		found = strings.Join(others, ", ")
	}
	c.add(record.Concern{Code: "preflight/image-not-rendered", Blocks: true,
		Message: fmt.Sprintf("no container of the chart would run the verified image %s: %s", want, found), Advice: advice})
}
