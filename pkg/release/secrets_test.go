package release

import (
	"context"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"helm.sh/helm/v3/pkg/chart"
	helmrelease "helm.sh/helm/v3/pkg/release"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/stagecrew/stagecrew/test/apiserver"
)

// pupil keeps what a release tells of secrets.
type pupil struct {
	mu     sync.Mutex
	told   []string
	unread []string
}

func taught(r *Release) *pupil {
	p := &pupil{}
	r.Withhold = func(values ...string) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.told = append(p.told, values...)
	}
	r.Unread = func(name string, _ error) { p.unread = append(p.unread, name) }
	r.secrets = r.learner()
	r.helm, _ = r.connect(nil)
	return p
}

func (p *pupil) knows(value string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.told, value)
}

const manySecrets = `apiVersion: v1
kind: Secret
metadata: {name: db}
stringData: {password: Chart-S3cret, username: octocat, url: "postgres://octocat:Url-S3cret@db/x"}
data: {key: S2V5LVMzY3JldA==}
---
apiVersion: v1
kind: Secret
metadata: {name: hook, annotations: {helm.sh/hook: pre-upgrade}}
stringData: {token: Hook-S3cret}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      imagePullSecrets: [{name: pull}]
      containers:
      - {name: web, image: web, envFrom: [{secretRef: {name: ext}}], env: [{name: A, valueFrom: {secretKeyRef: {name: one, key: a}}}]}
      volumes: [{name: v, secret: {secretName: mounted}}, {name: p, projected: {sources: [{secret: {name: projected}}]}}]
`

func TestSecretsAreToldBeforeAnythingIsSent(t *testing.T) {
	r, cluster := open(t)
	r.Chart = chartOf(t, manySecrets)
	r.Set = append(r.Set, "auth.password=Set-S3cret,auth.user=octocat")
	for _, name := range []string{"pull", "ext", "one", "mounted", "projected"} {
		cluster.Put("/api/v1/namespaces/portal/secrets/"+name, "apiVersion: v1\nkind: Secret\nmetadata: {name: "+name+", namespace: portal}\ndata: {value: "+b64("Live-"+name)+", host: "+b64("db.example.com")+"}\n")
	}
	p := taught(r)
	_, err := r.Plan(t.Context(), image("one").Image())
	require.NoError(t, err)
	for _, value := range []string{"Chart-S3cret", "postgres://octocat:Url-S3cret@db/x", "Key-S3cret", "Hook-S3cret", "Live-pull", "Live-ext", "Live-one", "Live-mounted", "Live-projected", "Set-S3cret"} {
		require.True(t, p.knows(value), value)
	}
	for _, value := range []string{"octocat", "db.example.com"} {
		require.False(t, p.knows(value), value)
	}
	require.Empty(t, p.unread)

	// The next run knows what the last one deployed, before it renders anything.
	apply(t, r, "one")
	r.Chart = chartOf(t, strings.ReplaceAll(manySecrets, "Chart-S3cret", "New-S3cret"))
	next := reopen(t, cluster)
	next.Chart = r.Chart
	p = taught(next)
	_, err = next.History(t.Context())
	require.NoError(t, err)
	require.True(t, p.knows("Chart-S3cret"))
	_, err = next.Plan(t.Context(), image("one").Image())
	require.NoError(t, err)
	require.True(t, p.knows("New-S3cret"))
}

// A setting may name a Secret: `secret "ext" not found` is to be read.
func TestASettingMayNameASecret(t *testing.T) {
	r, _ := open(t)
	r.Chart = chartOf(t, manySecrets)
	r.Set = append(r.Set, "auth.secret=ext,auth.password=Set-S3cret,session.secret=just-a-word,other.secret=Chart-S3cret")
	p := taught(r)
	var names, suspects []string
	r.Named = func(all ...string) { names = append(names, all...) }
	r.Suspect = func(all ...string) { suspects = append(suspects, all...) }
	r.secrets = r.learner()
	_, err := r.Plan(t.Context(), image("one").Image())
	require.NoError(t, err)
	require.Equal(t, []string{"ext"}, names)
	require.Subset(t, suspects, []string{"Set-S3cret", "just-a-word"})
	require.True(t, p.knows("Chart-S3cret"))
}

