// Package scaffold writes the first files of a repository that wants to be deployed:
// the settings, the smoke checks and the two workflows, filled in with what a look at
// the repository tells. It knows what lies where, and nothing of registries or clusters.
package scaffold

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"text/template"

	"sigs.k8s.io/yaml"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// Result is what was done, and what a person has still to do.
type Result struct {
	// Written and Kept are paths in the repository. What was there is kept as it is.
	Written, Kept []string
	// Todo are sentences, in the order in which they are to be done.
	Todo []string
}

// Ref is the Git reference of the actions that the workflows use: a commit or a tag.
type Ref string

// Options are what the files need besides what is found.
type Options struct {
	Ref Ref
	// BackstageSmoke is the suite that proves a Backstage, as YAML.
	BackstageSmoke []byte
}

//go:embed files
var sources embed.FS

// templates have other marks than text/template has, which GitHub takes for its own.
var templates = template.Must(template.New("").Delims("<<", ">>").Funcs(template.FuncMap{"yaml": scalar}).ParseFS(sources, "files/*"))

// scalar is a text as a value in YAML: as it is, unless YAML would read it otherwise.
// Folders and files have any name (dokku/docket#355, achetronic/magec#11).
func scalar(text string) (string, error) {
	var back any
	if err := yaml.Unmarshal([]byte(text), &back); err == nil && back == text {
		return text, nil
	}
	quoted, err := json.Marshal(text) // which is YAML, too
	return string(quoted), err
}

// Init writes the files that are missing below dir, the root of a repository, and
// overwrites none. When one cannot be written, it is an error with the code
// scaffold/not-written, and those before it stay.
func Init(ctx context.Context, dir string, o Options) (Result, error) {
	root, err := open(dir)
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = root.Close() }()
	found, err := look(ctx, root)
	if err != nil {
		return Result{}, err
	}
	found.Options = o
	var done Result
	for _, f := range found.wanted() {
		text, err := f.text(found)
		if err != nil {
			return done, err
		}
		switch err := write(root, f.path, text); {
		case errors.Is(err, fs.ErrExist):
			done.Kept = append(done.Kept, f.path)
		case err != nil:
			return done, record.BadInput("scaffold/not-written", "writing %s: %w", f.path, err)
		default:
			done.Written = append(done.Written, f.path)
		}
	}
	done.Todo = found.todo(done)
	return done, nil
}

func open(dir string) (*os.Root, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, record.BadInput("scaffold/no-directory", "opening the repository: %w", err)
	}
	return root, nil
}

// file is one that Init writes.
type file struct{ path, template string }

// The files that have one name everywhere.
const (
	settingsFile = "stagecrew.yaml"
	smokeFile    = "smoke.yaml"
	workflowDir  = ".github/workflows"
)

// wanted are the files in the order in which a person should read them.
func (f facts) wanted() []file {
	smoke := "smoke.yaml"
	if f.Backstage {
		smoke = ""
	}
	return []file{
		{settingsFile, "stagecrew.yaml"},
		{smokeFile, smoke},
		{path.Join(workflowDir, f.Deploy), "deploy.yml"},
		{path.Join(workflowDir, f.Rollback), "rollback.yml"},
	}
}

// text is what stands in the file; without a template it is Backstage's suite.
func (f file) text(found facts) ([]byte, error) {
	if f.template == "" {
		return found.BackstageSmoke, nil
	}
	var text bytes.Buffer
	if err := templates.ExecuteTemplate(&text, f.template, found); err != nil {
		return nil, fmt.Errorf("filling in %s: %w", f.path, err)
	}
	return text.Bytes(), nil
}

// write makes a file that is not there yet: [fs.ErrExist] if it is, be it a link that
// leads nowhere.
func write(root *os.Root, name string, text []byte) error {
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	file, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Close())
}

