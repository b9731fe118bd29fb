//go:build goexperiment.jsonv2 && !notrivy

package scan_test

import (
	"bytes"
	"errors"
	"net/http"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/scan"
)

// token looks like a token of GitHub's and is none. In two parts, because scanners read
// this file, too.
const token = "ghp_" + "0123456789abcdefghijklmnopqrstuvwxyz"

// configured gives an image whose configuration says how it was built and run.
func configured(t *testing.T, files map[string]string, config v1.Config, history ...string) v1.Image {
	t.Helper()
	img := image(t, files)
	known, err := img.ConfigFile()
	require.NoError(t, err)
	known = known.DeepCopy()
	known.Config = config
	for _, line := range history {
		known.History = append(known.History, v1.History{CreatedBy: line, EmptyLayer: true})
	}
	img, err = mutate.ConfigFile(img, known)
	require.NoError(t, err)
	return img
}

func TestSecretsAndMisconfigurationsAreFoundWhenAskedFor(t *testing.T) {
	s := withDatabase(t)
	files := join(npm("minimist", "1.2.8"), map[string]string{"app/config.txt": "# settings\ntoken = " + token + "\n"})
	pushed := s.pushImage(t, configured(t, files, v1.Config{User: "root", Env: []string{"TOKEN=" + token}}, "USER root"))
	cases := map[string]struct {
		secrets, misconfigurations, fixedOnly bool
		blocking                              []string
	}{
		"not by default":                     {},
		"secrets":                            {secrets: true, blocking: []string{"github-pat", "github-pat"}},
		"misconfigurations":                  {misconfigurations: true, blocking: []string{"DS-0002"}},
		"both, although fixes are asked for": {secrets: true, misconfigurations: true, fixedOnly: true, blocking: []string{"github-pat", "github-pat", "DS-0002"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			o := s.options(pushed)
			o.Secrets, o.Misconfigurations, o.FixedOnly = c.secrets, c.misconfigurations, c.fixedOnly
			r, err := scan.Run(t.Context(), o)
			require.NoError(t, err)
			require.Equal(t, c.blocking, ids(r.Report.Blocking))
			require.Equal(t, 1, r.Report.Packages)
			for _, format := range scan.Formats() {
				var content bytes.Buffer
				require.NoError(t, r.Write(t.Context(), &content, format))
				require.NotContains(t, content.String(), token[8:], "%s shows the secret", format)
				require.NotContains(t, content.String(), "settings", "%s shows what is around the secret", format)
			}
			if c.secrets {
				require.Contains(t, targets(r.Report.Blocking), "app/config.txt:2")
				require.ErrorContains(t, scan.Refuse(r.Report), "github-pat in app/config.txt:2 (CRITICAL, GitHub Personal Access Token)")
			}
		})
	}
}

func targets(findings []record.Finding) (all []string) {
	for _, f := range findings {
		all = append(all, f.Target)
	}
	return all
}

func TestAnImageWithoutAUserOrAHistoryRunsAsRoot(t *testing.T) {
	s := withDatabase(t)
	for name, c := range map[string]struct {
		config   v1.Config
		history  []string
		blocking []string
	}{
		"no user":                       {history: []string{"stagecrew build: configuration"}, blocking: []string{"DS-0002"}},
		"no user and no history at all": {blocking: []string{"DS-0002"}},
		"a user":                        {config: v1.Config{User: "1000:1000"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := s.options(s.pushImage(t, configured(t, npm("minimist", "1.2.8"), c.config, c.history...)))
			o.Misconfigurations = true
			r, err := scan.Run(t.Context(), o)
			require.NoError(t, err)
			require.Equal(t, c.blocking, ids(r.Report.Blocking))
		})
	}
}

func TestAMisconfigurationCanBeIgnored(t *testing.T) {
	s := withDatabase(t)
	o := s.options(s.pushImage(t, configured(t, npm("minimist", "1.2.8"), v1.Config{})))
	o.Misconfigurations = true
	o.IgnoreFile = file(t, "ignores.yaml", "misconfigurations: [{id: DS-0002, statement: an init image, expired_at: 2100-01-01}]")
	r, err := scan.Run(t.Context(), o)
	require.NoError(t, err)
	require.Empty(t, r.Report.Blocking)
	require.Equal(t, "DS-0002", r.Suppressed[0].Finding.ID)
}

func TestASecretCanBeIgnoredInOneFile(t *testing.T) {
	s := withDatabase(t)
	o := s.options(s.push(t, join(npm("minimist", "1.2.8"), map[string]string{
		"app/fixture.txt": "token = " + token + "\n", "app/real.txt": "token = " + token + "\n",
	})))
	o.Secrets = true
	o.IgnoreFile = file(t, "ignores.yaml", "secrets: [{id: github-pat, paths: [app/fixture.txt], statement: made up, expired_at: 2100-01-01}]")
	r, err := scan.Run(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, []string{"app/real.txt:1"}, targets(r.Report.Blocking))
	require.Len(t, r.Suppressed, 1)
	require.Empty(t, r.Unmatched)
}

// nobody refuses all requests.
type nobody struct{ asked []string }

func (n *nobody) RoundTrip(r *http.Request) (*http.Response, error) {
	n.asked = append(n.asked, r.URL.String())
	return nil, errors.New("nobody may be asked")
}

func TestAScanAsksNobodyButTheRegistriesThroughItsOwnTransport(t *testing.T) {
	s := withDatabase(t)
	o := s.options(s.pushImage(t, configured(t, npm("lodash", "4.17.20"), v1.Config{}, "USER root")))
	o.Secrets, o.Misconfigurations, o.VEX = true, true, []string{file(t, "vex.json", csaf)}
	spy, before := &nobody{}, http.DefaultTransport
	http.DefaultTransport = spy
	defer func() { http.DefaultTransport = before }()
	r, err := scan.Run(t.Context(), o)
	require.NoError(t, err)
	for _, format := range scan.Formats() {
		require.NoError(t, r.Write(t.Context(), &bytes.Buffer{}, format))
	}
	require.Same(t, http.RoundTripper(spy), http.DefaultTransport)
	require.Empty(t, spy.asked)
}
