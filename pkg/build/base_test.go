package build

import (
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/stretchr/testify/require"
)

func TestTheGlibcOfABaseIsKnownByItsSystem(t *testing.T) {
	made := func(by ...string) *v1.ConfigFile {
		c := &v1.ConfigFile{}
		for _, one := range by {
			c.History = append(c.History, v1.History{CreatedBy: one})
		}
		return c
	}
	for _, c := range []struct {
		name, called, made, want string
	}{
		{"Node's own", "library/node:22", "# debian.sh --arch 'amd64' out/ 'bookworm' '@1763337600'", "2.36"},
		{"by its tag", "library/node:24-trixie-slim", "ADD file:0123 in /", "2.41"},
		{"distroless", "distroless/nodejs22-debian12:nonroot", "", "2.36"},
		{"Red Hat's", "ubi9/nodejs-20:1", "", "2.34"},
		{"a name that lies", "team/jammy-node:1", "# debian.sh --arch 'amd64' out/ 'bookworm' '@1763337600'", "2.36"},
		{"two systems", "team/bookworm-tools:noble", "", ""},
		{"neither", "team/node:22", "RUN echo bookworm", ""},
	} {
		require.Equal(t, c.want, glibcOf(made(c.made), c.called), c.name)
	}
}