// todo is what the files cannot know.
func (f facts) todo(done Result) []string {
	var all []string
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	for _, kept := range done.Kept {
		say("%s was there and is as it was; `stagecrew init --check` says whether it still fits", kept)
	}
	if slices.Contains(done.Written, settingsFile) {
		f.unset(say)
	}
	if f.Server != "" {
		say("the remote is on %s. For a GitHub Enterprise Server, which takes no workflow that has them, `queue: max` and `deployment: false` are left out: of runs that wait it keeps the last. "+
			"It needs the actions (GitHub Connect, or copies of stagecrew/stagecrew and of those of actions/ there), `download-url` of a mirror where github.com cannot be reached, "+
			"and `sign-key` in %s: the public Sigstore takes no identity of it", f.Server, settingsFile)
	}
	if strings.HasPrefix(f.Image, "ghcr.io/") {
		say("let the cluster pull the image: by a pull secret, or make the package public when it is there; a new one of ghcr.io is private. "+
			"`kubectl --namespace %s create secret docker-registry ghcr --docker-server=ghcr.io --docker-username=NAME --docker-password=TOKEN` makes the secret, with a token that may read packages; "+
			"its name goes into the chart's values (image.pullSecrets in charts/backstage, imagePullSecrets in most others)", f.Name)
	}
	say("commit what `git status` shows, after a look at it")
	say("give the GitHub environment `production` the secret KUBECONFIG: a kubeconfig whose user may do what docs/rbac.yaml of stagecrew lists, best as base64, of which GitHub masks the whole and not each line: " +
		"`gh api --method PUT repos/{owner}/{repo}/environments/production && base64 <FILE | tr -d '\\n' | gh secret set KUBECONFIG --env production`")
	say("see whether the cluster would take it, before there is an image: stagecrew preflight --kubeconfig FILE")
	say("publish a release with a tag such as v1.0.0, in the browser or by `gh release create v1.0.0 --generate-notes`: %s deploys it. "+
		"One that a workflow makes with its GITHUB_TOKEN starts nothing: let that workflow go on with `gh workflow run %s --ref TAG`", f.Deploy, f.Deploy)
	return all
}

// unset names the settings that nothing in the repository tells.
func (f facts) unset(say func(string, ...any)) {
	if f.Image == "" {
		say("set `repository` in %s: where the image is pushed, HOST/PATH", settingsFile)
	}
	switch {
	case f.Chart.Dir != "":
	case len(f.Charts) > 1:
		say("set `chart` in %s to one of these: %s", settingsFile, strings.Join(f.Charts, ", "))
	case f.Backstage:
		say("copy charts/backstage of https://github.com/stagecrew/stagecrew into the repository, or take a chart of yours, and set `chart` in %s to its folder (or to oci://HOST/PATH): "+
			"`git clone --depth 1 --branch %s https://github.com/stagecrew/stagecrew /tmp/stagecrew && mkdir -p charts && cp -R /tmp/stagecrew/charts/backstage charts/`", settingsFile, f.Ref)
		say("write its values for production, for example into deploy/values-production.yaml, and name the file in `values`: at least config.backendUrl, and secrets.existingSecret, a Secret of the namespace %[1]s with POSTGRES_USER and POSTGRES_PASSWORD: "+
			"`kubectl create namespace %[1]s && kubectl --namespace %[1]s create secret generic %[1]s --from-literal=POSTGRES_USER=backstage --from-literal=POSTGRES_PASSWORD=$(openssl rand -hex 20)`", f.Name)
	default:
		say("set `chart` in %s: there is no Helm chart in the repository; a folder with one, or oci://HOST/PATH", settingsFile)
	}
	switch {
	case f.GitSays != "":
		say("set verify-identity-regexp in %s, or call `stagecrew init` again without that file: Git says nothing of this repository, but %s", settingsFile, f.GitSays)
	case f.Slug == "":
		say("set verify-identity-regexp in %s: there is no remote on github.com that would name the workflow which signs", settingsFile)
	case f.Guessed:
		say("look whether verify-identity-regexp in %s names the main branch: Git does not know it here, and %s is a guess (`git remote set-head origin --auto` asks GitHub)", settingsFile, f.branch())
	}
	if f.Workspace == "" && f.Dockerfile == "" {
		say("there is neither a Backstage workspace nor a Dockerfile: say in %s what is built (source, dockerfile), or deploy images of others with `stagecrew deploy --image`", settingsFile)
	}
	switch {
	case f.Foreign != "":
		say("%s cannot install for an image here: let a Dockerfile do it (`builder: dockerfile`), or keep a package-lock.json or yarn.lock beside and set `prepare: true`", f.Foreign)
	case f.Workspace != "" && f.Lockfile == "":
		say("commit a lockfile, package-lock.json or yarn.lock: without one the same source gives another image tomorrow")
	}
	if f.PublicURL == "" {
		say("set public-url in %s to the address that users open, so that the way to it is checked, too", settingsFile)
	}
}
