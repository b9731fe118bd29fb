package bomb

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// tape is an archive of the headers, each with as many bytes as it says, and with
// what stands in contents for its name.
func tape(t *testing.T, contents map[string][]byte, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range headers {
		if content := contents[h.Name]; content != nil {
			h.Size = int64(len(content))
		}
		require.NoError(t, w.WriteHeader(&h))
		content := contents[h.Name]
		if content == nil {
			content = make([]byte, h.Size)
		}
		_, err := w.Write(content)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

func egg(t *testing.T, size int) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	file, err := w.Create("EGG-INFO/PKG-INFO")
	require.NoError(t, err)
	_, err = file.Write(make([]byte, size))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

// holes is an entry of GNU tar with holes, as PAX says it: Go's writer makes none.
func holes() []byte {
	record := func(key, value string) string {
		for n := len(key) + len(value) + 4; ; n++ {
			if line := fmt.Sprintf("%d %s=%s\n", n, key, value); len(line) == n {
				return line
			}
		}
	}
	body := record("GNU.sparse.major", "1") + record("GNU.sparse.realsize", "1099511627776")
	head := make([]byte, 512)
	copy(head, "PaxHeaders/x")
	copy(head[124:], fmt.Sprintf("%011o", len(body)))
	head[156] = 'x'
	copy(head[257:], "ustar\x0000")
	return append(head, append([]byte(body), make([]byte, 512-len(body))...)...)
}

// TestALayerIsLookedAtBeforeItIsScanned: what blew Trivy up (aquasecurity/trivy#1242,
// #1284: files that are read whole) never reaches it.
func TestALayerIsLookedAtBeforeItIsScanned(t *testing.T) {
	long := strings.Repeat("deep/", 60) + "package.json"
	for name, c := range map[string]struct {
		layer []byte
		want  string
	}{
		"an ordinary layer": {layer: tape(t, nil, tar.Header{Name: "app/", Typeflag: tar.TypeDir}, tar.Header{Name: "app/package.json", Size: 1000},
			tar.Header{Name: "usr/bin/node", Size: 40 << 20}, tar.Header{Name: long, Size: 10}, tar.Header{Name: "link", Typeflag: tar.TypeSymlink, Linkname: "x"})},
		"data of the application, of any size": {layer: tape(t, nil, tar.Header{Name: "app/catalog.json", Size: maxDocument + 1})},
		"what is as large below conda-meta":    {layer: tape(t, nil, tar.Header{Name: "opt/conda/conda-meta/x.json", Size: maxDocument + 1}), want: "the limit for such a file"},
		"a document without end":               {layer: tape(t, nil, tar.Header{Name: "app/node_modules/x/package.json", Size: maxDocument + 1}), want: "the limit for such a file"},
		"the same, with a long name":           {layer: tape(t, nil, tar.Header{Name: "small", Size: 3}, tar.Header{Name: long, Size: maxDocument + 1}), want: "the limit for such a file"},
		"the same, named by GNU's tar":         {layer: tape(t, nil, tar.Header{Name: long, Size: maxDocument + 1, Format: tar.FormatGNU}), want: "the limit for such a file"},
		"an egg":                               {layer: tape(t, map[string][]byte{"x.egg": egg(t, 1000)}, tar.Header{Name: "x.egg"})},
		"an egg that is a bomb":                {layer: tape(t, map[string][]byte{"x.egg": egg(t, maxDocument+1)}, tar.Header{Name: "x.egg"}), want: "holds more than"},
		"a file with holes":                    {layer: append(holes(), tape(t, nil, tar.Header{Name: "x", Size: 5})...), want: "with holes"},
		"a file with holes, the old way":       {layer: old(t), want: "has holes"},
		"something that is no archive at all":  {layer: bytes.Repeat([]byte("no archive "), 1000)},
	} {
		t.Run(name, func(t *testing.T) {
			for _, step := range []int{1 << 20, 4096, 511, 7} {
				if step == 7 && len(c.layer) > 1<<20 {
					continue
				}
				g := NewGate()
				var err error
				for rest := c.layer; len(rest) > 0 && err == nil; {
					n := min(step, len(rest))
					err = g.Pass(rest[:n])
					rest = rest[n:]
				}
				if c.want == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, c.want)
				}
			}
		})
	}
}

func old(t *testing.T) []byte {
	layer := tape(t, nil, tar.Header{Name: "x", Size: 5})
	layer[156] = 'S'
	return layer
}

func FuzzALayerThatIsNotOne(f *testing.F) {
	f.Add(holes())
	f.Fuzz(func(t *testing.T, layer []byte) {
		g := NewGate()
		if g.Pass(layer) == nil {
			require.GreaterOrEqual(t, g.left, int64(0))
		}
	})
}
