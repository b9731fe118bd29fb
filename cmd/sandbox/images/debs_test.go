package images

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const libcStanza = `Package: libc6
Source: glibc
Version: 1:2.36-9+deb12u14
Architecture: amd64
Multi-Arch: same
Pre-Depends: libcrypt1 (>= 1:4.4), base:any
Depends: libgcc-s1, debconf (>= 0.5) | debconf-2.0
Description: GNU C Library
 more words
Tag: role::shared-lib,
 use::more
Filename: pool/main/g/glibc/libc6.deb
SHA256: ba4f
`

func TestAStanzaBecomesARecordOfAnInstalledPackage(t *testing.T) {
	d := parseStanza(libcStanza)
	require.Equal(t, "libc6", d.Name)
	require.Equal(t, "ba4f", d.SHA256)
	require.Equal(t, "libc6_1%3a2.36-9+deb12u14_amd64.deb", d.file())
	require.Equal(t, "libc6:amd64.list", d.listName())
	require.Equal(t, [][]string{{"libcrypt1"}, {"base"}, {"libgcc-s1"}, {"debconf", "debconf-2.0"}}, d.Depends)
	require.Contains(t, d.Stanza, "Package: libc6\nStatus: install ok installed\nSource: glibc\n")
	require.Contains(t, d.Stanza, "Description: GNU C Library\n more words\n")
	for _, gone := range []string{"Filename", "SHA256", "Tag", "use::more"} {
		require.NotContains(t, d.Stanza, gone)
	}
}

func TestDependenciesThatNothingMeetsAreTaken(t *testing.T) {
	for name, c := range map[string]struct {
		have map[string]bool
		want []string
	}{
		"nothing there":              {map[string]bool{}, []string{"libcrypt1", "base", "libgcc-s1"}},
		"some there":                 {map[string]bool{"base": true, "libgcc-s1": true}, []string{"libcrypt1"}},
		"a package that is left out": {map[string]bool{"base": true, "libgcc-s1": true, "libcrypt1": true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, missing(parseStanza(libcStanza), c.have))
		})
	}
}

func TestAPackageIsUnpackedAndRecorded(t *testing.T) {
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("dpkg-deb is not installed")
	}
	src, out := t.TempDir(), t.TempDir()
	for name, body := range map[string]string{
		"DEBIAN/control":               "Package: demo\nVersion: 1.0\nArchitecture: all\nMaintainer: A <a@example.com>\nDescription: d\n",
		"bin/demo":                     "#!/bin/sh\n",
		"usr/share/man/man1/d.1":       "manual",
		"usr/share/doc/demo/copyright": "rights",
		"usr/share/doc/demo/readme":    "long",
	} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(src, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(src, name), []byte(body), 0o755))
	}
	require.NoError(t, exec.Command("dpkg-deb", "--root-owner-group", "--build", src, filepath.Join(out, "demo_1.0_all.deb")).Run())

	tr := newTree(true)
	demo := deb{Name: "demo", Version: "1.0", Arch: "all", Stanza: "Package: demo\n"}
	below := deb{Name: "alpha", Stanza: "Package: alpha\n"}
	require.NoError(t, tr.addDebs(t.Context(), out, []deb{demo}, []deb{below}))
	require.Equal(t, "#!/bin/sh\n", string(tr.read("bin/demo")))
	require.Equal(t, "rights", string(tr.read("usr/share/doc/demo/copyright")))
	require.NotContains(t, tr.entries, "usr/share/man/man1/d.1")
	require.NotContains(t, tr.entries, "usr/share/doc/demo/readme")
	require.Equal(t, "Package: alpha\n\nPackage: demo\n\n", string(tr.read("var/lib/dpkg/status")))
	require.Equal(t, "/.\n/bin\n/bin/demo\n/usr\n/usr/share\n/usr/share/doc\n/usr/share/doc/demo/copyright\n",
		string(tr.read("var/lib/dpkg/info/demo.list")))

	err := tr.addDebs(t.Context(), out, []deb{{Name: "absent", Version: "1", Arch: "all"}}, nil)
	require.ErrorContains(t, err, `unpacking Debian package "absent"`)
}

func TestAPackageWithOtherBytesIsNotUsed(t *testing.T) {
	dir := t.TempDir()
	d := deb{Name: "demo", Version: "1.0", Arch: "all", SHA256: "0000"}
	require.ErrorIs(t, checkDeb(dir, d), os.ErrNotExist)
	require.NoError(t, os.WriteFile(filepath.Join(dir, d.file()), []byte("x"), 0o644))
	require.ErrorContains(t, checkDeb(dir, d), "SHA-256")
}
