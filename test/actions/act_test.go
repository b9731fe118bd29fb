// Package actions_test runs the workflows under act, on this machine and against
// the stage that test/withenv prepared: what happens on GitHub, without GitHub.
package actions_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/github/githubtest"
	"github.com/stagecrew/stagecrew/test/envtest"
)

// entry is one line of act's log.
type entry struct {
	Job       string
	JobResult string
	Step      string
	StepID    []string
	Command   string // set-output, summary, error, …
	Name, Arg string // of set-output
	Content   string // of summary
	Message   string `json:"msg"`
}

// job is how a job ended, as act tells it.
type job struct {
	result    string
	outputs   map[string]string // of the step stagecrew, or promoted (caller, in the caller's job)
	summaries []string
	log       string
}

// act runs one workflow and gives its jobs by name.
type act struct {
	t       *testing.T
	vars    map[string]string
	secrets map[string]string
	// dir is the repository, by default a clone of this one; options are what the .actrc
	// of another one would say. tools is the runner's tool cache, "" for an empty one.
	dir, tools string
	options    []string
	// github is the API that the jobs tell what runs, nil for none.
	github *githubtest.Server
	// during is called beside act, with its process, and should end with its context.
	during func(ctx context.Context, process int) error
}

// run runs `act EVENT …` in the repository. It does not judge the result.
func (a act) run(event string, args ...string) map[string]job {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), 30*time.Minute)
	defer cancel()
	dir := a.t.TempDir()
	all := maps.Clone(a.secrets)
	if a.github != nil {
		all["GITHUB_TOKEN"] = githubtest.Token
		args = append(args, "--env", "GITHUB_API_URL="+a.github.URL, "--env", "GITHUB_REPOSITORY="+githubtest.Repository)
	}
	secrets, err := json.Marshal(all)
	require.NoError(a.t, err)
	// act reads YAML here, and JSON is that.
	file := filepath.Join(dir, "secrets.yml")
	require.NoError(a.t, os.WriteFile(file, secrets, 0o600))
	if a.tools != "" {
		require.NoError(a.t, os.Mkdir(filepath.Join(dir, "cache"), 0o755))
		require.NoError(a.t, os.Symlink(a.tools, filepath.Join(dir, "cache", "tool_cache")))
	}
	args = append([]string{event, "--json", "--action-cache-path", filepath.Join(dir, "cache"), "--secret-file", file}, slices.Concat(a.options, args)...)
	for name, value := range a.vars {
		args = append(args, "--var", name+"="+value)
	}
	if bundle := os.Getenv("SSL_CERT_FILE"); bundle != "" {
		args = append(args, "--env", "SSL_CERT_FILE="+bundle)
	}
	cmd := exec.CommandContext(ctx, envtest.Env(a.t, "ACT_BIN"), args...)
	if cmd.Dir = a.dir; a.dir == "" {
		cmd.Dir = repository(a.t)
	}
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "XDG_CONFIG_HOME=" + dir, "XDG_CACHE_HOME=" + dir}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	out, err := a.beside(ctx, cmd)
	jobs := parse(a.t, out)
	require.NotEmpty(a.t, jobs, "act %v: %v\n%s", args, err, out)
	return jobs
}

// beside runs act and what is to happen meanwhile.
func (a act) beside(ctx context.Context, cmd *exec.Cmd) ([]byte, error) {
	a.t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(a.t, cmd.Start())
	ctx, end := context.WithCancel(ctx)
	defer end()
	over := make(chan error, 1)
	go func() {
		if a.during == nil {
			over <- nil
			return
		}
		over <- a.during(ctx, cmd.Process.Pid)
	}()
	err := cmd.Wait()
	end()
	require.NoError(a.t, <-over, out.String())
	return out.Bytes(), err
}

func parse(t *testing.T, out []byte) map[string]job {
	t.Helper()
	jobs := map[string]job{}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var e entry
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.Job == "" {
			continue
		}
		// act pads the names to one length.
		name := strings.TrimSpace(e.Job)
		j := jobs[name]
		if j.outputs == nil {
			j.outputs = map[string]string{}
		}
		j.log += e.Message
		if e.JobResult != "" {
			j.result = e.JobResult
		}
		switch {
		case e.Command == "set-output" && len(e.StepID) == 1 && slices.Contains([]string{"stagecrew", "promoted", "caller", "build"}, e.StepID[0]):
			j.outputs[e.Name] = e.Arg
		case e.Command == "summary" && len(e.StepID) == 1:
			j.summaries = append(j.summaries, e.Content)
		}
		jobs[name] = j
	}
	require.NoError(t, lines.Err())
	return jobs
}

// headline is the first line of the summary of the last step that has one: a rollback lists
// the revisions before.
func (j job) headline() string {
	if len(j.summaries) == 0 {
		return ""
	}
	line, _, _ := strings.Cut(j.summaries[len(j.summaries)-1], "\n")
	return line
}
