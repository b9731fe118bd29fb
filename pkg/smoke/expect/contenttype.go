package expect

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"strings"
	"time"

	"github.com/stagecrew/stagecrew/pkg/smoke/form"
)

// ContentType is the media type that an answer must have, for example
// "application/json", without regard to case; parameters count where they are given.
type ContentType string

func init() {
	declare("contentType", func(n *form.Node, key string) ContentType { return ContentType(n.Text(key)) })
}

func (c ContentType) of() part { return ofHeader }

func (c ContentType) validate(_ time.Duration, report form.Reporter) {
	if kind, _, err := mime.ParseMediaType(string(c)); err != nil || !strings.Contains(kind, "/") {
		report("contentType", "%q is not a media type such as application/json", string(c))
	}
}

func (c ContentType) judge(_ context.Context, a Answer) error {
	if got := a.Header.Get("Content-Type"); !c.allows(got) {
		return fmt.Errorf("content type \"%s\", should be \"%s\"", got, string(c))
	}
	return nil
}

func (c ContentType) allows(got string) bool {
	want, parameters, err := mime.ParseMediaType(string(c))
	if err != nil {
		return false
	}
	kind, found, err := mime.ParseMediaType(got)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) || kind != want {
		return false
	}
	for name, value := range parameters {
		if !strings.EqualFold(found[name], value) {
			return false
		}
	}
	return true
}
