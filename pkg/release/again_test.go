package release

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Helm's own record tells neither of what it left out nor of what is another thing each time.
func TestWhatOnlyASecondRenderingShowsIsTold(t *testing.T) {
	hooked := func(word string) string {
		return web + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: seed, annotations: {helm.sh/hook: \"" + word + "\"}}\n"
	}
	secret := func(content string) string {
		return web + "---\napiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: " + content + "}\n"
	}
	for name, c := range map[string]struct {
		templates string
		object    string // "" for no concern
		words     string
		blocks    bool
	}{
		// https://github.com/fluxcd/flux2/issues/4756
		"a hook that is none, beside one that is":  {hooked("post-install, pre-uninstall"), "ConfigMap/seed", `portal/templates/all.yaml annotates it with helm.sh/hook: "post-install, pre-uninstall", and Helm, which knows no hook "pre-uninstall", leaves the whole object out`, true},
		"a word that ends in a comma":              {hooked("post-upgrade,"), "ConfigMap/seed", `no hook ""`, true},
		"no word at all":                           {hooked(""), "ConfigMap/seed", `no hook ""`, true},
		"one of Helm 2 (helm/charts#19890)":        {hooked("crd-install"), "ConfigMap/seed", `no hook "crd-install"`, false},
		"two that are, in capitals and with space": {hooked("Post-Upgrade , post-rollback"), "", "", false},
		"a test": {hooked("test"), "", "", false},
		// https://github.com/jordigilh/kubernaut/issues/557
		"a Secret that is made anew each time":        {secret("{{ randAlphaNum 16 }}"), "Secret/db", "portal/templates/all.yaml gives it other values each time that it is rendered", false},
		"one that comes from a value":                 {secret("{{ .Values.replicas | quote }}"), "", "", false},
		"one that depends on the revision only":       {secret("{{ .Release.Revision | quote }}{{ if .Release.IsInstall }}{{ fail `an upgrade` }}{{ end }}"), "", "", false},
		"a label that is to start the pods each time": {web + "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: seed, annotations: {again: \"{{ randAlphaNum 5 }}\"}}\n", "", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := open(t)
			_, err := r.Apply(t.Context(), image("one"))
			require.NoError(t, err)
			r.Chart = chartOf(t, c.templates)
			plan, err := r.Plan(t.Context(), image("one").Image())
			require.NoError(t, err)
			var found []record.Concern
			for _, concern := range plan.Concerns {
				if concern.Code == "preflight/unknown-hook" || concern.Code == "preflight/random-secret" {
					found = append(found, concern)
				}
			}
			if c.object == "" {
				require.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			require.Equal(t, c.object, found[0].Object)
			require.Contains(t, found[0].Message, c.words)
			require.Equal(t, c.blocks, found[0].Blocks)
		})
	}
}

// At a first install there is nothing that keeps an earlier value.
func TestASecretThatAnInstallMakesUpIsNotTold(t *testing.T) {
	r, _ := open(t)
	r.Chart = chartOf(t, web+"---\napiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: {{ randAlphaNum 16 }}}\n")
	plan, err := r.Plan(t.Context(), image("one").Image())
	require.NoError(t, err)
	require.Empty(t, plan.Concerns)
}
