package scaffold

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/text"
)

// onGitHub is the address of a remote, in any of the forms that Git takes.
var onGitHub = regexp.MustCompile(`^(?:https://(?:[^/@]*@)?github\.com/|ssh://git@(?:ssh\.)?github\.com(?::[0-9]+)?/|git@github\.com:)([A-Za-z0-9-]+/[A-Za-z0-9._-]+?)(?:\.git)?/?$`)

// atHost is the host of a remote's address; a name without a dot is one of the user's SSH
// configuration.
var atHost = regexp.MustCompile(`^(?:https?://(?:[^/@]*@)?|ssh://(?:[^/@]*@)?|[^/@:]+@)([A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)[:/]`)

// elsewhere is the host of an address that is not GitHub's: an Enterprise Server's, or that
// of something else. "" for github.com, GHE.com and what names no host.
func elsewhere(address string) string {
	m := atHost.FindStringSubmatch(address)
	if m == nil {
		return ""
	}
	host := strings.ToLower(m[1])
	if host == "github.com" || strings.HasPrefix(host, "github.com-") || strings.HasSuffix(host, ".github.com") || strings.HasSuffix(host, ".ghe.com") {
		return ""
	}
	return host
}

// remote finds OWNER/NAME of the repository on github.com, the host of one that is
// elsewhere, and its main branch. Only a clone knows the main branch of its origin; a
// checkout of a workflow, or a repository that was pushed from here, does not, and what is
// checked out may be any (open-gsd/gsd-core#1146, coleam00/Archon#2471).
func (f *facts) remote(ctx context.Context, dir string) {
	ask := func(args ...string) string {
		answer, _ := git(ctx, dir, args...)
		return answer
	}
	address := ask("remote", "get-url", "origin")
	if m := onGitHub.FindStringSubmatch(address); m != nil {
		f.Slug = m[1]
	}
	f.Server = elsewhere(address)
	f.Branch = strings.TrimPrefix(ask("symbolic-ref", "--short", "refs/remotes/origin/HEAD"), "origin/")
	if f.Branch != "" {
		return
	}
	f.Guessed = true
	for _, name := range []string{"main", "master"} {
		if ask("for-each-ref", "refs/remotes/origin/"+name, "refs/heads/"+name) != "" {
			f.Branch = name
			return
		}
	}
	f.Branch = ask("symbolic-ref", "--short", "HEAD")
}

// git asks Git, which knows worktrees, includes and insteadOf. An error is no answer; why
// there is none is told where that is more than that there is no such thing, as of a
// repository of another user in a container (casperdcl/git-fame#81, laravel/sail#814).
func git(ctx context.Context, dir string, args ...string) (answer, says string) {
	out, err := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...).Output()
	_, none := os.Lstat(filepath.Join(dir, ".git"))
	var failed *exec.ExitError
	switch {
	case err == nil:
		return strings.TrimSpace(string(out)), ""
	case errors.As(err, &failed) && none != nil:
		return "", "" // there is no repository
	case errors.As(err, &failed):
		first, _, _ := strings.Cut(string(failed.Stderr), "\n")
		return "", text.Line(first, maxSaid)
	}
	return "", text.Line(err.Error(), maxSaid)
}

// maxSaid bounds what is told of Git's words, in bytes.
const maxSaid = 300
