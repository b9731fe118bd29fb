package sign

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	ociremote "github.com/sigstore/cosign/v2/pkg/oci/remote"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/registry/push"
	"github.com/stagecrew/stagecrew/pkg/retry"
)

const (
	// writings is how often a tag is written again that others write, too.
	writings = 6
	// Between the reading of a tag and its writing others must not write it. Those who do
	// at the same time take about as long for it: after several such times their writing
	// is to be seen.
	patience                    = 4
	shortestPause, longestPause = 20 * time.Millisecond, 3 * time.Second
)

// step stores what belongs together.
type step struct {
	what   string
	legacy bool
	tag    bool // it is kept under a tag, which is written anew for it
	there  bool // and which is there already
	// write stores what is not there yet. It reports whether that was anything, for a tag.
	write func(ctx context.Context) (wrote bool, err error)
}

// add stores objects beside those that are there. Each tag is written once with all
// that belongs to it: where tags are immutable there is no second time. Those that are
// there come first, so that this is found out before anything is stored; then the
// attestations, so that an image with a signature has them, too.
func (s *store) add(ctx context.Context, all []signed) error {
	if len(all) == 0 {
		return nil
	}
	steps, err := s.steps(ctx, all)
	if err != nil {
		return registryError(err, "storing what belongs to %q", s.digest)
	}
	slices.SortStableFunc(steps, func(a, b step) int {
		switch {
		case a.there == b.there:
			return 0
		case a.there:
			return -1
		default:
			return 1
		}
	})
	for i, one := range steps {
		wrote, err := one.write(ctx)
		if err != nil {
			return s.notStored(err, one)
		}
		steps[i].tag = one.tag || wrote
	}
	return s.settle(ctx, slices.DeleteFunc(steps, func(one step) bool { return !one.tag }))
}

func (s *store) steps(ctx context.Context, all []signed) ([]step, error) {
	to, err := push.New(s.client).To(ctx, s.digest.Context())
	if err != nil {
		return nil, err
	}
	lists, known := s.transport.referrersAPI()
	if !known && slices.ContainsFunc(all, func(one signed) bool { return one.artifact != nil }) {
		if _, err := ociremote.Referrers(s.digest, "", s.options...); err != nil {
			return nil, err
		}
		lists, _ = s.transport.referrersAPI()
	}
	var steps []step
	var bundles []signed
	for _, signatures := range []bool{false, true} {
		kind := slices.DeleteFunc(slices.Clone(all), func(one signed) bool { return one.signature() != signatures })
		beside := slices.DeleteFunc(slices.Clone(kind), func(one signed) bool { return one.legacy == nil })
		if len(beside) > 0 {
			one, err := s.extending(ctx, to, beside)
			if err != nil {
				return nil, err
			}
			steps = append(steps, one)
		}
		if lists {
			steps = append(steps, s.attaching(to, slices.DeleteFunc(kind, func(one signed) bool { return one.artifact == nil })))
			continue
		}
		bundles = append(bundles, slices.DeleteFunc(kind, func(one signed) bool { return one.artifact == nil })...)
	}
	if len(bundles) > 0 || len(s.gone) > 0 && !lists {
		one, err := s.listing(ctx, to, bundles)
		return append(steps, one), err
	}
	return steps, nil
}

// isThere reports whether a tag is.
func (s *store) isThere(ctx context.Context, tag name.Tag) (bool, error) {
	_, err := s.client.Head(ctx, tag)
	if registry.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}

// settle checks whether what was written is still there. Two who read a tag, add to it and
// write it at the same time take from each other what they added
// (sigstore/cosign#2432).
func (s *store) settle(ctx context.Context, tags []step) error {
	for range writings {
		if len(tags) == 0 {
			return nil
		}
		pause := min(max(patience*s.window, shortestPause), longestPause)
		if err := retry.Sleep(ctx, pause-time.Since(s.written)); err != nil {
			return err
		}
		var again []step
		for _, one := range tags {
			wrote, err := one.write(ctx)
			if err != nil {
				return s.notStored(err, one)
			}
			if wrote {
				s.log.Info("somebody else stores beside the image at the same time; stored again", "image", s.digest, "what", one.what)
				again = append(again, one)
			}
		}
		tags = again
	}
	return record.Unavailable("sign/written-over", "storing the %s of %q: others write the same tag all the time; run it again", tags[0].what, s.digest)
}

// content is what a tag is to have.
type content struct {
	image push.Described
	blobs []push.Blob // that may be missing
}

// rewrite writes a tag with what is made of what it has now; nil leaves it as it is.
func (s *store) rewrite(ctx context.Context, to *push.Repository, tag name.Tag, from func() (*content, error)) (wrote bool, err error) {
	for try := range writings {
		begin := time.Now()
		wanted, err := from()
		if err != nil || wanted == nil {
			return wrote, err
		}
		if try == writings-1 {
			s.transport.forget()
		}
		_, err = to.Image(ctx, wanted.image, wanted.blobs, tag.TagStr())
		s.written = time.Now()
		s.window = max(s.window, s.written.Sub(begin))
		if err == nil {
			return true, nil
		}
		if !overtaken(err) || try == writings-1 {
			return false, err
		}
	}
	return wrote, nil
}

// overtaken reports whether a registry did not write a tag because it is not any more
// what it was.
func overtaken(err error) bool {
	var answer *transport.Error
	return errors.As(err, &answer) && answer.StatusCode == http.StatusPreconditionFailed
}
