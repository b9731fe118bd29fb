// Package registries runs what commands do with a registry against registries as they
// are in the world.
package registries

import (
	"flag"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
	"github.com/stagecrew/stagecrew/pkg/sign"
)

//go:generate go test -run TestRegistriesAreServedOrRefusedByName -update .

var update = flag.Bool("update", false, "write the table of the document")

const document = "../../docs/registries.md"

// kind is a registry with habits.
type kind struct {
	name     string
	handler  func() http.Handler
	switches []registrytest.Switch
	words    string // a pattern of what an error has to say, where there is one
}

type all = []registrytest.Switch

func denied(code int, fits func(*http.Request) bool) registrytest.Switch {
	return registrytest.Answer(fits, code, "DENIED", "requested access to the resource is denied")
}

// keptBack is Harbor's rule about images that are not signed, not scanned, or vulnerable.
func keptBack(from func(*http.Request) bool) registrytest.Switch {
	return registrytest.Answer(func(r *http.Request) bool {
		return !registrytest.Writes(r) && strings.Contains(r.URL.Path, "/manifests/") && from(r)
	}, 412, "PROJECTPOLICYVIOLATION", "The image is not signed by cosign.")
}

var referrers = registrytest.Asks("", "/referrers/")

// kinds are what the world has, with a report of each.
var kinds = []kind{
	{"lists no referrers (no referrers API)", registrytest.Handler, nil, ""},
	{"lists referrers", registrytest.Listing, nil, ""},
	// google/go-containerregistry#2446, estesp/manifest-tool#65.
	{"lists referrers and tags in pages", registrytest.Listing, all{registrytest.InPages}, ""},
	// dataaxiom/ghcr-cleanup-action#104.
	{"lists a referrer that is gone", registrytest.Listing, all{registrytest.Forgetful}, ""},
	{"refuses HEAD (405)", registrytest.Listing, all{registrytest.Answer(registrytest.Asks(http.MethodHead, "/v2/"), 405, "UNSUPPORTED", "the operation is unsupported")}, ""},
	// open-policy-agent/opa#6580, oras-project/oras-java#334, renovatebot/renovate#3877.
	{"keeps blobs at another host, wants tokens", registrytest.Listing, all{registrytest.Tokens(1000, "localhost"), registrytest.Elsewhere}, ""},
	// moby/moby#33558, docker/buildx#324, cesanta/docker_auth#240.
	{"gives tokens per scope from another host that end after two requests", registrytest.Listing, all{registrytest.Tokens(2, "localhost")}, ""},
	{"gives tokens at a private address", registrytest.Listing, all{registrytest.Tokens(1000, "127.0.0.1")}, "private or link-local address"},
	// JiRaska/open-bank-oss#8981 (ECR), moby/buildkit#3776.
	{"writes each tag once (400 TAG_INVALID), lists referrers", registrytest.Listing, all{registrytest.WrittenOnce(400, "TAG_INVALID", "The image tag already exists and cannot be overwritten because the tag is immutable.")}, "immutable"},
	{"writes each tag once (400 TAG_INVALID), lists no referrers", registrytest.Handler, all{registrytest.WrittenOnce(400, "TAG_INVALID", "The image tag already exists and cannot be overwritten because the tag is immutable.")}, "immutable"},
	// goharbor/harbor#17332.
	{"writes each tag once (412 PRECONDITION)", registrytest.Listing, all{registrytest.WrittenOnce(412, "PRECONDITION", "Failed to process request due to 'app:x' configured as immutable.")}, "immutable"},
	{"writes each tag once (409)", registrytest.Listing, all{registrytest.WrittenOnce(409, "CONFLICT", "the tag is immutable")}, "immutable"},
	// estesp/manifest-tool#26 (IBM's registry has no list of tags).
	{"has no list of tags (404)", registrytest.Listing, all{registrytest.Answer(registrytest.Asks("", "/tags/list"), 404, "NOT_FOUND", "no such page")}, "listing the tags"},
	{"has no list of tags (405)", registrytest.Listing, all{registrytest.Answer(registrytest.Asks("", "/tags/list"), 405, "UNSUPPORTED", "the operation is unsupported")}, "listing the tags"},
	// goharbor/harbor#8035, ivanilves/lstags#222.
	{"lists no tags to this account (403)", registrytest.Listing, all{denied(403, registrytest.Asks("", "/tags/list"))}, ""},
	// containerd/cri#787, moby/moby#30083, google/go-containerregistry#617.
	{"calls its manifests application/json", registrytest.Listing, all{registrytest.Typed("application/json")}, ""},
	// nicholas-fedor/watchtower#669.
	{"answers HEAD of manifests with 404", registrytest.Listing, all{registrytest.Answer(registrytest.Asks(http.MethodHead, "/manifests/"), 404, "MANIFEST_UNKNOWN", "manifest unknown")}, ""},
	{"forgets an upload once, without a word (404)", registrytest.Listing, all{registrytest.Loses}, ""},
	{"limits requests (429, Retry-After), each first time", registrytest.Listing, all{registrytest.FirstTime(429, "1")}, ""},
	{"is not there (503), each first time", registrytest.Listing, all{registrytest.FirstTime(503, "")}, ""},
	{"limits requests (429) all the time", registrytest.Listing, all{registrytest.Answer(registrytest.Asks("", "/manifests/"), 429, "TOOMANYREQUESTS", "pull rate limit reached")}, "wait, or log in"},
	{"is not there (503) all the time", registrytest.Listing, all{registrytest.Answer(registrytest.Asks("", "/manifests/"), 503, "UNAVAILABLE", "maintenance")}, "maintenance"},
	{"refuses to mount blobs (403)", registrytest.Listing, all{denied(403, registrytest.Mounts)}, ""},
	{"refuses to mount blobs (405)", registrytest.Listing, all{denied(405, registrytest.Mounts)}, ""},
	{"may be read only (403)", registrytest.Listing, all{denied(403, registrytest.Writes)}, "log in first"},
	{"denies everything (403)", registrytest.Listing, all{denied(403, registrytest.Asks("", "/manifests/"))}, "log in first"},
	// aws/containers-roadmap#2831 (ECR), regclient/regclient#961 (zot).
	{"takes an upload, but says in Range that only its beginning came", registrytest.Listing, all{registrytest.StuckRange}, ""},
	// sonatype/nexus-public#967.
	{"refuses each blob the first time it is whole (400 BLOB_UPLOAD_INVALID), but has it", registrytest.Listing, all{registrytest.WrongAboutBlobs}, ""},
	// sigstore/sigstore-js#1187.
	{"answers 200 with a page for people when asked for referrers", registrytest.Handler, all{registrytest.Page(referrers)}, ""},
	// artifacthub/hub#4785 (ghcr.io).
	{"sends who asks for referrers to a web site that answers 429", registrytest.Handler, all{registrytest.SentAway(referrers, 429)}, ""},
	{"answers that there are no referrers, always", registrytest.Listing, all{registrytest.Empty}, "has no signature"},
	// tektoncd/chains#252 (Quay), docker/hub-feedback#2307 (404), distribution/distribution#4927.
	{"does not take what refers to an image (400 MANIFEST_INVALID)", registrytest.Handler, all{registrytest.WithoutSubjects(400, "MANIFEST_INVALID", "manifest invalid")}, "--sign-format legacy"},
	{"does not take what refers to an image (404)", registrytest.Listing, all{registrytest.WithoutSubjects(404, "NOT_FOUND", "not found")}, "--sign-format legacy"},
	{"refuses to list referrers (405)", registrytest.Handler, all{registrytest.Answer(referrers, 405, "UNSUPPORTED", "the operation is unsupported")}, ""},
	{"refuses to list referrers (403)", registrytest.Handler, all{denied(403, referrers)}, "log in first"},
	{"wants another password", registrytest.Listing, all{registrytest.Passwords("other")}, `log in first.*it was asked as "me"`},
	{"gives no token for the password", registrytest.Listing, all{registrytest.Tokens(0, "localhost")}, `log in first.*it was asked as "me"`},
	// oras-project/oras-go#1396 (GitLab).
	{"takes the tag of an image's list of referrers for the image", registrytest.Handler, all{registrytest.TagIsDigest}, "--sign-format legacy|has no signature"},
	// sigstore/cosign#2973 (Artifactory).
	{"denies tags that are not there (403)", registrytest.Listing, all{registrytest.HidesMissingTags}, "log in first"},
	// goharbor/harbor#22650, sigstore/cosign#3163; Harbor's SkipPolicyChecking lets cosign read.
	{"keeps back what is not signed (412), not from cosign", registrytest.Listing, all{keptBack(func(r *http.Request) bool { return !strings.Contains(r.UserAgent(), "cosign") })}, ""},
	// goharbor/harbor#23638, #15885.
	{"keeps images back by a rule (412)", registrytest.Listing, all{keptBack(func(*http.Request) bool { return true })}, "a rule of its project"},
	// smol-machines/smolvm#436, bnema/gordon#58, containers/image#1869.
	{"takes no request above 100 bytes (413)", registrytest.Listing, all{registrytest.AtMost(100)}, "takes no request of this size"},
}

