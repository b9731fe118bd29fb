package images

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// minimalPasswd and minimalGroup name the users that the official busybox image knows and programs ask for.
const (
	minimalPasswd = "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nbin:x:2:2:bin:/bin:/bin/false\n" +
		"sys:x:3:3:sys:/dev:/bin/false\nsync:x:4:100:sync:/bin:/bin/sync\nmail:x:8:8:mail:/var/spool/mail:/bin/false\n" +
		"www-data:x:33:33:www-data:/var/www:/bin/false\noperator:x:37:37:Operator:/var:/bin/false\nnobody:x:65534:65534:nobody:/home:/bin/false\n"
	minimalGroup = "root:x:0:\ndaemon:x:1:\nbin:x:2:\nsys:x:3:\nadm:x:4:\ntty:x:5:\ndisk:x:6:\nmail:x:8:\nwww-data:x:33:\n" +
		"operator:x:37:\nusers:x:100:\nnogroup:x:65534:\n"
	minimalNSSwitch = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n"
)

func makePause(ctx context.Context, k *kitchen, debs debSet) (v1.Image, error) {
	if err := k.fetchDebs(ctx, debs["pause"]); err != nil {
		return nil, err
	}
	scratch := newTree(true)
	if err := scratch.addDebs(ctx, k.dir("debs"), debs["pause"], nil); err != nil {
		return nil, err
	}
	program := scratch.read("usr/bin/catatonit")
	if program == nil {
		return nil, fmt.Errorf("unpacking Debian package %q: it has no /usr/bin/catatonit", "catatonit")
	}
	t := newTree(false)
	t.file("pause", 0o755, program)
	l, err := t.layer(k.tmp, "pause")
	if err != nil {
		return nil, err
	}
	return stack(layerNote{l, "pause from Debian's catatonit"})
}

func makeBusybox(ctx context.Context, k *kitchen, debs debSet) (v1.Image, error) {
	if err := k.fetchDebs(ctx, debs["busybox"]); err != nil {
		return nil, err
	}
	t := newTree(true)
	t.rootLinks()
	if err := t.addDebs(ctx, k.dir("debs"), debs["busybox"], nil); err != nil {
		return nil, err
	}
	applets, err := k.applets(ctx, debs["busybox"])
	if err != nil {
		return nil, err
	}
	for _, name := range applets {
		t.symlink("bin/"+name, "busybox")
	}
	t.file("bin/nc", 0o755, mustFile("nc.sh"))
	t.file("etc/passwd", 0o644, []byte(minimalPasswd))
	t.file("etc/group", 0o644, []byte(minimalGroup))
	t.file("etc/nsswitch.conf", 0o644, []byte(minimalNSSwitch))
	t.mkdir("root", 0o700, 0, 0)
	t.mkdir("tmp", 0o1777, 0, 0)
	t.mkdir("var/tmp", 0o1777, 0, 0)
	t.mkdir("home", 0o755, 65534, 65534)
	l, err := t.layer(k.tmp, "busybox")
	if err != nil {
		return nil, err
	}
	return stack(layerNote{l, "busybox and glibc from Debian's packages"})
}

// applets asks busybox what it can be called as.
func (k *kitchen) applets(ctx context.Context, debs []deb) ([]string, error) {
	root, err := k.unpack(ctx, "busybox-root", debs, "libc6", "busybox")
	if err != nil {
		return nil, err
	}
	out, err := runUnpacked(ctx, root, "bin/busybox", "--list")
	if err != nil {
		return nil, err
	}
	var names []string
	sc := bufio.NewScanner(bytes.NewReader(out))
	for sc.Scan() {
		if name := strings.TrimSpace(sc.Text()); name != "" && name != "busybox" && !strings.Contains(name, "/") {
			names = append(names, name)
		}
	}
	if len(names) < 100 {
		return nil, fmt.Errorf("listing busybox's applets: only %d; Debian's busybox has over 200", len(names))
	}
	return names, nil
}
