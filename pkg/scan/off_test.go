//go:build !goexperiment.jsonv2 || notrivy

package scan_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/scan"
)

func TestABuildWithoutTheScannerSaysHowToGetIt(t *testing.T) {
	_, err := scan.Scan(t.Context(), scan.Options{Image: report(nil).Image, CacheDir: t.TempDir()})
	require.Equal(t, record.KindUnavailable, record.KindOf(err))
	require.ErrorContains(t, err, "GOEXPERIMENT=jsonv2 go build ./cmd/stagecrew [scan/not-built-in]")
}