// TestRegistriesAreServedOrRefusedByName: each operation with each kind of registry is
// right, or an error with the code of the table in the document and with words about the
// cause.
func TestRegistriesAreServedOrRefusedByName(t *testing.T) {
	private, public, err := sign.GenerateKeyPair(nil)
	require.NoError(t, err)
	rows := []string{"| A registry that |", "|---|"}
	for _, o := range operations {
		rows[0] += " " + o.name + " |"
		rows[1] += "---|"
	}
	for _, k := range kinds {
		row := "| " + k.name + " |"
		t.Run(k.name, func(t *testing.T) {
			s := k.stage(t, private, public, "")
			for _, o := range operations {
				row += " " + ending(t, o.do(t.Context(), t, s), k.words) + " |"
			}
		})
		rows = append(rows, row)
	}
	compare(t, strings.Join(rows, "\n"))
}

func (k kind) stage(t *testing.T, private, public []byte, prefix string) *stage {
	handler := k.handler()
	s := &stage{plain: registrytest.Start(t, handler), host: registrytest.Start(t, handler, k.switches...), access: brisk("127.0.0.1", "localhost"), private: private, public: public, prefix: prefix}
	s.access.Credentials = []registry.Credentials{{Host: s.host, Username: "me", Password: "secret"}}
	s.fill(t)
	return s
}

// ending is a cell: right, or the code of the error, which has to have the words.
func ending(t *testing.T, err error, words string) string {
	t.Helper()
	if err == nil {
		return "right"
	}
	var sorted *record.Error
	require.ErrorAs(t, err, &sorted)
	t.Log(err)
	require.NotEmpty(t, words, "%v", err)
	require.Regexp(t, words, err.Error())
	return "`" + sorted.Code + "`"
}

var table = regexp.MustCompile(`(?s)(<!-- table -->\n).*(\n<!-- end of table -->)`)

func compare(t *testing.T, made string) {
	t.Helper()
	content, err := os.ReadFile(document)
	require.NoError(t, err)
	if *update {
		content = table.ReplaceAll(content, []byte("${1}"+made+"${2}"))
		require.NoError(t, os.WriteFile(document, content, 0o644))
	}
	written := strings.Split(table.FindString(string(content)), "\n")
	for _, row := range strings.Split(made, "\n") {
		require.True(t, slices.Contains(written, row), "%s has no row\n%s", document, row)
	}
	require.Len(t, written, strings.Count(made, "\n")+3, document)
}