func TestALateSecretIsLearnedAndAForbiddenOneTold(t *testing.T) {
	r, cluster := open(t)
	r.Chart = chartOf(t, manySecrets)
	cluster.Meet = func(w http.ResponseWriter, request *http.Request) bool {
		if !strings.HasSuffix(request.URL.Path, "/secrets/projected") {
			return false
		}
		apiserver.Refusal(w, metav1.Status{Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden, Message: "no"})
		return true
	}
	p := taught(r)
	_, err := r.Plan(t.Context(), image("one").Image())
	require.NoError(t, err)
	require.False(t, p.knows("Live-ext"))
	cluster.Put("/api/v1/namespaces/portal/secrets/ext", "apiVersion: v1\nkind: Secret\nmetadata: {name: ext, namespace: portal}\ndata: {value: "+b64("Live-ext")+"}\n")
	r.Learn(t.Context())
	require.True(t, p.knows("Live-ext"))
	require.Equal(t, []string{"projected"}, p.unread, "once")
}

func TestASecretThatChangesDuringARunIsReadAgain(t *testing.T) {
	r, cluster := open(t)
	r.Chart = chartOf(t, manySecrets)
	put := func(value string) {
		cluster.Put("/api/v1/namespaces/portal/secrets/ext", "apiVersion: v1\nkind: Secret\nmetadata: {name: ext, namespace: portal}\ndata: {value: "+b64(value)+"}\n")
	}
	put("Live-ext")
	p := taught(r)
	_, err := r.Plan(t.Context(), image("one").Image())
	require.NoError(t, err)
	put("Rotated-ext")
	r.Learn(t.Context())
	require.False(t, p.knows("Rotated-ext"), "nothing is to be told")
	over, cancel := context.WithCancel(t.Context())
	cancel()
	r.Relearn(over)
	require.True(t, p.knows("Rotated-ext"))
	require.True(t, p.knows("Live-ext"))
}

func TestSecretsOfARecordThatNoSecretHolds(t *testing.T) {
	r, _ := open(t)
	p := taught(r)
	inner := &chart.Chart{Metadata: &chart.Metadata{Name: "postgres"}, Values: map[string]any{"auth": map[string]any{"password": "Inner-S3cret", "username": "octocat"}}}
	outer := &chart.Chart{Metadata: &chart.Metadata{Name: "portal"}, Values: map[string]any{
		"session": map[string]any{"secret": "Default-S3cret", "token": "Replaced-S3cret"}, "postgres": map[string]any{"host": "db.example.com"}}}
	outer.AddDependency(inner)
	r.secrets.Tell(r.secretsRecord(&helmrelease.Release{Chart: outer, Config: map[string]any{"session": map[string]any{"token": "Own-S3cret"}, "pin": 87654321}, Manifest: `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      containers:
      - {name: web, image: web, env: [{name: SMTP_PASSWORD, value: Env-S3cret}, {name: LOG_LEVEL, value: everything}]}
`}))
	for _, value := range []string{"Inner-S3cret", "Default-S3cret", "Own-S3cret", "87654321", "Env-S3cret"} {
		require.True(t, p.knows(value), value)
	}
	for _, value := range []string{"octocat", "Replaced-S3cret", "db.example.com", "everything"} {
		require.False(t, p.knows(value), value)
	}
}

func TestTheRepositoriesOfTheHistoryArePublic(t *testing.T) {
	r, cluster := open(t)
	apply(t, r, "one")
	next := reopen(t, cluster)
	var order []string
	next.Withhold = func(...string) { order = append(order, "secrets") }
	next.Public = func(texts ...string) { order = append(order, texts...) }
	next.secrets = next.learner()
	next.helm, _ = next.connect(nil)
	history, err := next.History(t.Context())
	require.NoError(t, err)
	repository, _, _ := strings.Cut(history[0].Image, "@")
	require.NotEmpty(t, repository)
	require.Equal(t, repository, order[0], "before the secrets: a mask cannot be taken back")
}

func b64(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
