package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/report"
	"github.com/stagecrew/stagecrew/test/hostile"
)

// step is a step of a workflow whose sinks a test can read.
type step struct {
	*session
	dir            string
	stdout, stderr bytes.Buffer
}

func newStep(t *testing.T, settings config.Settings, environ ...string) *step {
	t.Helper()
	s := &step{dir: t.TempDir()}
	in := func(name string) string { return filepath.Join(s.dir, name) }
	settings.Record, settings.EvidenceDir = in("record.json"), in("evidence")
	if settings.Output == "" {
		settings.Output = config.OutputJSON
	}
	before := slog.Default()
	t.Cleanup(func() {
		slog.SetDefault(before)
		log.SetOutput(os.Stderr)
		logrus.SetOutput(os.Stderr)
	})
	s.session = testSession("deploy", settings, append(environ, "GITHUB_ACTIONS=true", "GITHUB_OUTPUT="+in("output"), "GITHUB_STEP_SUMMARY="+in("summary.md")), &s.stdout, &s.stderr)
	return s
}

// sinks are what left the process. Masks are for the runner, which shows none.
func (s *step) sinks(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{"stdout": s.stdout.String(), "stderr": withoutMasks(s.stderr.String())}
	require.NoError(t, filepath.WalkDir(s.dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all[strings.TrimPrefix(path, s.dir)] = string(text)
		return err
	}))
	return all
}

// withoutOurs leaves the annotations out that this program makes.
func withoutOurs(text string) string {
	return regexp.MustCompile(`(?m)^::(error|warning) title=stagecrew deploy(?: \([a-z/-]+\))?::.*$`).ReplaceAllString(text, "")
}

func withoutMasks(text string) string {
	var kept strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "::add-mask::") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

const kubeconfigText = "apiVersion: v1\nkind: Config\nusers:\n- name: ci\n  user:\n    token: KCTOKEN-abcdef123\n"

// secretsOfARun are the kinds of secrets that a run meets, and how it learns of them.
func secretsOfARun(s *session) map[string]string {
	all := map[string]string{
		"chart":      `p@ss/w0rd&"x y`,
		"hook":       "Hook-S3cret-Value",
		"envFrom":    "ExtTok3n-zzzz-9876",
		"docker":     "D0cker-pull-pw",
		"TLS":        "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj",
		"connection": "h%2Fnt3r-conn",
		"kubeconfig": "eyJrdWJlIjoiY29uZmlnIn0-token-1",
		"lines":      "second-Line-of-Secret",
		"short":      "k7Rq",
		// Known from the settings and the environment, see settingsOfARun.
		"--set": "HUNTER2-Secret!9", "registry": "REGPW-clear-1", "smoke": "Smoke-T0ken-11", "build argument": "npm_T0kenOfBuild",
	}
	s.secrets.Withhold(all["chart"], all["hook"], all["envFrom"], all["kubeconfig"], all["short"])
	s.secrets.Withhold(`{"auths":{"r.example.com":{"auth":"` + base64.StdEncoding.EncodeToString([]byte("joe:"+all["docker"])) + `"}}}`)
	s.secrets.Withhold("-----BEGIN PRIVATE KEY-----\n" + all["TLS"] + "\n-----END PRIVATE KEY-----\n")
	s.secrets.Withhold("postgres://joe:" + all["connection"] + "@db:5432/x")
	s.secrets.Withhold("first-Line-of-Secret\n" + all["lines"] + "\n")
	return all
}

func settingsOfARun() (config.Settings, []string) {
	return config.Settings{
		Cluster: config.Cluster{Release: "portal", Namespace: "prod"}, Helm: config.Helm{Set: []string{"auth.password=pa,HUNTER2-Secret!9"}}, Build: config.Build{BuildArgs: []string{"NPM_TOKEN=npm_T0kenOfBuild"}},
	}, []string{"REGISTRY_PASSWORD=REGPW-clear-1", "BACKSTAGE_SMOKE_TOKEN=Smoke-T0ken-11"}
}

// spoken is how an application may write a value.
func spoken(secret string) []string {
	asJSON, _ := json.Marshal(secret) // a string
	return []string{
		secret, "joe " + base64.StdEncoding.EncodeToString([]byte("joe:"+secret)), url.QueryEscape(secret), "'" + url.PathEscape(secret) + "'",
		string(asJSON), strconv.Quote(secret), base64.StdEncoding.EncodeToString([]byte(secret)), "line\n" + secret + "\nline", "cut " + secret[:len(secret)-2] + "…",
	}
}

