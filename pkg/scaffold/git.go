package scaffold

import (
	"context"
	"os/exec"
	"regexp"
	"strings"
)

// onGitHub is the address of a remote, in any of the forms that Git takes.
var onGitHub = regexp.MustCompile(`^(?:https://(?:[^/@]*@)?github\.com/|ssh://git@(?:ssh\.)?github\.com(?::[0-9]+)?/|git@github\.com:)([A-Za-z0-9-]+/[A-Za-z0-9._-]+?)(?:\.git)?/?$`)

// atHost is the host of a remote's address; a name without a dot is one of somebody's SSH
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
	if strings.HasPrefix(host, "github.com") || strings.HasSuffix(host, ".github.com") || strings.HasSuffix(host, ".ghe.com") {
		return ""
	}
	return host
}

// remote is OWNER/NAME of the repository on github.com, the host of one that is elsewhere,
// and its main branch; "" for what Git does not say.
func remote(ctx context.Context, dir string) (slug, server, branch string) {
	address := git(ctx, dir, "remote", "get-url", "origin")
	if m := onGitHub.FindStringSubmatch(address); m != nil {
		slug = m[1]
	}
	server = elsewhere(address)
	branch = strings.TrimPrefix(git(ctx, dir, "symbolic-ref", "--short", "refs/remotes/origin/HEAD"), "origin/")
	if branch == "" {
		branch = git(ctx, dir, "symbolic-ref", "--short", "HEAD")
	}
	return slug, server, branch
}

// git asks Git, which knows worktrees, includes and insteadOf. Its error is no answer.
func git(ctx context.Context, dir string, args ...string) string {
	out, err := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
