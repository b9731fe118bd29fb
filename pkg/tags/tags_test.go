package tags

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
	"github.com/stagecrew/stagecrew/pkg/retry"
)

func TestTheTagsOfAnImageFollowFromWhatIsKnownAboutIt(t *testing.T) {
	const commit = "0123456789abcdef0123456789abcdef01234567"
	for _, c := range []struct {
		name  string
		rules Rules
		want  string // "!" is fixed, ">" forward only
		err   string
	}{
		{"nothing", Rules{}, "", ""},
		{"a version", Rules{Version: "1.2.3"}, "1.2.3! 1.2> 1> latest>", ""},
		{"a pushed tag", Rules{Version: "refs/tags/v1.2.3"}, "1.2.3! 1.2> 1> latest>", ""},
		{"a version before 1", Rules{Version: "v0.2.3"}, "0.2.3! 0.2> latest>", ""},
		{"a pre-release", Rules{Version: "1.2.3-rc.1"}, "1.2.3-rc.1!", ""},
		{"build metadata", Rules{Version: "1.2.3+7"}, "1.2.3_7! 1.2> 1> latest>", ""},
		{"everything", Rules{Version: "10.0.1", Commit: commit, Branch: "main", Further: []string{"Nightly"}}, "sha-0123456 main Nightly 10.0.1! 10.0> 10> latest>", ""},
		{"a branch with a folder", Rules{Branch: "refs/heads/Feature/ABC_1 #2"}, "feature-abc_1-2", ""},
		{"half a version", Rules{Version: "1.2"}, "", "want a semantic version"},
		{"no version", Rules{Version: "refs/tags/nightly"}, "", "want a semantic version"},
		{"a leading zero", Rules{Version: "1.02.3"}, "", "want a semantic version"},
		{"a branch like a release", Rules{Branch: "1.2"}, "", "that of a release"},
		{"a branch like latest", Rules{Branch: "Latest"}, "", "that of a release"},
		{"a branch of odd characters only", Rules{Branch: "###"}, "", "nothing of its name"},
		// docker/metadata-action#29, #199, and GitHub's own names for the branches of issues
		{"a branch of an issue", Rules{Branch: "123-fix-login"}, "123-fix-login", ""},
		{"a branch that begins with a digit", Rules{Branch: "2fa-login"}, "2fa-login", ""},
		{"a branch of maintenance", Rules{Branch: "1.2.x"}, "1.2.x", ""},
		{"a branch of a release", Rules{Branch: "release/1.2"}, "release-1.2", ""},
		{"a branch of a tool", Rules{Branch: "dependabot/npm_and_yarn/a-1.2.3"}, "dependabot-npm_and_yarn-a-1.2.3", ""},
		{"a branch like a pre-release", Rules{Branch: "v1.2.3-rc.1"}, "", "that of a release"},
		{"a branch like a major version", Rules{Branch: "V1"}, "", "that of a release"},
		{"a long branch", Rules{Branch: strings.Repeat("x", 250)}, strings.Repeat("x", 128), ""},
		{"a capital V", Rules{Version: "V1.2.3"}, "1.2.3! 1.2> 1> latest>", ""},
		// nesquena/hermes-webui#52, and the tags of changesets, release-please and Go modules
		{"two numbers", Rules{Version: "v0.29"}, "", "three numbers"},
		{"four numbers", Rules{Version: "1.2.3.4"}, "", "three numbers"},
		{"of changesets", Rules{Version: "portal@1.2.3"}, "1.2.3! 1.2> 1> latest>", ""},
		{"of changesets, with a scope", Rules{Version: "@team/portal@1.2.3-rc.1"}, "1.2.3-rc.1!", ""},
		{"of release-please", Rules{Version: "refs/tags/portal-v1.2.3"}, "1.2.3! 1.2> 1> latest>", ""},
		{"of a folder", Rules{Version: "apps/portal/v1.2.3"}, "1.2.3! 1.2> 1> latest>", ""},
		{"a component and two numbers", Rules{Version: "portal@1.2"}, "", "three numbers"},
		{"a name with a version behind it", Rules{Version: "release-1.2.3"}, "", "three numbers"},
		{"a short commit", Rules{Commit: "0123456"}, "", "want the full id"},
		{"a tag that cannot be one", Rules{Further: []string{"a b"}}, "", `tag "a b"`},
		{"a tag of the cache", Rules{Further: []string{"stagecrew-cache-1"}}, "", "keep layers"},
		// docker/metadata-action#29, docker-archive/github-actions#19
		{"a branch with signs", Rules{Branch: "feature/#6=skill@quiz"}, "feature-6-skill-quiz", ""},
		{"a branch with letters that no tag has", Rules{Branch: "feature/\u00c4-\u00d6"}, "", "a tag has none of its letters but a to z"},
		{"a branch in another script", Rules{Branch: "\u4fee\u6b63"}, "", "give --tag"},
		{"a branch that is called like a commit's tag", Rules{Branch: "sha-0123456"}, "", "would be that of a commit"},
		// nerva-project/nerva#88: it became 0.2.1, and latest.
		{"four numbers and a candidate", Rules{Version: "v0.2.1.0-rc1"}, "", "three numbers"},
		// goharbor/harbor#17332
		{"a tag of signatures", Rules{Further: []string{"sha256-" + strings.Repeat("a", 64) + ".sig"}}, "", "keep the signatures"},
		{"a branch like the list of referrers", Rules{Branch: "sha256-" + strings.Repeat("0", 64)}, "", "keep the signatures"},
		{"a tag that only begins like one", Rules{Further: []string{"sha256-abc"}}, "sha256-abc", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			moves, err := c.rules.Moves()
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				require.ErrorContains(t, err, "[build/tag]")
				return
			}
			require.NoError(t, err)
			var got []string
			for _, m := range moves {
				mark := map[bool]string{m.Fixed: "!", m.Forward: ">"}[true]
				got = append(got, m.Tag+mark)
			}
			require.Equal(t, c.want, strings.Join(got, " "))
		})
	}
}