// leaks are what of a secret must be nowhere.
func leaks(secret string) []string {
	all := []string{secret}
	if len(secret) > 8 {
		all = append(all, secret[:len(secret)-2]+"…")
	}
	all = append(all, url.QueryEscape(secret), url.PathEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret)), strings.Trim(strconv.Quote(secret), `"`))
	if plain, err := url.PathUnescape(secret); err == nil {
		all = append(all, plain)
	}
	return append(all, base64.StdEncoding.EncodeToString([]byte("joe:" + secret))[4:])
}

func TestNoSecretLeavesByAnySinkHoweverARunEnds(t *testing.T) {
	ends := map[string]func(*session, error) int{
		"good":   func(s *session, _ error) int { return s.finish(nil) },
		"failed": func(s *session, err error) int { return s.finish(err) },
		"cancelled": func(s *session, err error) int {
			return s.cancel(errors.Join(err, context.Canceled))
		},
		"given up": func(s *session, _ error) int { return s.abort() },
		"panicked": func(s *session, err error) int {
			return s.finish(attempt(func() error { panic(err.Error()) }))
		},
	}
	for name, end := range ends {
		for _, output := range []config.Output{config.OutputJSON, config.OutputText} {
			t.Run(name+" "+string(output), func(t *testing.T) {
				breaks(t)
				settings, environ := settingsOfARun()
				settings.Output = output
				s := newStep(t, settings, environ...)
				secrets := secretsOfARun(s.session)
				var said []string
				for _, secret := range secrets {
					said = append(said, spoken(secret)...)
				}
				s.says(t, said)
				end(s.session, errors.New(strings.Join(said, " and ")))
				for sink, text := range s.sinks(t) {
					require.NotEmpty(t, text, sink)
					for kind, secret := range secrets {
						for _, leak := range leaks(secret) {
							require.NotContains(t, text, leak, "%s in %s", kind, sink)
						}
					}
				}
				require.Contains(t, s.sinks(t)["/summary.md"], "portal in prod", "what is no secret can be read")
			})
		}
	}
}

// says lets everything that takes somebody's words have some.
func (s *step) says(t *testing.T, all []string) {
	t.Helper()
	cause := &record.Cause{Code: "rollout/crash-loop", Object: "Pod/portal-1", Message: strings.Join(all, "; ")}
	evidence := record.Evidence{Cause: *cause}
	var rec record.Record
	for _, text := range all {
		s.console.log.Info("the pod said: "+text, "text", text, "error", errors.New(text))
		s.console.log.With("text", text).Warn("warned: " + text)
		slog.Error("of a library: "+text, "uri", text)
		log.Print(text)
		logrus.Error(text)
		s.console.screen.width = 0
		fmt.Fprintln(s.results.stdout, text)
		fmt.Fprintln(s.console.out, text)
		evidence.Logs = append(evidence.Logs, record.Log{Pod: "portal-1", Container: "app", Text: text, Ended: text})
		evidence.Events = append(evidence.Events, record.Event{Message: text})
		evidence.Pods = append(evidence.Pods, record.PodState{Message: text})
		rec.Checks = append(rec.Checks, record.Check{Name: "readiness", Target: text, Result: "failed", Detail: text})
		rec.Concerns = append(rec.Concerns, record.Concern{Code: "preflight/reference", Message: text, Advice: text})
		rec.Changes = append(rec.Changes, record.Change{Object: "ConfigMap/x", Action: "update", Diff: "+  a: " + text + "\n"})
		rec.Repairs = append(rec.Repairs, text)
	}
	evidence.Diff = strings.Join(all, "\n")
	report.Changes(s.results.stdout, rec.Changes)
	files, err := s.keepEvidence(evidence)
	require.NoError(t, err)
	s.Update(func(r *record.Record) {
		r.Release, r.Cause, r.Diagnosis, r.Evidence = &record.Release{Name: "portal", Namespace: "prod", Revision: 2}, cause, &evidence, files
		r.Checks, r.Concerns, r.Changes, r.Repairs, r.Advice = rec.Checks, rec.Concerns, rec.Changes, rec.Repairs, "advice: "+all[0]
		r.Tags = []record.MovedTag{{Tag: "x", Why: all[0]}}
	})
	for _, revision := range []record.Revision{{Number: 1, Status: record.RevisionStatus(all[0]), Verdict: record.Mark(all[1]), Image: all[2]}} {
		require.NoError(t, s.results.table([]record.Revision{revision}))
	}
	document, err := json.Marshal(map[string]any{"all": all})
	require.NoError(t, err)
	require.NoError(t, s.results.document(document))
}

