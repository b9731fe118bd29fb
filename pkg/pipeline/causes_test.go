//go:build goexperiment.jsonv2 && !notrivy

// The scanner is one of the commands.

package pipeline

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/kube/kubetest"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry/registrytest"
)

// compared are the commands whose causes are compared, in the order of the columns: all
// that ask a registry or a cluster.
var compared = []string{"build", "scan", "validate", "sign", "verify", "promote", "migrations", "run", "deploy", "rollback", "recover", "gate", "preflight", "smoke", "status"}

func TestTheTableOfCausesHasEachCommand(t *testing.T) {
	all := slices.Sorted(maps.Keys(Commands()))
	all = slices.DeleteFunc(all, func(name string) bool { return name == "init" }) // it asks nobody and reads no file that a setting names
	require.Equal(t, all, slices.Sorted(slices.Values(compared)))
	document, err := os.ReadFile("../../docs/errors.md")
	require.NoError(t, err)
	require.Contains(t, string(document), "\n| cause | "+strings.Join(compared, " | ")+" |\n")
}

// exits are the exit codes of the kinds of errors.
var exits = map[record.Kind]int{record.KindRefused: 1, record.KindInput: 2, record.KindUnavailable: 3, record.KindUnknown: 3}

// row is one line of the table in docs/errors.md: the exit code of each command.
func row(t *testing.T, cause string, errs map[string]error) {
	t.Helper()
	document, err := os.ReadFile("../../docs/errors.md")
	require.NoError(t, err)
	line := "| " + cause + " |"
	for _, command := range compared {
		err, met := errs[command]
		if !met {
			line += " – |"
			continue
		}
		line += fmt.Sprintf(" %d |", exits[record.KindOf(err)])
		require.Contains(t, string(document), "\n## "+record.CodeOf(err)+"\n", "%s: %v", command, err)
	}
	require.Contains(t, strings.Split(string(document), "\n"), line, "docs/errors.md, for %v", errs)
}

// sound gives settings with which nothing is wrong but that nobody is there to be
// asked: each time their own, of files that are written once.
func sound(t *testing.T) func() config.Settings {
	t.Helper()
	keys, source, chart, checks, at := keyFiles(t), workspace(t), t.TempDir(), smokeFile(t), apiServer(t)
	require.NoError(t, os.WriteFile(filepath.Join(chart, "Chart.yaml"), []byte("apiVersion: v2\nname: web\nversion: 1.0.0\n"), 0o600))
	at.APIPatience = time.Millisecond
	return func() config.Settings {
		return config.Settings{
			ImageRef: config.ImageRef{Image: "127.0.0.1:1/team/app" + none},
			Registry: config.Registry{InsecureRegistries: []string{"127.0.0.1"}}, Requests: config.Requests{PushAttempts: 1},
			PushedTo: config.PushedTo{Repository: "127.0.0.1:1/team/app"},
			Build:    config.Build{Source: source, BaseImage: "127.0.0.1:1/team/base", Platform: "linux/amd64", Builder: record.BuilderLayers},
			Scan:     config.Scan{ScanCacheDir: t.TempDir(), ScanThreshold: record.SeverityHigh},
			Sign:     config.Sign{SignKey: keys.private, Attest: []string{"none"}},
			Trust:    config.Trust{VerifyKey: keys.public},
			Cluster:  at, Helm: config.Helm{Chart: chart}, Checks: config.Checks{Smoke: checks},
			Tagging: config.Tagging{Tags: []string{"x"}},
			Origin:  config.Origin{From: "127.0.0.1:1/team/app" + none},
		}
	}
}

