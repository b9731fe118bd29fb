package pipeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/build"
	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
	"github.com/stagecrew/stagecrew/pkg/scan"
)

// flow runs the stages of a command with the works of the test in the place of theirs,
// and gives those that began.
func flow(t *testing.T, command string, works map[string]work) ([]string, error) {
	t.Helper()
	var mu sync.Mutex
	var begun []string
	var tasks []task
	for _, row := range newSlice(Commands()[command], config.Settings{}, Host{}).stages {
		tasks = append(tasks, task{row, func(ctx context.Context, in inputs) (any, error) {
			mu.Lock()
			begun = append(begun, row.name)
			mu.Unlock()
			if do := works[row.name]; do != nil {
				return do(ctx, in)
			}
			return nil, nil
		}})
	}
	err := runAll(t.Context(), tasks, nil)
	return begun, err
}

func TestTable_WhatStillRunsWhenAStageOfARunSaysNo(t *testing.T) {
	no := record.Refused("deploy/preflight", "no")
	refuses := func(context.Context, inputs) (any, error) { return nil, no }
	waits := func(ctx context.Context, _ inputs) (any, error) { <-ctx.Done(); return nil, ctx.Err() }
	for name, c := range map[string]struct {
		works map[string]work
		never []string
	}{
		"nothing is wrong":      {nil, nil},
		"the cluster":           {map[string]work{"preflight": refuses, "build": waits}, []string{"sign", "verify", "version", "deploy", "attest", "tag"}},
		"the key":               {map[string]work{"key": refuses, "build": waits}, []string{"sign", "verify", "version", "deploy", "attest", "tag"}},
		"the scan":              {map[string]work{"scan": refuses, "build": waits}, []string{"sign", "verify", "version", "deploy", "attest", "tag"}},
		"the signature":         {map[string]work{"verify": refuses}, []string{"version", "deploy", "attest", "tag"}},
		"the version":           {map[string]work{"version": refuses}, []string{"deploy", "attest", "tag"}},
		"the deploy":            {map[string]work{"deploy": refuses}, []string{"tag"}},
		"the deploy, by itself": {map[string]work{"tag": refuses}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			begun, err := flow(t, "run", c.works)
			if c.works == nil {
				require.NoError(t, err)
			} else {
				require.Equal(t, errors.Join(no), err, "what that did to the others is left out")
			}
			for _, row := range table() {
				if slices.Contains(Commands()["run"].Stages, row.name) {
					require.Equal(t, !slices.Contains(c.never, row.name), slices.Contains(begun, row.name), row.name)
				}
			}
		})
	}
}

func TestTagStage_WhatIsNotProvenGetsNoTag(t *testing.T) {
	for _, verdict := range []record.Verdict{record.VerdictOK, record.VerdictRolledBack, record.VerdictCancelled} {
		var w witness
		s := newSlice(Command{Stages: []string{"deploy", "tag"}}, config.Settings{Tagging: config.Tagging{Tags: []string{"edge"}}}, w.host())
		do, err := tagStage(s)
		require.NoError(t, err)
		_, err = do(t.Context(), inputs{keys(image, promoted, verified, deployed, attested), map[key]any{deployed.key: record.Record{Verdict: verdict}}})
		require.NoError(t, err)
		require.Empty(t, w.record.Phases, verdict)
	}
}

// A tag that is taken is found before anything is deployed. When it is taken while the
// deploy runs, what is live and proven is not called refused.
func TestTheVersionOfAnotherImage(t *testing.T) {
	repository := registrytest.Serve(t, nil) + "/team/app"
	tag, err := name.NewTag(repository + ":1.0.0")
	require.NoError(t, err)
	require.NoError(t, remote.Write(tag, registrytest.EmptyImage(t)))
	first := registrytest.Find(t, tag.String())
	host, _, _ := strings.Cut(repository, "/")
	settings := config.Settings{Version: config.Version{VersionLabel: "1.0.0"}, Registry: config.Registry{InsecureRegistries: []string{host}}}
	for what, c := range map[string]struct {
		stage func(*slice) (func(context.Context, inputs) (done, error), error)
		given map[key]any
		fails bool
	}{
		"before the deploy": {versionStage, nil, true},
		"after it":          {tagStage, map[key]any{deployed.key: record.Record{Verdict: record.VerdictGood}}, false},
		"of a promotion":    {tagStage, nil, true},
	} {
		t.Run(what, func(t *testing.T) {
			s, log := logged(t, "run", settings)
			do, err := c.stage(s)
			require.NoError(t, err)
			values := map[key]any{image.key: record.Image{Repository: repository, Digest: "sha256:" + strings.Repeat("b", 64)}}
			maps.Copy(values, c.given)
			_, err = do(t.Context(), inputs{keys(image, promoted, verified, deployed, attested), values})
			if c.fails {
				require.ErrorContains(t, err, "[build/version-taken]")
				require.ErrorContains(t, err, first.Digest)
				return
			}
			require.NoError(t, err)
			require.Contains(t, log.String(), "the release is live and verified good, and no tag points to its image")
		})
	}
}

