package build

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkReadInstalled reads a workspace with its dependencies, as each build without
// --prepare does: 500 packages of 8 files.
func BenchmarkReadInstalled(b *testing.B) {
	dir := b.TempDir()
	for i := range 500 {
		folder := filepath.Join(dir, "node_modules", fmt.Sprintf("@scope%d", i%50), fmt.Sprintf("package-%d", i), "dist")
		require.NoError(b, os.MkdirAll(folder, 0o750))
		for j := range 7 {
			require.NoError(b, os.WriteFile(filepath.Join(folder, fmt.Sprintf("file%d.cjs.js", j)), nil, 0o600))
		}
		require.NoError(b, os.WriteFile(filepath.Join(folder, "..", "package.json"), []byte("{}"), 0o600))
	}
	root, err := os.OpenRoot(dir)
	require.NoError(b, err)
	defer root.Close()
	b.ReportAllocs()
	for b.Loop() {
		p := &plan{}
		require.NoError(b, p.read(root, []string{"node_modules"}, dependencies, &omitted{}))
		require.Len(b, p.entries(dependencies), 5051)
	}
}
