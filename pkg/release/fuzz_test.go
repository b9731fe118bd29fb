package release

import (
	"testing"

	helmrelease "helm.sh/helm/v3/pkg/release"
)

// FuzzARecordsManifest reads what may stand in a record of Helm's, which others
// can write: nothing of it may end the program.
func FuzzARecordsManifest(f *testing.F) {
	for _, seed := range []string{
		web, growing, changing, withSecret, scaler, "", "---", "null", "[]", "- 1", "a: &a [*a]", "kind: List\nitems: [1, null, {kind: Pod}]",
		"apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, data: {a: '!!!'}, stringData: [x]}\n",
		"apiVersion: v1\nkind: Secret\ndata: text\n", "apiVersion: v1\nkind: Secret\nstringData: {password: {a: b}}\n", "kind: Service\nmetadata: 7\nspec: {selector: [a], ports: {a: b}}", "{", "a: b: c", "\x00\xff---\n\t",
		"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: [x]}\nspec: {template: {spec: {containers: [1, {image: 2}, {image: 'a@sha256:b'}]}}}\n",
	} {
		f.Add(seed, "image", "a", "sha256:b")
	}
	f.Fuzz(func(t *testing.T, manifest, path, repository, digest string) {
		record := &helmrelease.Release{
			Name: "r", Version: 1, Info: &helmrelease.Info{}, Manifest: manifest,
			Hooks:  []*helmrelease.Hook{{Manifest: manifest}},
			Config: map[string]any{"image": map[string]any{"repository": repository, "digest": digest}},
		}
		r := &Release{Options: Options{Name: "r", Namespace: "n", ImageValuesPath: path, VerdictKey: []byte(repository)}}
		objects, err := documents(manifest)
		if err == nil {
			for _, object := range objects {
				_ = object.GetKind() + object.GetName() + object.GetNamespace()
				withheld(object, object)
			}
		}
		_, _ = r.applied(record)
		secretValues(manifest, hooksOf(record))
		r.notary().state(record, statement{mark: "good"})
		if said := r.notary().read(record); said.mark != "good" {
			t.Fatalf("a statement that was just made counts as %+v", said)
		}
	})
}
