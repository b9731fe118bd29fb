package scaffold

import (
	"context"
	"os/exec"
	"regexp"
	"strings"
)

// onGitHub is the address of a remote, in any of the forms that Git takes.
var onGitHub = regexp.MustCompile(`^(?:https://(?:[^/@]*@)?github\.com/|ssh://git@(?:ssh\.)?github\.com(?::[0-9]+)?/|git@github\.com:)([A-Za-z0-9-]+/[A-Za-z0-9._-]+?)(?:\.git)?/?$`)

// remote is OWNER/NAME of the repository on github.com and its main branch; "" for
// what Git does not say.
func remote(ctx context.Context, dir string) (slug, branch string) {
	if m := onGitHub.FindStringSubmatch(git(ctx, dir, "remote", "get-url", "origin")); m != nil {
		slug = m[1]
	}
	branch = strings.TrimPrefix(git(ctx, dir, "symbolic-ref", "--short", "refs/remotes/origin/HEAD"), "origin/")
	if branch == "" {
		branch = git(ctx, dir, "symbolic-ref", "--short", "HEAD")
	}
	return slug, branch
}

// git asks Git, which knows worktrees, includes and insteadOf. Its error is no answer.
func git(ctx context.Context, dir string, args ...string) string {
	out, err := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