func TestNothingThatSomebodySaysIsACommand(t *testing.T) {
	texts := hostile.Texts()
	for _, output := range []config.Output{config.OutputJSON, config.OutputText} {
		s := newStep(t, config.Settings{Cluster: config.Cluster{Release: "portal"}, Common: config.Common{Output: output}})
		s.says(t, texts)
		// In two parts, as a writer with a buffer passes them on.
		for _, parts := range [][2]string{{"x\n:", ":error::y\n"}, {"#", "#[error]x\n"}, {"##", "[error]x\n"}} {
			w := s.console.actions.Guarded(&s.stdout)
			for _, part := range parts {
				_, err := w.Write([]byte(part))
				require.NoError(t, err)
			}
		}
		s.finish(errors.New(strings.Join(texts, "\n")))
		sinks := s.sinks(t)
		for sink, text := range sinks {
			if strings.HasPrefix(sink, "/evidence") {
				continue // files that nobody prints
			}
			require.Empty(t, hostile.Command(withoutOurs(text)), "in %s", sink)
			require.Zero(t, hostile.Steers(text), "in %s", sink)
		}
		require.Empty(t, hostile.Markdown(sinks["/summary.md"]).Grown)
		require.Equal(t, strings.Count(sinks["/output"], "<<ghadelimiter_"), strings.Count(sinks["/output"], "ghadelimiter_")/2, "no output within another")
	}
}

func TestTheTextOfAFileInPlaceOfItsNameIsNotRepeated(t *testing.T) {
	key := "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nKCTOKEN-abcdef123\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n"
	for name, args := range map[string][]string{
		"a kubeconfig":               {"status", "--release", "x", "--kubeconfig", kubeconfigText},
		"a kubeconfig in base64":     {"status", "--release", "x", "--kubeconfig", base64.StdEncoding.EncodeToString([]byte(strings.Repeat(kubeconfigText, 4)))},
		"a kubeconfig in JSON":       {"status", "--release", "x", "--kubeconfig", `{"users":[{"user":{"token":"KCTOKEN-abcdef123"}}]}`},
		"values":                     {"preflight", "--release", "x", "--image", "a@sha256:" + strings.Repeat("a", 64), "--values", "auth:\n  password: KCTOKEN-abcdef123\n"},
		"a line of values":           {"preflight", "--release", "x", "--image", "a@sha256:" + strings.Repeat("a", 64), "--values", "password: KCTOKEN-abcdef123"},
		"a key":                      {"sign", "--image", "a@sha256:" + strings.Repeat("a", 64), "--sign-key", key},
		"a key without line breaks":  {"verify", "--image", "a@sha256:" + strings.Repeat("a", 64), "--verify-key", strings.ReplaceAll(key, "\n", `\n`)},
		"the place of the record":    {"status", "--release", "x", "--record", kubeconfigText},
		"in the environment":         {"status", "--release", "x"},
		"a path that is one, but no": {"status", "--release", "x", "--kubeconfig", strings.Repeat("KCTOKEN-abcdef123", 30)},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			summary := filepath.Join(dir, "summary")
			environ := []string{"GITHUB_ACTIONS=true", "GITHUB_STEP_SUMMARY=" + summary, "HOME=" + dir}
			if name == "in the environment" {
				environ = append(environ, "STAGECREW_KUBECONFIG="+kubeconfigText)
			}
			var stdout, stderr bytes.Buffer
			require.Equal(t, exitUsage, Main(append(args, "--output", "json"), environ, &stdout, &stderr))
			text, err := os.ReadFile(summary)
			require.NoError(t, err)
			for sink, shown := range map[string]string{"stdout": stdout.String(), "stderr": withoutMasks(stderr.String()), "summary": string(text)} {
				require.NotContains(t, shown, "KCTOKEN-abcdef123", sink)
				require.NotContains(t, shown, "S0NUT0tFTi1", sink)
			}
			require.Contains(t, stderr.String(), "give")
		})
	}
}