// released puts an image with the version as its label there, under no tag.
func released(t *testing.T, repository, version string) record.Image {
	t.Helper()
	image, err := mutate.ConfigFile(registrytest.EmptyImage(t), &v1.ConfigFile{OS: "linux", Architecture: "amd64", RootFS: registrytest.RootFS(t, registrytest.EmptyImage(t)), Config: v1.Config{Labels: map[string]string{ocispec.AnnotationVersion: version, "x": repository}}})
	require.NoError(t, err)
	digest, err := image.Digest()
	require.NoError(t, err)
	pushed := record.Image{Repository: repository, Digest: digest.String()}
	ref, err := name.NewDigest(pushed.String())
	require.NoError(t, err)
	require.NoError(t, remote.Write(ref, image))
	return pushed
}

// release tags an image of the version by the rules.
func release(t *testing.T, repository, version string) (record.Image, []record.MovedTag, error) {
	t.Helper()
	image := released(t, repository, version)
	moves, err := Rules{Version: version}.Moves()
	require.NoError(t, err)
	moved, err := Apply(t.Context(), brisk, image, moves)
	return image, moved, err
}

func tagsOf(t *testing.T, repository string, tags ...string) []string {
	t.Helper()
	var digests []string
	for _, tag := range tags {
		digests = append(digests, registrytest.Find(t, repository+":"+tag).Digest)
	}
	return digests
}

func TestTagsOfReleasesGoForwardOnly(t *testing.T) {
	repository := registrytest.Serve(t, nil) + "/team/app"
	two, moved, err := release(t, repository, "2.0.0")
	require.NoError(t, err)
	require.Len(t, moved, 4)
	require.Equal(t, []string{two.Digest, two.Digest, two.Digest}, tagsOf(t, repository, "latest", "2", "2.0"))

	backport, moved, err := release(t, repository, "1.9.1")
	require.NoError(t, err)
	require.Equal(t, []string{backport.Digest, backport.Digest, backport.Digest, two.Digest}, tagsOf(t, repository, "1.9.1", "1.9", "1", "latest"))
	last := moved[len(moved)-1]
	require.Equal(t, record.MovedTag{Tag: "latest", From: two.Digest, Why: "its image is version 2.0.0, higher than 1.9.1"}, last)

	candidate, moved, err := release(t, repository, "3.0.0-rc.1")
	require.NoError(t, err)
	require.Len(t, moved, 1)
	require.Equal(t, []string{candidate.Digest, two.Digest, ""}, tagsOf(t, repository, "3.0.0-rc.1", "latest", "3"))

	newer, _, err := release(t, repository, "2.0.10")
	require.NoError(t, err)
	require.Equal(t, []string{newer.Digest, newer.Digest, newer.Digest}, tagsOf(t, repository, "latest", "2", "2.0"))
	_, _, err = release(t, repository, "2.0.9")
	require.NoError(t, err)
	require.Equal(t, []string{newer.Digest}, tagsOf(t, repository, "2.0"), "10 is more than 9")

	again, err := Apply(t.Context(), brisk, newer, []Move{{Tag: "latest", Forward: true, Version: "2.0.10"}, {Tag: "2.0.10", Fixed: true}})
	require.NoError(t, err)
	require.Equal(t, []record.MovedTag{{Tag: "latest", Here: true, From: newer.Digest}, {Tag: "2.0.10", Here: true, From: newer.Digest}}, again, "a second run has nothing to do")
}