func TestCombined_DoesNotDependOnWhichScanEndsFirst(t *testing.T) {
	one := scan.Result{Platform: "linux/amd64"}
	require.Equal(t, one, combined(record.Image{}, []scan.Result{one}))
	both := combined(record.Image{}, []scan.Result{{Platform: "linux/arm64"}, one})
	require.Equal(t, "linux/amd64", both.Platforms[0].Platform)
}

func TestOffers_ABuildKeepsAnImageUntilItWasLookedAt(t *testing.T) {
	o := newOffers()
	shown := make(chan error)
	go func() { shown <- o.show(t.Context(), record.Image{Digest: "a"}, nil) }()
	offered := <-o.queue
	require.Equal(t, "a", offered.image.Digest)
	select {
	case <-shown:
		require.Fail(t, "it was not looked at yet")
	default:
	}
	close(offered.seen)
	require.NoError(t, <-shown)

	ctx, cancel := context.WithCancel(t.Context())
	go func() { shown <- o.show(ctx, record.Image{Digest: "b"}, nil) }()
	<-o.queue
	cancel()
	require.ErrorIs(t, <-shown, context.Canceled, "that it was refused is the error of the scan")

	o.end(record.Image{Digest: "index"})
	_, open := <-o.queue
	require.False(t, open)
	require.Equal(t, "index", o.made().Digest)
}

func TestRecordBuild_WhereEachLayerCameFrom(t *testing.T) {
	var r record.Record
	recordBuild(&r, build.Result{Image: record.Image{Digest: "d"}, Sent: 7, Phases: []record.Phase{{Name: "pack"}, {Name: "push"}},
		Layers: []build.Layer{{Name: "a", Reused: true}, {Name: "b", Mounted: true}, {Name: "c", Uploaded: true}, {Name: "d"}}})
	require.Equal(t, "d", r.Image.Digest)
	var origins []string
	for _, l := range r.Built.Layers {
		origins = append(origins, l.Origin)
	}
	require.Equal(t, []string{"reused", "mounted", "sent", "present"}, origins)
	require.Equal(t, []record.Phase{{Name: "build: pack"}, {Name: "build: push", Bytes: 7}}, r.Phases)
}

func TestPrepare_TheImageComesFromOutsideWhereNoStageMakesIt(t *testing.T) {
	var w witness
	s := newSlice(Commands()["scan"], config.Settings{ImageRef: config.ImageRef{Image: "web:latest"}, Scan: config.Scan{ScanCacheDir: "x"}}, w.host())
	_, err := s.prepare()
	require.ErrorContains(t, err, "--image: parsing image")
	_, err = newSlice(Commands()["run"], config.Settings{Built: config.Built{BuiltImage: "web:latest"}}, w.host()).prepare()
	for _, told := range []string{"--built-image: ", "--release: ", "--chart: "} {
		require.Equal(t, 1, strings.Count(err.Error(), told), "by each stage that needs it, and told once: %v", err)
	}
	asked, err := newSlice(Commands()["run"], config.Settings{PushedTo: config.PushedTo{Repository: "registry.test/app"}}, w.host()).image()
	require.NoError(t, err)
	require.False(t, asked.IsBuilt())
	require.Equal(t, "registry.test/app", asked.Repository)
}

func TestPrepare_OfFilesThatAreNotThereTheFirstAreTold(t *testing.T) {
	var w witness
	settings := config.Settings{Helm: config.Helm{Values: make([]string, 20_000)}}
	for i := range settings.Values {
		settings.Values[i] = fmt.Sprintf("/nowhere/%d.yaml", i)
	}
	_, err := newSlice(Commands()["run"], settings, w.host()).prepare()
	require.ErrorContains(t, err, "more of this kind")
	require.Less(t, len(err.Error()), 10_000)
}

// A cluster can be asked before its first image is built, as run does.
func TestPreflightWantsNoImage(t *testing.T) {
	asked, err := part(t, "preflight", config.Settings{PushedTo: config.PushedTo{Repository: "registry.test/app"}}).image()
	require.NoError(t, err)
	require.Equal(t, record.NotBuilt("registry.test/app"), asked)
	_, err = part(t, "preflight", config.Settings{}).image()
	require.ErrorContains(t, err, "--image is missing, and --repository")
	_, err = part(t, "deploy", config.Settings{PushedTo: config.PushedTo{Repository: "registry.test/app"}}).image()
	require.ErrorContains(t, err, "--image: ")
}
