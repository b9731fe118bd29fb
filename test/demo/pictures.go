package main

import (
	"context"
	"net/http"

	"github.com/stagecrew/stagecrew/test/portal"
)

// photograph writes the pages as PNG files portal-NAME.png.
func (d *demo) photograph(ctx context.Context, way http.RoundTripper) error {
	address, stop := portal.Behind(way)
	defer stop()
	_, err := portal.Look{Browser: d.whole.browser, URL: portalURL, Address: address, Folder: d.whole.pictures}.At(ctx, portal.Scenes)
	return err
}