// silent is a registry that answers nobody.
func silent(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// workspace is one that can be built from.
func workspace(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string]string{
		"package.json": `{"workspaces":{"packages":["packages/*"]}}`, "yarn.lock": "", "app-config.yaml": "app: {}\n", "node_modules/a/package.json": `{"name":"a","version":"1.0.0"}`,
		"packages/backend/package.json": `{"name":"backend","main":"dist/index.cjs.js"}`, "packages/backend/dist/index.cjs.js": "",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	return dir
}

// TestACauseOfARegistryEndsEachCommandInTheSameWay: a digest that is not there ended
// five commands in four ways.
func TestACauseOfARegistryEndsEachCommandInTheSameWay(t *testing.T) {
	fresh, database := sound(t), silent(t)+"/db:2"
	secure := httptest.NewTLSServer(registrytest.Handler())
	t.Cleanup(secure.Close)
	unsigned, locked := pushed(t), registrytest.Locked(t)
	forbidden := registrytest.Start(t, registrytest.Handler(), registrytest.Answer(registrytest.Asks("", "/team/app/"), http.StatusForbidden, "DENIED", "requested access to the resource is denied"))
	wrong := fmt.Sprintf(`{"auths":{%q:{"username":"me","password":"wrong"}}}`, locked)
	for _, c := range []struct {
		cause, image, logins string
		commands             string // that can meet it; all about images when ""
		never                string // advice that does not fit
	}{
		{"the image is not there", unsigned.Repository + none, "", "", "is reachable"},
		{"the credentials cannot be looked up", unsigned.String(), `{"credsStore":"stagecrew-none"}`, "", "is reachable"},
		{"the registry denies it", locked + "/team/app" + none, "", "", "is reachable"},
		{"the credentials are wrong", locked + "/team/app" + none, wrong, "", "without credentials"},
		{"the repository is denied to the account", forbidden + "/team/app" + none, "", "", "is reachable"},
		{"the registry cannot be reached", "127.0.0.1:1/team/app" + none, "", "", "docker login"},
		{"its certificate is not trusted", strings.TrimPrefix(secure.URL, "https://") + "/team/app" + none, "", "", "is reachable"},
		{"the reference is malformed", "127.0.0.1/Team/app:latest", "", "", "is reachable"},
		{"the image is not signed", unsigned.String(), "", "verify promote deploy", "is reachable"},
		{"a layer of the image cannot be unpacked", registrytest.Unpackable(t).String(), "", "scan validate", "is reachable"},
	} {
		t.Run(c.cause, func(t *testing.T) {
			errs := map[string]error{}
			for _, command := range strings.Fields("build scan validate sign verify promote migrations deploy") {
				if c.commands != "" && !strings.Contains(c.commands, command) {
					continue
				}
				settings := fresh()
				settings.Image, settings.BaseImage, settings.ScanDatabase = c.image, c.image, database
				settings.From, settings.To = unsigned.String(), c.image
				if strings.Contains(c.image, strings.TrimPrefix(secure.URL, "https://")) {
					settings.InsecureRegistries = nil
				}
				var w witness
				errs[command] = Run(t.Context(), Commands()[command], settings, w.host("DOCKER_AUTH_CONFIG="+c.logins))
				require.Error(t, errs[command], "%s: %s", command, c.cause)
				require.NotContains(t, errs[command].Error(), c.never, "%s: %s", command, c.cause)
				if command == "migrations" { // the live image as the one to come
					settings.From, settings.To = settings.To, settings.From
					other := Run(t.Context(), Commands()[command], settings, w.host("DOCKER_AUTH_CONFIG="+c.logins))
					require.Equal(t, record.CodeOf(errs[command]), record.CodeOf(other), "%s: %v", c.cause, other)
				}
			}
			row(t, c.cause, errs)
		})
	}
}

func TestACauseOfAClusterEndsEachCommandInTheSameWay(t *testing.T) {
	fresh := sound(t)
	says := func(status int, reason string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":%q,"message":"no","code":%d}`, reason, status)
		}
	}
	empty := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.Method != http.MethodGet: // a lock, which is as it was sent
			w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
			_, _ = io.Copy(w, r.Body)
		case strings.Contains(r.URL.Path, "/leases"):
			says(http.StatusNotFound, "NotFound")(w, r)
		default:
			_, _ = w.Write([]byte(`{"kind":"SecretList","apiVersion":"v1","metadata":{"resourceVersion":"1"},"items":[]}`))
		}
	}
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	at := func(handler http.HandlerFunc) string {
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		return server.URL
	}
	for _, c := range []struct {
		cause, server, context string
		commands               string
	}{
		{"the API server cannot be reached", closed.URL, "", "deploy rollback recover gate preflight smoke status"},
		{"the API server does not accept the credentials", at(says(http.StatusUnauthorized, "Unauthorized")), "", "deploy rollback recover gate preflight smoke status"},
		{"the account may not read the release", at(says(http.StatusForbidden, "Forbidden")), "", "deploy rollback recover gate preflight smoke status"},
		{"the kubeconfig has no such context", closed.URL, "nowhere", "run deploy rollback recover gate preflight smoke status"},
		{"there is no such release", at(empty), "", "rollback gate smoke status"},
	} {
		t.Run(c.cause, func(t *testing.T) {
			errs := map[string]error{}
			for command := range strings.FieldsSeq(c.commands) {
				settings := fresh()
				settings.Kubeconfig = kubeconfigOf(t, settings.Kubeconfig, c.server)
				settings.KubeContext, settings.Trust, settings.AllowUnsignedUnsafe = c.context, config.Trust{}, true
				var w witness
				errs[command] = Run(t.Context(), Commands()[command], settings, w.host())
				require.Error(t, errs[command], "%s: %s", command, c.cause)
			}
			row(t, c.cause, errs)
		})
	}
}

// kubeconfigOf is the kubeconfig with another server, if one is given.
func kubeconfigOf(t *testing.T, file, server string) string {
	t.Helper()
	if server == "" {
		return file
	}
	return kubetest.Kubeconfig(t, server)
}

