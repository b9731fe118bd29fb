package preflight

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

const sum = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// foundBy are the concerns about a plan as "code blocks".
func foundBy(t *testing.T, plan record.Plan, change ...func(*Options)) (codes []string, text string) {
	t.Helper()
	o := Options{Client: cluster(nil), Namespace: "prod", Release: "web", ImageValuesPath: "image"}
	for _, c := range change {
		c(&o)
	}
	found, err := Check(t.Context(), o, plan)
	require.NoError(t, err)
	for _, f := range found {
		code := strings.TrimPrefix(f.Code, "preflight/")
		if f.Blocks {
			code += " blocks"
		}
		codes = append(codes, code)
		text += f.String() + "\n"
	}
	return codes, text
}

func TestCheck_TheVerifiedImageMustBeTheOneThatRuns(t *testing.T) {
	web := func(image string, more ...string) string {
		return strings.Replace(deployment, "registry.test/web@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", image, 1) + strings.Join(more, "")
	}
	job := func(image, annotations string) string {
		return "---\napiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate, annotations: {" + annotations + "}}\nspec: {template: {spec: {containers: [{name: m, image: '" + image + "'}]}}}\n"
	}
	const repository = "registry.test/team/web"
	good := repository + "@" + sum
	for name, c := range map[string]struct {
		repository, manifest string
		codes                []string
		words                string
	}{
		"it is":                   {repository, web(good), nil, ""},
		"with a tag for the eye":  {repository, web(repository + ":1.0@" + sum), nil, ""},
		"in an init container":    {repository, strings.Replace(web("registry.test/proxy@"+sum), "      containers:", "      initContainers: [{name: i, image: '"+good+"'}]\n      containers:", 1), nil, ""},
		"on Docker Hub":           {"docker.io/library/web", web("web@" + sum), nil, ""},
		"on Docker Hub, by index": {"index.docker.io/team/web", web("team/web@" + sum), nil, ""},
		"in a CronJob":            {repository, "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: c}\nspec: {jobTemplate: {spec: {template: {spec: {containers: [{name: c, image: '" + good + "'}]}}}}}\n", []string{"no-workload"}, ""},
		"in a Rollout of Argo":    {repository, "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: c}\nspec: {template: {spec: {containers: [{name: c, image: '" + good + "'}]}}}\n", []string{"no-workload"}, ""},
		"in an operator's object": {repository, "apiVersion: k8s.keycloak.org/v2\nkind: Keycloak\nmetadata: {name: c}\nspec: {image: '" + good + "'}\n", []string{"no-workload"}, ""},
		"in a List in a List":     {repository, "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items: [{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: p, image: '" + good + "'}]}}]\n", nil, ""},
		"in a hook":               {repository, web("registry.test/other@"+sum, job(good, "helm.sh/hook: 'post-install,post-upgrade'")), nil, ""},
		// https://github.com/argoproj-labs/argocd-image-updater/issues/259
		"the chart knows no digest": {repository, web(repository + ":1.0"), []string{"image-differs blocks", "image-not-rendered blocks"}, "Deployment/web container web runs registry.test/team/web:1.0; the chart must put image.repository and image.digest together"},
		"another digest beside it":  {repository, web(good, job(repository+"@"+strings.Replace(sum, "0", "1", 1), "a: b")), []string{"image-differs blocks"}, "Job/migrate: container m runs"},
		"a tag beside it":           {repository, web(good, job(repository+":latest", "helm.sh/hook: pre-upgrade")), []string{"image-differs blocks"}, "container m runs registry.test/team/web:latest"},
		// https://github.com/langfuse/langfuse/issues/9572
		"a registry in front":         {repository, web("mirror.test/" + good), []string{"image-not-rendered blocks"}, "the value image.registry"},
		"by digest from elsewhere":    {repository, web("mirror.test/team/web@" + sum), []string{"image-not-rendered blocks"}, "puts a registry of its own in front"},
		"only where no deploy goes":   {repository, web("registry.test/x@"+sum, job(good, "helm.sh/hook: test")), []string{"image-not-rendered blocks"}, ""},
		"a chart without containers":  {repository, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", []string{"image-not-rendered blocks", "no-workload"}, "it renders no container at all"},
		"others by tag":               {repository, web(good, job("busybox:1.36", "a: b"), strings.Replace(job("busybox:1.36", "a: b"), "migrate", "other", 1)), []string{"image-by-tag"}, "busybox:1.36: Job/migrate container m, Job/other container m would run it by a tag"},
		"another by tag in a test":    {repository, web(good, job("busybox", "helm.sh/hook: test-success")), nil, ""},
		"another repository's prefix": {repository, web(good, job("registry.test/team/web-tools:1", "a: b")), []string{"image-by-tag"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			plan := record.Plan{Manifest: c.manifest, Image: record.Image{Repository: c.repository, Digest: sum}}
			codes, text := foundBy(t, plan)
			require.Equal(t, c.codes, codes, text)
			require.Contains(t, text, c.words)

			plan.Image = record.Image{}
			codes, _ = foundBy(t, plan, func(o *Options) { o.RequireDigests = true })
			require.NotContains(t, strings.Join(codes, ","), "image", "going back is not refused for images")
		})
	}
	plan := record.Plan{Manifest: web(good, job("busybox:1.36", "a: b")), Image: record.Image{Repository: repository, Digest: sum}}
	codes, _ := foundBy(t, plan, func(o *Options) { o.RequireDigests = true })
	require.Equal(t, []string{"image-by-tag blocks"}, codes)
	plan.Manifest = web(repository + ":1.0")
	_, text := foundBy(t, plan, func(o *Options) { o.ImageValuesPath = "app.image" })
	require.Contains(t, text, "app.image.repository and app.image.digest")
	plan.ImagePaths = []string{"backstage.image", "db.image"}
	_, text = foundBy(t, plan)
	require.Contains(t, text, "what looks like an image in the chart's values is backstage.image, db.image: --image-values-path backstage.image")
}

func TestCheck_WhatADeployWouldTakeAwayBlocksUnlessItIsAllowed(t *testing.T) {
	claim := record.Deletion{Kind: "PersistentVolumeClaim", Namespace: "prod", Name: "data", Loss: "the data in it"}
	old := record.Deletion{Group: "apps", Kind: "Deployment", Namespace: "prod", Name: "old", Loss: "its ready pod"}
	password := record.Deletion{Kind: "Secret", Namespace: "prod", Name: "password"}
	needy := strings.Replace(deployment, "        resources:", "        envFrom: [{secretRef: {name: password}}]\n        resources:", 1)
	external := "---\napiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: x}\nspec: {target: {name: password}}\n"
	for name, c := range map[string]struct {
		manifest string
		deletes  []record.Deletion
		allow    []string
		back     bool
		codes    []string
	}{
		"a claim and a workload":          {deployment, []record.Deletion{claim, old}, nil, false, []string{"deletes blocks", "deletes blocks"}},
		"one is allowed":                  {deployment, []record.Deletion{claim, old}, []string{"deployment/old"}, false, []string{"deletes blocks", "deletes"}},
		"all is allowed":                  {deployment, []record.Deletion{claim, old}, []string{"all"}, false, []string{"deletes", "deletes"}},
		"a rollback":                      {deployment, []record.Deletion{old}, nil, true, []string{"deletes"}},
		"a claim of fewer replicas":       {deployment, []record.Deletion{{Kind: "PersistentVolumeClaim", Namespace: "prod", Name: "data-db-2", Loss: "the data in it", Why: "StatefulSet/db gets 1 instead of 3 replicas"}}, nil, false, []string{"deletes blocks"}},
		"nothing is lost":                 {deployment, []record.Deletion{password}, nil, false, nil},
		"a Secret that pods need":         {needy, []record.Deletion{password}, nil, false, []string{"reference blocks"}},
		"a Secret that an operator makes": {needy + external, []record.Deletion{password}, nil, false, []string{"reference"}},
		"a Secret that a hook makes":      {needy + "---\napiVersion: v1\nkind: Secret\nmetadata: {name: password, annotations: {helm.sh/hook: pre-upgrade}}\n", []record.Deletion{password}, nil, false, []string{"reference blocks"}},
		"a Secret that somebody makes":    {needy, []record.Deletion{password}, []string{"Secret/password"}, false, []string{"reference"}},
	} {
		t.Run(name, func(t *testing.T) {
			plan := record.Plan{Manifest: c.manifest, Deletions: c.deletes}
			if !c.back {
				plan.Image = record.Image{Repository: "registry.test/web", Digest: "sha256:" + strings.Repeat("a", 64)}
			}
			codes, text := foundBy(t, plan, func(o *Options) { o.AllowDelete = c.allow })
			require.Equal(t, c.codes, codes, text)
		})
	}
}

func TestCheck_WhatARollbackCannotUndoIsSaid(t *testing.T) {
	codes, text := foundBy(t, record.Plan{Manifest: deployment, Changes: []record.Change{{Object: "PersistentVolumeClaim/data", Action: "update", OneWay: "it grows"}}})
	require.Equal(t, []string{"one-way"}, codes)
	require.Contains(t, text, "PersistentVolumeClaim/data: a rollback cannot undo this change: it grows")
}