func TestAVersionIsNotTakenToAnotherImage(t *testing.T) {
	repository := registrytest.Serve(t, nil) + "/team/app"
	first, _, err := release(t, repository, "1.0.0")
	require.NoError(t, err)
	other := released(t, repository, "1.0.0 but other bytes")
	moves, err := Rules{Version: "1.0.0", Branch: "main"}.Moves()
	require.NoError(t, err)
	require.NoError(t, Free(t.Context(), brisk, first, moves))
	early := Free(t.Context(), brisk, other, moves)
	require.ErrorContains(t, early, "[build/version-taken]")
	moved, err := Apply(t.Context(), brisk, other, moves)
	require.Equal(t, early.Error(), err.Error())
	require.ErrorContains(t, err, "[build/version-taken]")
	require.Equal(t, record.KindRefused, record.KindOf(err))
	require.Empty(t, moved)
	require.Equal(t, []string{first.Digest, first.Digest, ""}, tagsOf(t, repository, "1.0.0", "latest", "main"), "no tag was moved")
}

func TestWithoutALabelTheOtherTagsTellTheVersion(t *testing.T) {
	for _, c := range []struct {
		name    string
		tags    []string
		version string
		why     string
	}{
		{"it is higher", []string{"latest", "1.4.0", "1.5.0-rc.1", "2.0.0-rc.1", "1.10.0"}, "1.11.0", ""},
		{"it is lower", []string{"latest", "1.4.0", "1.10.0"}, "1.9.0", "the highest version in the repository is 1.10.0, higher than 1.9.0"},
		{"nothing was released", []string{"latest", "nightly"}, "1.0.0", ""},
		{"the tag is new, the version is not", []string{"1.10.0"}, "1.9.0", "the highest version in the repository is 1.10.0, higher than 1.9.0"},
		{"the repository is new", nil, "1.0.0", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			repository := registrytest.Serve(t, nil) + "/team/app"
			for _, tag := range c.tags {
				ref, err := name.NewTag(repository + ":" + tag)
				require.NoError(t, err)
				require.NoError(t, remote.Write(ref, registrytest.EmptyImage(t)))
			}
			_, moved, err := release(t, repository, c.version)
			require.NoError(t, err)
			last := moved[len(moved)-1]
			require.Equal(t, c.why == "", last.Moved)
			require.Contains(t, last.Why, c.why)
		})
	}
}

// A registry without a list of tags (404) does not tell whether something was released.
func TestWithoutALabelOrAListATagStays(t *testing.T) {
	host := registrytest.Start(t, registrytest.Handler(), registrytest.Answer(func(r *http.Request) bool {
		return strings.HasSuffix(r.URL.Path, "/tags/list")
	}, http.StatusNotFound, "NAME_UNKNOWN", "no list of tags"))
	ref, err := name.NewTag(host + "/team/app:latest")
	require.NoError(t, err)
	require.NoError(t, remote.Write(ref, registrytest.EmptyImage(t)))
	_, moved, err := release(t, host+"/team/app", "1.0.0")
	require.NoError(t, err)
	require.Contains(t, moved[3].Why, "move it by hand once")
	require.False(t, moved[3].Moved)
}

// An account that may write tags need not be one that may list them: goharbor/harbor#8035,
// ivanilves/lstags#222.
func TestTagsMoveWhereTheirListIsDenied(t *testing.T) {
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed} {
		host := registrytest.Start(t, registrytest.Handler(), registrytest.Answer(registrytest.Asks("", "/tags/list"), status, "DENIED", "listing is not allowed"))
		for _, version := range []string{"1.0.0", "1.1.0"} {
			image, moved, err := release(t, host+"/team/app", version)
			require.NoError(t, err)
			require.Empty(t, moved[3].Why)
			require.Equal(t, image.Digest, registrytest.Find(t, host+"/team/app:latest").Digest)
		}
		_, moved, err := release(t, host+"/team/app", "1.0.1")
		require.NoError(t, err)
		require.Equal(t, "its image is version 1.1.0, higher than 1.0.1", moved[3].Why)
	}
}