// settingsFiles are the files that settings name, in which group, and what each may be.
var settingsFiles = []struct {
	name, may string
	group     func(*config.Settings) any
	set       func(*config.Settings, string)
}{
	{"sign-key", "", func(s *config.Settings) any { return &s.Sign }, func(s *config.Settings, file string) { s.SignKey = file }},
	{"attest", "", func(s *config.Settings) any { return &s.Sign }, func(s *config.Settings, file string) { s.Attest = []string{"vuln=" + file} }},
	{"verify-key", "", func(s *config.Settings) any { return &s.Trust }, func(s *config.Settings, file string) { s.VerifyKey = file }},
	{"kubeconfig", "", func(s *config.Settings) any { return &s.Cluster }, func(s *config.Settings, file string) { s.Kubeconfig = file }},
	{"smoke", "", func(s *config.Settings) any { return &s.Checks }, func(s *config.Settings, file string) { s.Smoke = file }},
	{"chart", "", func(s *config.Settings) any { return &s.Helm }, func(s *config.Settings, file string) { s.Chart = file }},
	{"values", "empty", func(s *config.Settings) any { return &s.Helm }, func(s *config.Settings, file string) { s.Values = []string{file} }},
	{"source", "", func(s *config.Settings) any { return &s.Build }, func(s *config.Settings, file string) { s.Source = file }},
	{"scan-ignore-file", "empty", func(s *config.Settings) any { return &s.Scan }, func(s *config.Settings, file string) { s.ScanIgnoreFile = file }},
	{"scan-vex", "", func(s *config.Settings) any { return &s.Scan }, func(s *config.Settings, file string) { s.ScanVEX = []string{file} }},
}

// groupsOf are the groups of settings that a command has.
func groupsOf(command string, s *config.Settings) []any {
	for _, c := range config.Commands() {
		if c.Name == command {
			return c.Groups(s)
		}
	}
	return nil
}

func TestWhatIsWrongWithAFileEndsEachCommandInTheSameWay(t *testing.T) {
	fresh, dir := sound(t), t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	large, locked := file("large", ""), file("locked", "a: b\n")
	require.NoError(t, os.Truncate(large, 1<<32))
	require.NoError(t, os.Chmod(locked, 0))
	pipe := filepath.Join(dir, "pipe")
	require.NoError(t, syscall.Mkfifo(pipe, 0o600))
	for cause, path := range map[string]string{
		"a file is not there":                    filepath.Join(dir, "nowhere"),
		"a folder is in the place of a file":     t.TempDir(),
		"a file may not be read":                 locked,
		"a file is empty":                        file("empty", ""),
		"a file is far too large":                large,
		"a file is a pipe that nobody writes to": pipe,
		"a file is not UTF-8":                    file("latin", "a: \"Z\xfcrich\"\n"),
		"a file is no YAML, JSON or PEM":         file("broken", "a: [b\n  c: }\n"),
		"a file is about something else":         file("list", "- a\n- b\n"),
	} {
		t.Run(cause, func(t *testing.T) {
			if path == locked && os.Getuid() == 0 {
				t.Skip("root may read everything")
			}
			told := outcomes(t, fresh, path)
			errs := map[string]error{}
			for of, err := range told {
				require.Error(t, err, "%s --%s: %s", of.command, of.setting, cause)
				require.Equal(t, record.KindInput, record.KindOf(err), "%s --%s: %v", of.command, of.setting, err)
				errs[of.command] = err
			}
			row(t, cause, errs)
		})
	}
}

// place is where a setting names a file.
type place struct{ command, setting string }

// outcomes runs each command with a file in the place of each that its settings name,
// several at a time: one that is a pipe lets each of them wait.
func outcomes(t *testing.T, fresh func() config.Settings, path string) map[place]error {
	t.Helper()
	var mu sync.Mutex
	var runs errgroup.Group
	runs.SetLimit(16)
	told := map[place]error{}
	for _, command := range compared {
		for _, one := range settingsFiles {
			runs.Go(func() error {
				if met, err := meets(t, fresh, command, path, one.may, one.group, one.set); met {
					mu.Lock()
					defer mu.Unlock()
					told[place{command, one.name}] = err
				}
				return nil
			})
		}
	}
	require.NoError(t, runs.Wait())
	return told
}

// meets runs a command with a file in the place of one that its settings name, where it
// has that setting and the file matters to it.
func meets(t *testing.T, fresh func() config.Settings, command, file, may string, group func(*config.Settings) any, set func(*config.Settings, string)) (bool, error) {
	t.Helper()
	settings := fresh()
	if !slices.Contains(groupsOf(command, &settings), group(&settings)) || may != "" && filepath.Base(file) == may {
		return false, nil
	}
	set(&settings, file)
	ofScan := settings.ScanIgnoreFile != "" || len(settings.ScanVEX) > 0
	if command == "run" && (settings.Source == file || ofScan && !isRegular(file)) {
		return false, nil // told while others are asked; the command line looks before
	}
	var w witness
	if command == "run" {
		return true, Check(Commands()[command], settings, w.host())
	}
	return true, Run(t.Context(), Commands()[command], settings, w.host())
}

func isRegular(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular()
}

// TestTheSettingsOfTheCausesAreSound: an error of theirs would look like that of a cause.
func TestTheSettingsOfTheCausesAreSound(t *testing.T) {
	fresh := sound(t)
	for _, command := range compared {
		settings := fresh()
		if command == "migrations" {
			settings.To = settings.From
		}
		var w witness
		require.NoError(t, Check(Commands()[command], settings, w.host()), command)
	}
}
