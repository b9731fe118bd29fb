package registry

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/retry"
)

func TestARegistrysAnswerDecidesTheKindOfTheError(t *testing.T) {
	for _, c := range []struct {
		name, body string
		status     int
		kind       record.Kind
		code       string
	}{
		{"not there", "", http.StatusNotFound, record.KindInput, "[build/image-not-found]"},
		{"no credentials", "", http.StatusUnauthorized, record.KindUnavailable, "[build/registry-denied]"},
		{"not allowed", "", http.StatusForbidden, record.KindUnavailable, "[build/registry-denied]"},
		// goharbor/harbor#22650, #19983, #15885.
		{"kept back", `{"errors":[{"code":"PROJECTPOLICYVIOLATION","message":"The image is not signed by cosign."}]}`, http.StatusPreconditionFailed, record.KindUnavailable, "not signed by cosign.; a rule of its project lets nobody pull this image: sign it, wait for its scan there, or except what was found from the rule [build/registry-denied]"},
		{"a manifest without end", strings.Repeat(" ", MaxAnswer+1), http.StatusOK, record.KindUnavailable, "it is too long"},
		{"broken, with a long answer", strings.Repeat("::error::x\n", 1000), http.StatusNotImplemented, record.KindUnavailable, "[build/registry-unavailable]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/v2/" {
					return
				}
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			}))
			defer server.Close()
			ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/team/app:1")
			require.NoError(t, err)
			_, err = brisk.Connect().Get(t.Context(), ref)
			err = Wrap(err, "getting %q", ref)
			require.ErrorContains(t, err, c.code)
			require.Equal(t, c.kind, record.KindOf(err))
			require.Less(t, len(err.Error()), 1500)
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

// Sources: redhat-openshift-ecosystem/openshift-preflight#213, ovh/cds#7735 (containerd 2.1).
func TestAnImageInDockersOldestFormatIsWrongInput(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.docker.distribution.manifest.v1+prettyjws")
		_, _ = io.WriteString(w, `{"schemaVersion":1}`)
	}))
	defer server.Close()
	ref, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://") + "/team/app:1")
	require.NoError(t, err)
	client := brisk.Connect()
	descriptor, err := client.Get(t.Context(), ref)
	require.NoError(t, err)
	_, err = client.Entries(t.Context(), ref.Context(), descriptor)
	err = Wrap(err, "getting %q", ref)
	require.ErrorContains(t, err, "schema 1")
	require.ErrorContains(t, err, "[build/no-image]")
	require.Equal(t, record.KindInput, record.KindOf(err))
}

// TestATagThatIsKeptAsItIsIsNotAnOutage: ECR (moby/buildkit#3776), Harbor
// (goharbor/harbor#17332) and others refuse with one status or another.
func TestATagThatIsKeptAsItIsIsNotAnOutage(t *testing.T) {
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		code                     string
	}{
		{"ECR", http.MethodPut, "/v2/team/app/manifests/1.0.0", `{"errors":[{"code":"TAG_INVALID","message":"it exists"}]}`, 400, "[build/tag-immutable]"},
		{"Harbor", http.MethodPut, "/v2/team/app/manifests/1.0.0", `{"errors":[{"code":"PRECONDITION","message":"configured as immutable"}]}`, 412, "[build/tag-immutable]"},
		{"Docker Hub", http.MethodPut, "/v2/team/app/manifests/1.0.0", `{"errors":[{"code":"DENIED","message":"tag 1.0.0 is already assigned and cannot be updated due to immutability settings"}]}`, 403, "[build/tag-immutable]"},
		{"a repository of that name", http.MethodPut, "/v2/team/immutable/manifests/1.0.0", `{"errors":[{"code":"DENIED"}]}`, 403, "[build/registry-denied]"},
		{"a tag that is asked for", http.MethodGet, "/v2/team/app/manifests/!", `{"errors":[{"code":"TAG_INVALID"}]}`, 404, "[build/image-not-found]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			request := httptest.NewRequest(c.method, "https://immutable.example.com"+c.path, nil)
			err := Check(&http.Response{StatusCode: c.status, Request: request, Body: io.NopCloser(strings.NewReader(c.body))}, http.StatusOK)
			require.ErrorContains(t, Wrap(err, "tagging"), c.code)
		})
	}
}

// Sources: podman-container-tools/podman#17816, google/go-containerregistry#1181: which
// credentials were sent is the first question.
func TestWhoIsRefusedIsToldAsWhomItAsked(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", "Basic realm=x")
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	ref, err := name.ParseReference(host + "/team/app:1")
	require.NoError(t, err)
	for password, want := range map[string]string{
		"s3cret":   `; it was asked as "robot" [`,
		"s3cret\n": `; it was asked as "robot", whose password has spaces or a line break around it [`,
		"":         "; it was asked without credentials, as none for it were found [",
	} {
		a := brisk
		a.Credentials, a.Insecure = []Credentials{{Host: host, Username: "robot", Password: password}}, []string{host}
		_, err = a.Connect().Get(t.Context(), ref)
		err = Wrap(err, "getting %q", ref)
		require.ErrorContains(t, err, "log in first (`docker login "+host+"`) with an account that may do it"+want)
		require.NotContains(t, err.Error(), "s3cret")
	}
}