func TestTheVersionOfAnIndexIsRead(t *testing.T) {
	for _, annotated := range []bool{true, false} {
		repository := registrytest.Serve(t, nil) + "/team/app"
		child := released(t, repository, "3.0.0")
		ref, err := name.NewDigest(child.String())
		require.NoError(t, err)
		image, err := remote.Image(ref)
		require.NoError(t, err)
		index := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), mutate.IndexAddendum{Add: image})
		if annotated {
			index = mutate.Annotations(index, map[string]string{ocispec.AnnotationVersion: "3.0.0"}).(v1.ImageIndex)
		}
		tag, err := name.NewTag(repository + ":latest")
		require.NoError(t, err)
		require.NoError(t, remote.WriteIndex(tag, index))
		_, moved, err := release(t, repository, "2.0.0")
		require.NoError(t, err)
		require.Equal(t, "its image is version 3.0.0, higher than 2.0.0", moved[3].Why)
	}
}

func TestTheListTellsHowFarTaggingCame(t *testing.T) {
	registry := registrytest.Handler()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/manifests/latest") {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		registry.ServeHTTP(w, r)
	}))
	defer server.Close()
	repository := strings.TrimPrefix(server.URL, "http://") + "/team/app"
	_, moved, err := release(t, repository, "1.0.0")
	require.ErrorContains(t, err, "[build/registry-denied]")
	require.Len(t, moved, 3)
	require.Equal(t, "1", moved[2].Tag)
}

// A registry may not find at once what it said to have.
func TestATagIsWrittenAgainWhereTheRegistryHasNotFoundABlobYet(t *testing.T) {
	refused := false
	host := registrytest.Start(t, registrytest.Handler(), registrytest.Answer(func(r *http.Request) bool {
		first := !refused && r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/manifests/stable")
		refused = refused || first
		return first
	}, http.StatusBadRequest, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry"))
	image := released(t, host+"/team/app", "1.0.0")
	_, err := Apply(t.Context(), registry.Access{Insecure: []string{"127.0.0.1"}, Retry: retry.Policy{Attempts: 2, First: time.Millisecond}}, image, []Move{{Tag: "stable"}})
	require.NoError(t, err)
	require.True(t, refused)
	require.Equal(t, []string{image.Digest}, tagsOf(t, image.Repository, "stable"))
}

func TestAFurtherTagThatTheVersionGivesAnywayKeepsItsRule(t *testing.T) {
	moves, err := Rules{Version: "1.2.3", Further: []string{"1.2.3", "latest", "blue", "blue"}}.Moves()
	require.NoError(t, err)
	require.Equal(t, []Move{{Tag: "blue"}, {Tag: "1.2.3", Fixed: true, Version: "1.2.3"}, {Tag: "1.2", Forward: true, Version: "1.2.3"},
		{Tag: "1", Forward: true, Version: "1.2.3"}, {Tag: "latest", Forward: true, Version: "1.2.3"}}, moves)
}

func TestATagOfWhatIsNotThereIsRefused(t *testing.T) {
	repository := registrytest.Serve(t, nil) + "/team/app"
	for _, c := range []struct {
		name, digest, tag, code string
	}{
		{"an image by tag", "latest", "1", "[build/options]"},
		{"a tag that cannot be one", "sha256:" + strings.Repeat("0", 64), "not a tag", "[build/tag]"},
		{"an image that is not there", "sha256:" + strings.Repeat("0", 64), "1", "[build/image-not-found]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Apply(t.Context(), brisk, record.Image{Repository: repository, Digest: c.digest}, []Move{{Tag: c.tag}})
			require.ErrorContains(t, err, c.code)
		})
	}
}

func FuzzTagRules(f *testing.F) {
	f.Add("v1.2.3-rc.1+build.5", "feature/Ünîcode", "latest")
	f.Add("refs/tags/v0.1.0", "main", "1_2")
	f.Fuzz(func(t *testing.T, version, branch, tag string) {
		moves, err := Rules{Version: version, Branch: branch, Further: []string{tag}}.Moves()
		if err != nil {
			return
		}
		for _, m := range moves {
			require.NoError(t, check(m.Tag))
			if parsed, ok := versionTag(m.Tag); ok {
				_ = within(parsed, tag)
				require.Zero(t, compareVersions(parsed, parsed))
			}
		}
	})
}

// brisk does not make a test wait.
var brisk = registry.Access{Insecure: []string{"127.0.0.1"}, Retry: retry.Policy{Attempts: 3, First: time.Millisecond, Longest: 5 * time.Millisecond}}
