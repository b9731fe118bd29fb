package gha

import (
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/stagecrew/stagecrew/pkg/files"
)

// maxGit bounds what is read of a file of Git's, in bytes.
const maxGit = 4 << 20

var commitForm = regexp.MustCompile(`^[0-9a-f]{40}$`)

// Commit is the one whose files a folder has, and whether it is another one than that of
// the event, which GITHUB_SHA names: a job that follows another workflow (workflow_run)
// or checks out a ref of its own builds what it has checked out (actions/checkout#1425,
// daodaoedu/daodao-f2e#486). Of what is no checkout of this repository the event counts.
func (a *Actions) Commit(dir string) (commit string, another bool) {
	of := a.getenv("GITHUB_SHA")
	if !a.Enabled() || of == "" {
		return of, false
	}
	head := a.checkedOut(dir)
	if head == "" || head == of {
		return of, false
	}
	return head, true
}

// checkedOut reads HEAD as Git does, and without it: containers have none, or one that
// does not trust a folder of another user (actions/checkout#1169).
func (a *Actions) checkedOut(dir string) string {
	git := folder(dir)
	if git == "" || !a.isCheckoutOf(git) {
		return ""
	}
	head := line(filepath.Join(git, "HEAD"))
	ref, symbolic := strings.CutPrefix(head, "ref: ")
	if symbolic && strings.HasPrefix(ref, "refs/") && filepath.IsLocal(ref) {
		if head = line(filepath.Join(git, ref)); head == "" {
			head = packed(filepath.Join(git, "packed-refs"), ref)
		}
	}
	if !commitForm.MatchString(head) {
		return ""
	}
	return head
}

// folder is the .git of a folder or of one above it, "" for none.
func folder(dir string) string {
	at, err := filepath.Abs(dir)
	for ; err == nil; at = filepath.Dir(at) {
		if git := filepath.Join(at, ".git"); files.IsRegular(filepath.Join(git, "HEAD")) {
			return git
		}
		if at == filepath.Dir(at) {
			break
		}
	}
	return ""
}

// isCheckoutOf reports whether a remote is this job's repository.
func (a *Actions) isCheckoutOf(git string) bool {
	config, err := files.ReadRegular(filepath.Join(git, "config"), maxGit)
	remote := regexp.MustCompile(`(?mi)^\s*url\s*=\s*\S*[/:]` + regexp.QuoteMeta(a.getenv("GITHUB_REPOSITORY")) + `(?:\.git)?/?\s*$`)
	return err == nil && a.getenv("GITHUB_REPOSITORY") != "" && remote.Match(config)
}

// isOurs reports whether a folder has no checkout, the commit of the event or the end of a
// branch that was fetched from this repository: what a fork has written is in
// refs/remotes/pull, or in no ref at all.
func (a *Actions) isOurs(dir string) bool {
	git, head := folder(dir), a.checkedOut(dir)
	if git == "" || head == "" || head == a.getenv("GITHUB_SHA") {
		return git == "" || head != ""
	}
	const branches = "refs/remotes/origin/"
	found := false
	_ = filepath.WalkDir(filepath.Join(git, branches), func(path string, entry fs.DirEntry, err error) error {
		found = found || err == nil && !entry.IsDir() && line(path) == head
		return nil
	})
	for one := range strings.Lines(line(filepath.Join(git, "packed-refs"))) {
		found = found || strings.HasPrefix(one, head+" "+branches)
	}
	return found
}

func line(file string) string {
	text, err := files.ReadRegular(file, maxGit)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// packed is the commit of a ref that Git has put into one file with others.
func packed(file, ref string) string {
	for one := range strings.Lines(line(file)) {
		if commit, name, found := strings.Cut(strings.TrimSpace(one), " "); found && name == ref {
			return commit
		}
	}
	return ""
}
