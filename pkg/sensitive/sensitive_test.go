package sensitive

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatIsAskedForByNameIsThereButNeverGit(t *testing.T) {
	for _, c := range []struct {
		path    string
		include []string
		there   bool
	}{
		{".env.defaults", []string{".env.defaults"}, true},
		{"deploy/.env", []string{"deploy"}, false},
		{"deploy/.env", []string{"deploy/.env"}, true},
		{".aws/config", []string{".aws"}, true},
		{".aws/.env", []string{".aws"}, false},
		{"tls.p12", []string{"tls.p12"}, true},
		{".git/config", []string{".git/config"}, false},
		{".git-credentials", []string{".git-credentials"}, false},
		{"sub/.GIT/config", []string{"sub/.GIT"}, false},
	} {
		require.Equal(t, c.there, Path(c.path, c.include) == "", "%s of %q", c.path, c.include)
	}
}
