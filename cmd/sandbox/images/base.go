package images

import (
	"context"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// baseLayer is the Debian userland that the Node and PostgreSQL images share; it is packed once in a run.
func (k *kitchen) baseLayer(ctx context.Context, debs debSet) (v1.Layer, error) {
	if k.base != nil {
		return k.base, nil
	}
	if err := k.fetchDebs(ctx, debs["base"]); err != nil {
		return nil, err
	}
	t := newTree(true)
	if err := t.addBase(ctx, k.dir("debs"), debs["base"]); err != nil {
		return nil, err
	}
	l, err := t.layer(k.tmp, "base")
	if err != nil {
		return nil, err
	}
	k.base, k.baseTree = l, t
	return l, nil
}

// addBase unpacks the base packages and does what their installation scripts would.
func (t *tree) addBase(ctx context.Context, dir string, debs []deb) error {
	t.rootLinks()
	// base-files has these as directories and its script makes them links.
	first := []deb{}
	for _, d := range debs {
		if d.Name == "base-files" {
			first = append([]deb{d}, first...)
			continue
		}
		first = append(first, d)
	}
	if err := t.addDebs(ctx, dir, first, nil); err != nil {
		return err
	}
	t.symlink("var/run", "/run")
	t.symlink("var/lock", "/run/lock")
	t.mkdir("run/lock", 0o1777, 0, 0)
	t.symlink("usr/bin/awk", "mawk")
	t.symlink("usr/bin/which", "which.debianutils")
	t.symlink("etc/localtime", "/usr/share/zoneinfo/Etc/UTC")
	t.file("etc/timezone", 0o644, []byte("Etc/UTC\n"))
	t.file("etc/shells", 0o644, []byte("/bin/sh\n/usr/bin/sh\n/bin/bash\n/usr/bin/bash\n/bin/dash\n/usr/bin/dash\n"))
	t.copyFile("usr/share/libc-bin/nsswitch.conf", "etc/nsswitch.conf")
	t.copyFile("usr/share/base-files/profile", "etc/profile")
	t.copyFile("usr/share/base-files/motd", "etc/motd")
	t.copyFile("usr/share/base-files/dot.profile", "root/.profile")
	t.copyFile("usr/share/base-files/dot.bashrc", "root/.bashrc")
	t.users()
	return nil
}

func (t *tree) copyFile(from, to string) {
	if body := t.read(from); body != nil {
		t.file(to, 0o644, body)
	}
}

// users writes the account files from base-passwd's masters, with locked passwords.
func (t *tree) users() {
	var passwd, shadow strings.Builder
	for _, line := range strings.Split(strings.TrimSpace(string(t.read("usr/share/base-passwd/passwd.master"))), "\n") {
		name, rest, _ := strings.Cut(line, ":*:")
		passwd.WriteString(name + ":x:" + rest + "\n")
		shadow.WriteString(name + ":*:20000:0:99999:7:::\n")
	}
	t.file("etc/passwd", 0o644, []byte(passwd.String()))
	t.put("etc/shadow", entry{kind: '0', mode: 0o640, gid: 42, data: []byte(shadow.String())})
	t.file("etc/group", 0o644, []byte(strings.ReplaceAll(string(t.read("usr/share/base-passwd/group.master")), ":*:", ":x:")))
}

// addUser adds an account to the files of a lower layer; the upper layer carries them whole.
func (t *tree) addUser(below *tree, passwd, group string) {
	t.file("etc/passwd", 0o644, append(append([]byte(nil), below.read("etc/passwd")...), passwd+"\n"...))
	t.file("etc/group", 0o644, append(append([]byte(nil), below.read("etc/group")...), group+"\n"...))
	name, _, _ := strings.Cut(passwd, ":")
	shadow := append(append([]byte(nil), below.read("etc/shadow")...), name+":!:20000:0:99999:7:::\n"...)
	t.put("etc/shadow", entry{kind: '0', mode: 0o640, gid: 42, data: shadow})
}