// docker/build-push-action#1214: the private registry of a cloud lets nobody from elsewhere
// in, and no login helps; a host that is no registry has no login either.
func TestWhatRefusesToBeginNeedsNoLogin(t *testing.T) {
	for status, want := range map[int]string{http.StatusForbidden: "a firewall", http.StatusNotFound: "check the name of the host"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		defer server.Close()
		host := strings.TrimPrefix(server.URL, "http://")
		ref, err := name.ParseReference(host + "/team/app:1")
		require.NoError(t, err)
		a := brisk
		a.Credentials, a.Insecure = []Credentials{{Host: host, Username: "robot", Password: "s3cret"}}, []string{host}
		_, err = a.Connect().Get(t.Context(), ref)
		err = Wrap(err, "getting %q", ref)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "log in")
		require.NotContains(t, err.Error(), "without credentials")
	}
}

// goharbor/harbor#17390 has the code of a missing permission; ECR makes no repositories.
func TestWhyAPushIsRefusedDecidesWhatToDo(t *testing.T) {
	for _, c := range []struct {
		name, body, want string
		status           int
	}{
		{"a full project", `{"errors":[{"code":"DENIED","message":"adding 29.0 MiB of storage resource, which when updated to current usage of 152.4 MiB will exceed the configured upper limit of 10.0 MiB."}]}`, "; there is no room left", 403},
		{"an older full project", `{"errors":[{"code":"DENIED","message":"Quota exceeded when processing the request of adding 1.3 MiB"}]}`, "; there is no room left", 400},
		{"a full disk", `{"errors":[{"code":"UNKNOWN","message":"write /data/x: no space left on device"}]}`, "; there is no room left", 500},
		{"a repository that nobody made", `{"errors":[{"code":"NAME_UNKNOWN","message":"The repository with name 'app' does not exist in the registry with id '1'"}]}`, "; it makes no repositories by itself", 404},
		{"a format that it does not take (dotnet/sdk-container-builds#621)", "", "; it takes no manifest of this format", 415},
		{"a missing permission", `{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}`, "; log in first", 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			request := httptest.NewRequest(http.MethodPost, "https://registry.example.com/v2/team/quota/blobs/uploads/", nil)
			err := Check(&http.Response{StatusCode: c.status, Request: request, Body: io.NopCloser(strings.NewReader(c.body))}, http.StatusAccepted)
			err = Wrap(err, "pushing")
			require.ErrorContains(t, err, c.want)
			require.Equal(t, strings.HasPrefix(c.want, "; log in"), strings.Contains(err.Error(), "log in"))
		})
	}
}

// GitHub's registry says "denied" where the job lacks a permission (bachp/git-mirror#516), or the
// package is another one's (docker/build-push-action#806, tridz-dev/huf#349).
func TestAJobsTokenAndGitHubsRegistry(t *testing.T) {
	for address, want := range map[string]string{
		"POST https://ghcr.io/v2/team/app/blobs/uploads/":                       "packages: write",
		"GET https://ghcr.io/token?scope=repository%3Ateam%2Fapp%3Apush%2Cpull": "packages: write",
		"GET https://ghcr.io/v2/team/app/manifests/1":                           "packages: read",
		"GET https://registry.example.com/v2/team/app/manifests/1":              "",
		"GET https://ghcr.io.example.com/token?scope=repository:team/app:pull":  "",
	} {
		method, url, _ := strings.Cut(address, " ")
		request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
		require.NoError(t, err)
		err = Wrap(&transport.Error{Request: request, StatusCode: http.StatusForbidden}, "pushing")
		require.Equal(t, want != "", strings.Contains(err.Error(), "permissions:"), err)
		require.ErrorContains(t, err, want)
	}
}

func TestAddressesAreShownWithoutTheirSignatures(t *testing.T) {
	err := errors.New(`Patch "https://storage.example.com/u/1?X-Amz-Signature=abc&x=y": broken` + "\n" + `and http://registry/v2/?_state=s3cret too`)
	require.Equal(t, `Patch "https://storage.example.com/u/1?…": broken and http://registry/v2/?… too`, Shown(err).Error())
}

// brisk does not make a test wait.
var brisk = Access{Insecure: []string{"127.0.0.1"}, Retry: retry.Policy{Attempts: 3, First: time.Millisecond, Longest: 5 * time.Millisecond}}

func TestARepositorysNameIsWrittenSmall(t *testing.T) {
	got, err := RepositoryName("ghcr.io/MyOrg/Backstage-Production")
	require.NoError(t, err)
	require.Equal(t, "ghcr.io/myorg/backstage-production", got)
	_, err = RepositoryName("backstage")
	require.ErrorContains(t, err, "[build/options]")

}
