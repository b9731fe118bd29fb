package validate

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// users are the two files of an image by which a runtime finds the numbers of a user.
type users struct{ passwd, group []byte }

// maxUsers bounds each of the files, in bytes.
const maxUsers = 1 << 20

// read takes one of the files; the one of the highest layer stays.
func (u *users) read(name string, content io.Reader) (done bool, err error) {
	target := map[string]*[]byte{"etc/passwd": &u.passwd, "etc/group": &u.group}[name]
	if target == nil {
		return false, nil
	}
	*target, err = io.ReadAll(io.LimitReader(content, maxUsers))
	return true, err
}

// identity is who runs.
type identity struct {
	uid    int
	groups []int
}

func (i identity) String() string { return fmt.Sprintf("user %d", i.uid) }

// of reads USER[:GROUP] as runtimes do: names and numbers by the image's files; without
// a group those that the user belongs to, root's for an unknown one.
func (u users) of(user string) identity {
	name, group, _ := strings.Cut(user, ":")
	uid, err := strconv.Atoi(name)
	who, gids := identity{uid: uid}, []int{0}
	if err != nil {
		who.uid = -1
	}
	if name == "" {
		who.uid = 0
	}
	for _, fields := range rows(u.passwd, 4) {
		if fields[0] != name && (err != nil || fields[2] != name) {
			continue
		}
		name, who.uid, gids = fields[0], number(fields[2]), []int{number(fields[3])}
		break
	}
	if gid, err := strconv.Atoi(group); err == nil {
		who.groups = []int{gid}
		return who
	}
	for _, fields := range rows(u.group, 4) {
		switch {
		case group != "" && fields[0] == group:
			gids = []int{number(fields[2])}
		case group == "" && slices.Contains(strings.Split(fields[3], ","), name):
			gids = append(gids, number(fields[2]))
		}
	}
	who.groups = gids
	return who
}

// rows are the lines of a file with at least so many fields.
func rows(text []byte, least int) (found [][]string) {
	for line := range bytes.Lines(text) {
		if fields := strings.Split(strings.TrimSpace(string(line)), ":"); len(fields) >= least {
			found = append(found, fields)
		}
	}
	return found
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}

// reads reports whether the user can read a file, or look into a folder.
func (i identity) reads(f file) bool {
	switch {
	case i.uid == 0:
		return true
	case f.uid == i.uid:
		return f.readable(6)
	case slices.Contains(i.groups, f.gid):
		return f.readable(3)
	}
	return f.readable(0)
}

// readable reports whether the rights are there for the owner (6), the group (3) or
// others (0).
func (f file) readable(shift int) bool {
	want := int64(0o4)
	if f.isDir {
		want = 0o5
	}
	return f.mode>>shift&want == want
}
