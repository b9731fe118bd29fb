package pipeline

import (
	"context"

	"github.com/stagecrew/stagecrew/pkg/build"
	"github.com/stagecrew/stagecrew/pkg/record"
)

// offers lead the images of a build, one per platform, to the stage that looks at
// them while they are pushed.
type offers struct {
	queue chan offer
	// whole gets the image that all of them make before queue is closed.
	whole chan record.Image
}

// offer is an image on its way.
type offer struct {
	image record.Image
	local build.LocalImage // its bytes, nil where they are in the registry only
	seen  chan struct{}    // closed when it may go
}

func newOffers() *offers { return &offers{make(chan offer, 1), make(chan record.Image, 1)} }

// show offers an image and keeps its bytes until they were looked at. That the other
// side refuses it ends ctx: the refusal is the error of its own stage.
func (o *offers) show(ctx context.Context, image record.Image, local build.LocalImage) error {
	seen := make(chan struct{})
	select {
	case o.queue <- offer{image, local, seen}:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-seen:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// made is the image that all of them make, once queue is closed; zero where that is not known.
func (o *offers) made() record.Image {
	select {
	case whole := <-o.whole:
		return whole
	default:
		return record.Image{}
	}
}

// end says that there are no more.
func (o *offers) end(whole record.Image) {
	o.whole <- whole
	close(o.queue)
}

// give offers an image that is in its registry.
func (o *offers) give(image record.Image) {
	o.queue <- offer{image, nil, make(chan struct{})}
	o.end(image)
}
