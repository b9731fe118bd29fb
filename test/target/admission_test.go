package target

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/test/envtest"
)

// admitting is a namespace in which only what a key has signed runs.
const admitting = `apiVersion: v1
kind: Namespace
metadata: {name: ` + namespace + `, labels: {policy.sigstore.dev/include: "true"}}
---
apiVersion: policy.sigstore.dev/v1beta1
kind: ClusterImagePolicy
metadata: {name: only-signed}
spec:
  images: [{glob: "**"}]
  authorities:
  - name: release-key
    key:
      data: |
`

// attempt is a deploy into such a namespace, and what its user expects.
type attempt struct {
	name string
	do   func() outcome
	exit int
	// says are parts of the error; "" where there is none.
	says []string
}

// TestOnlySignedImages deploys to a cluster whose policy-controller admits images that the
// pipeline's key has signed, by digest, and nothing else.
func TestOnlySignedImages(t *testing.T) {
	s := with(t, "admission")
	g := newSite(t, s, "admission")
	defer g.doc.write(t)
	key, err := os.ReadFile(envtest.Env(t, "E2E_VERIFY_KEY"))
	require.NoError(t, err)
	apply(t, admitting+"        "+strings.ReplaceAll(strings.TrimSpace(string(key)), "\n", "\n        ")+"\n")
	require.Eventually(t, func() bool {
		out, err := try(t, "-n", namespace, "run", "unsigned", "--image", envtest.Env(t, "E2E_BASE_IMAGE"), "--dry-run=server")
		return err != nil && strings.Contains(out, "failed policy: only-signed")
	}, time.Minute, time.Second, "the policy is known")

	g.doc.section("A cluster that admits only what the pipeline has signed, by digest")
	g.doc.line("policy-controller 0.13.1 with one ClusterImagePolicy for every image (`**`) and the key of `--sign-key`, in a namespace labelled")
	g.doc.line("`policy.sigstore.dev/include: \"true\"`. PostgreSQL and BusyBox are in the team's registry and, but for the first row, signed with `stagecrew sign`.")
	g.doc.machine(t)
	g.doc.line("")
	g.doc.columns("what is deployed", "exit", "seconds", "what stagecrew says")

	tags := g.values("tags.yaml", g.tagged("postgresql", "postgres:14")+g.tagged("waitForPostgres", "busybox:1.36"))
	var pinned, two string
	var image record.Image
	for _, a := range []attempt{
		// sigstore/policy-controller#1520, #558, sigstore/helm-charts#200, #275
		{"PostgreSQL and BusyBox that nobody has signed; nothing is built", func() outcome { return g.release("1.0.0", tags, nil) }, 1,
			[]string{"StatefulSet/psql-postgresql", `admission webhook "policy.sigstore.dev" denied the request`, "failed policy: only-signed"}},
		{"all images by digest and signed: build, scan, sign, deploy", func() outcome {
			signed := g.pinned("postgresql", "postgres:14") + g.pinned("waitForPostgres", "busybox:1.36")
			pinned, two = g.values("pinned.yaml", signed), g.values("two.yaml", signed+"replicaCount: 2\n")
			o := g.release("1.0.1", pinned, nil)
			image = o.record.Image
			return o
		}, 0, nil},
		{"the same image, two replicas", func() outcome { return g.deploy(image, g.chart(), two) }, 0, nil},
		{"its copy that nobody has signed, `--allow-unsigned-unsafe`", func() outcome { return g.unsigned(image, two) }, 1,
			[]string{"Deployment/backstage", `admission webhook "policy.sigstore.dev" denied the request`, "failed policy: only-signed", "no signatures found"}},
	} {
		start := time.Now()
		o := a.do()
		took := time.Since(start)
		require.Equal(t, a.exit, o.exit, "%s\n%s", a.name, o.log)
		// The policy's webhook mutates, too; that is nobody's change by hand (sigstore/policy-controller#285).
		require.NotContains(t, o.log, "release/changed-by-hand", a.name)
		shown := string(o.record.Verdict)
		if a.exit != 0 {
			require.Equal(t, "release/rejected", o.record.Code(), a.name)
			require.Nil(t, o.record.Built, "%s: nothing was built for it", a.name)
			require.Less(t, took, time.Minute, "%s: nothing is waited for", a.name)
			shown = strings.NewReplacer(envtest.Env(t, "E2E_ROOT")+"/", "", envtest.Env(t, "E2E_REPOSITORY"), "REGISTRY").Replace(o.record.Error)
		}
		for _, words := range a.says {
			require.Contains(t, o.record.Error, words, a.name)
		}
		g.doc.row(a.name, fmt.Sprint(a.exit), seconds(took), shown)
	}
}

// tagged are the values for an image of somebody else's that the team has in its registry, by
// tag.
func (g *site) tagged(values, image string) string {
	return fmt.Sprintf("%s: {image: %q}\n", values, envtest.Env(g.t, "E2E_REPOSITORY")+"/library/"+image)
}

// pinned are the values for an image of somebody else's that the team has in its registry and
// signed.
func (g *site) pinned(values, image string) string {
	g.t.Helper()
	repository, _, _ := strings.Cut(image, ":")
	repository = envtest.Env(g.t, "E2E_REPOSITORY") + "/library/" + repository
	ref, err := name.ParseReference(envtest.Env(g.t, "E2E_REPOSITORY") + "/library/" + image)
	require.NoError(g.t, err)
	found, err := remote.Head(ref)
	require.NoError(g.t, err)
	g.sign(repository + "@" + found.Digest.String())
	return fmt.Sprintf("%s: {image: %s, digest: %q}\n", values, repository, found.Digest)
}

// unsigned deploys a copy of an image in a repository without its signatures.
func (g *site) unsigned(image record.Image, values string) outcome {
	g.t.Helper()
	from, err := name.NewDigest(image.String())
	require.NoError(g.t, err)
	copied, err := remote.Image(from)
	require.NoError(g.t, err)
	image.Repository += "-unsigned"
	to, err := name.NewDigest(image.String())
	require.NoError(g.t, err)
	require.NoError(g.t, remote.Write(to, copied))
	return g.stagecrew(append([]string{"deploy", "--image", image.String(), "--allow-unsigned-unsafe", "--chart", g.chart(), "--values", values, "--soak", "0"}, g.smoke...)...)
}

// sign signs somebody else's image as the team does that took it into its registry.
func (g *site) sign(image string) {
	g.t.Helper()
	out, err := exec.CommandContext(g.t.Context(), envtest.Env(g.t, "E2E_STAGECREW"), "sign", "--image", image,
		"--sign-key", envtest.Env(g.t, "E2E_SIGN_KEY"), "--attest", "none").CombinedOutput()
	require.NoError(g.t, err, string(out))
}