func TestWhatCannotBeReadSilencesThePods(t *testing.T) {
	s := newStep(t, config.Settings{Cluster: config.Cluster{Release: "portal"}})
	s.secrets.Unread("database", errors.New("forbidden"))
	s.secrets.Unread("other", errors.New("forbidden"))
	require.Equal(t, 1, strings.Count(s.stderr.String(), "warn: a Secret that the pods use"))
	s.console.log.Info("waiting: exit code 1; it said: token unknown-to-us [rollout/crash-loop]")
	require.Contains(t, s.stderr.String(), "exit code 1; it said: (left out) [rollout/crash-loop]")
	for _, text := range []string{`PostStart hook: command 'a' exited with 1: , message: "token unknown-to-us"`, "Readiness probe failed: token unknown-to-us", "it was killed because its liveness probe failed: Liveness probe failed: unknown-to-us",
		`Exec lifecycle hook ([a]) for Container "web" failed - error: command 'a' exited with 1: , message: "token unknown-to-us"`, "PostStartHook failed: unknown-to-us",
		record.Cause{Object: "Pod/a", Container: "web", Reason: "Log", Message: "unknown-to-us", Code: "rollout/log"}.String()} {
		s.console.log.Info(text)
	}
	require.Contains(t, s.stderr.String(), "Readiness probe failed: (left out)")
	require.Equal(t, "(left out)", s.secrets.hidden(record.Record{Cause: &record.Cause{Reason: "Log", Message: "unknown-to-us"}}).Cause.Message)
	require.Contains(t, s.stderr.String(), `exited with 1: , message: "(left out)`)
	require.Equal(t, "status 500, should be 200 (the rest is left out)", s.secrets.Answer("status 500, should be 200: token unknown-to-us"))
	require.Equal(t, "status 500, should be 200 (the rest is left out)", s.secrets.Answer(s.secrets.Answer("status 500, should be 200: token unknown-to-us")))
	_, err := s.keepEvidence(record.Evidence{Cause: record.Cause{Message: "it said: unknown-to-us"}, Logs: []record.Log{{Pod: "a", Text: "unknown-to-us"}},
		Events: []record.Event{{Object: "Pod/a", Reason: "Unhealthy", Message: "Startup probe failed: unknown-to-us"}}})
	require.NoError(t, err)
	for sink, text := range s.sinks(t) {
		require.NotContains(t, text, "unknown-to-us", sink)
	}
}

func TestEachSecretOfTheSettingsIsMaskedUnlessItsTagSaysThatItIsNone(t *testing.T) {
	var environ []string
	for i, one := range config.AllSecrets() {
		environ = append(environ, fmt.Sprintf("%s=Value-%d-xyz", one.Variable, i))
	}
	s := newStep(t, config.Settings{}, environ...)
	var shown []string
	for i, one := range config.AllSecrets() {
		value := fmt.Sprintf("Value-%d-xyz", i)
		if !strings.Contains(s.stderr.String(), "::add-mask::"+value+"\n") {
			shown = append(shown, one.Variable)
			require.Equal(t, value, s.secrets.Text(value))
			continue
		}
		require.Equal(t, "***", s.secrets.Text(value))
	}
	require.Equal(t, []string{"REGISTRY_USERNAME"}, shown)
}

func TestTheRecordIsForItsOwnerOnly(t *testing.T) {
	s := newStep(t, config.Settings{})
	s.finish(nil)
	info, err := os.Stat(s.Record)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

func TestANameOfASecretIsNoSecret(t *testing.T) {
	s := newStep(t, config.Settings{Helm: config.Helm{Set: []string{"secret=app-secrte", "session.secret=hunter2-xyz", "db.password=H#nt3r-yz"}}})
	require.Contains(t, s.stderr.String(), "::add-mask::H#nt3r-yz\n")
	s.secrets.Names("app-secrte")
	s.secrets.Suspect("app-secrte")
	require.Equal(t, `secret "app-secrte" not found, *** ***`, s.secrets.Text(`secret "app-secrte" not found, hunter2-xyz H#nt3r-yz`))
	require.NotContains(t, s.stderr.String(), "::add-mask::hunter2-xyz\n")
	s.finish(nil)
	require.Contains(t, s.stderr.String(), "::add-mask::hunter2-xyz\n")
	require.NotContains(t, s.stderr.String(), "::add-mask::app-secrte\n")
}

func TestMasksAreOfSecretsOnly(t *testing.T) {
	s := newStep(t, config.Settings{})
	s.secrets.Withhold("{\n  \"password\": \"hunter2-xyz\"\n}\n", "true", "k7Rq")
	masks := s.stderr.String()
	require.Contains(t, masks, "::add-mask::hunter2-xyz\n")
	for _, innocent := range []string{"::add-mask::{\n", "::add-mask::}\n", "::add-mask::true\n", "::add-mask::k7Rq\n"} {
		require.NotContains(t, masks, innocent, "it would be hidden in every line of the job")
	}
}
