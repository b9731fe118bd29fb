// Package validate looks at a pushed image as a strict cluster would: how it starts,
// what it says about itself, and what is in its layers that does not belong there.
package validate

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/stagecrew/stagecrew/pkg/backstage"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/text"
)

// Image looks at a pushed image, of each of its platforms, as a cluster with
// strict rules would: does it run without root, does it start Backstage the way it
// is meant to, does it say what it is, and is there nothing in it that does not
// belong into production. The layers are read, but not kept. The error is for an
// image that could not be read; what is wrong with one is in the checks.
func Image(ctx context.Context, images registry.Access, image record.Image) ([]record.Check, error) {
	ref, err := name.NewDigest(image.String())
	if err != nil {
		return nil, record.BadInput("build/options", "validating: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, validating)
	defer cancel()
	s := images.Connect()
	descriptor, err := s.Get(ctx, ref)
	if err != nil {
		return nil, registry.Wrap(err, "getting %q", image)
	}
	entries, err := s.Entries(ctx, ref.Context(), descriptor)
	if err != nil {
		return nil, registry.Wrap(err, "reading %q", image)
	}
	if len(entries) == 0 {
		return nil, record.Refused("build/not-valid", "image %q: its index names no image that could be looked at", image)
	}
	slices.SortStableFunc(entries, func(a, b registry.Entry) int { return strings.Compare(a.Platform.String(), b.Platform.String()) })
	var checks []record.Check
	for i, target := range targets(entries) {
		one, err := s.Image(ctx, ref.Context(), entries[i])
		if err != nil {
			return nil, registry.Wrap(err, "reading %q for %s", image, target)
		}
		found, err := check(ctx, one)
		if err != nil {
			return nil, unread(err, image, target)
		}
		for n := range found {
			found[n].Target = target
		}
		checks = append(checks, found...)
	}
	return checks, nil
}

// unread is the error of an image of which not all could be read: the registry did not give
// it, or it is not what its digests say, which does not become right by asking again.
func unread(err error, image record.Image, target string) error {
	broken := !registry.FromNetwork(err) && !registry.Final(err) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
	if broken && record.KindOf(err) == record.KindUnknown {
		return record.Unavailable("build/image-unusable", "reading %q for %s: its content is not what its digests say, or cannot be unpacked: %w; build and push it anew", image, target, registry.Shown(err))
	}
	return registry.Wrap(err, "reading %q for %s", image, target)
}

// targets names the images of an index: by system and processor, and by what more is
// needed where two have the same.
func targets(entries []registry.Entry) []string {
	short := func(e registry.Entry) string { return e.Platform.OS + "/" + e.Platform.Architecture }
	names := make([]string, len(entries))
	for i, e := range entries {
		same := func(name func(registry.Entry) string) bool {
			return slices.ContainsFunc(slices.Delete(slices.Clone(entries), i, i+1), func(other registry.Entry) bool { return name(other) == name(e) })
		}
		switch {
		case !same(short):
			names[i] = short(e)
		case !same(func(e registry.Entry) string { return e.Platform.String() }):
			names[i] = e.Platform.String()
		default:
			names[i] = e.Platform.String() + " " + e.Digest.String()
		}
	}
	return names
}

// validating bounds the reading of one image.
const validating = 30 * time.Minute

// maxDetail bounds what a check says, in bytes.
const maxDetail = 500

// shown is how many things a check names; secrets are named with double the room,
// because each of them has to be dealt with.
const shown = 5

// verdict makes a check out of what is wrong, if anything, and what there is.
func verdict(name string, wrong []string, there string) record.Check {
	return verdictOf(name, wrong, there, shown, maxDetail)
}

func verdictOf(name string, wrong []string, there string, most, bytes int) record.Check {
	c := record.Check{Name: name, Result: record.CheckPassed, Detail: there}
	if len(wrong) > 0 {
		if more := len(wrong) - most; more > 0 {
			wrong = append(wrong[:most:most], fmt.Sprintf("and %d more", more))
		}
		c.Result, c.Detail = record.CheckFailed, strings.Join(wrong, "; ")
	}
	c.Detail = text.Line(c.Detail, bytes)
	return c
}

func check(ctx context.Context, image v1.Image) ([]record.Check, error) {
	file, err := registry.Startable(image)
	if err != nil {
		return nil, err
	}
	manifest, err := image.Manifest()
	if err != nil {
		return nil, err
	}
	contents, err := readContents(ctx, image, file.Config)
	if err != nil {
		return nil, err
	}
	c := file.Config
	return append([]record.Check{
		checkUser(c), checkStart(c), checkWorkDir(c), checkNodeOptions(c), checkLabels(c), checkSizes(manifest),
	}, contents.checks(c, told(file, manifest))...), nil
}

func checkUser(c v1.Config) record.Check {
	user, _, _ := strings.Cut(c.User, ":")
	id, err := strconv.Atoi(user)
	var wrong []string
	switch {
	case c.User == "":
		wrong = append(wrong, "no user is set: it runs as root")
	case err != nil:
		wrong = append(wrong, fmt.Sprintf("user %q is a name: Kubernetes cannot tell that it is not root; set a number", c.User))
	case id == 0:
		wrong = append(wrong, fmt.Sprintf("user %q is root", c.User))
	}
	return verdict("user", wrong, c.User)
}

func checkWorkDir(c v1.Config) record.Check {
	var wrong []string
	if c.WorkingDir != "/"+backstage.WorkDir {
		wrong = append(wrong, fmt.Sprintf("the working directory is %q: the paths in app-config.yaml are meant from /%s", c.WorkingDir, backstage.WorkDir))
	}
	return verdict("working directory", wrong, c.WorkingDir)
}

func checkNodeOptions(c v1.Config) record.Check {
	for _, pair := range c.Env {
		if value, ok := strings.CutPrefix(pair, backstage.NodeOptions+"="); ok && slices.Contains(strings.Fields(value), backstage.NoSnapshot) {
			return verdict("node options", nil, value)
		}
	}
	check := verdict("node options", nil, backstage.NodeOptions+" lacks "+backstage.NoSnapshot+", which the scaffolder of Backstage before 1.55 needs")
	check.Result = record.CheckInconclusive
	return check
}

// checkLabels does not fail an image: it runs without them, but nobody can tell later
// what it was made from.
func checkLabels(c v1.Config) record.Check {
	var wrong, there []string
	for _, label := range []string{ocispec.AnnotationCreated, ocispec.AnnotationVersion, ocispec.AnnotationRevision} {
		if c.Labels[label] == "" {
			wrong = append(wrong, label+" is missing")
		} else {
			there = append(there, label+"="+c.Labels[label])
		}
	}
	check := verdict("labels", wrong, strings.Join(there, " "))
	if check.Result == record.CheckFailed {
		check.Result = record.CheckInconclusive
	}
	return check
}

func checkSizes(manifest *v1.Manifest) record.Check {
	total, sizes := int64(0), make([]string, len(manifest.Layers))
	for i, l := range manifest.Layers {
		total += l.Size
		sizes[i] = fmt.Sprintf("%.1f", float64(l.Size)/1e6)
	}
	return verdict("layers", nil, fmt.Sprintf("%d, %.1f MB compressed: %s", len(sizes), float64(total)/1e6, strings.Join(sizes, " + ")))
}

// compilers are the programs that a build needs and production does not.
var compilers = regexp.MustCompile(`^(usr/)?(local/)?s?bin/([a-z0-9_]+-linux-(gnu|musl)[a-z]*-)?(gcc|g\+\+|c\+\+|cc|clang|clang\+\+|tcc|make|ld|rustc|go)(-[0-9.]+)?$`)
