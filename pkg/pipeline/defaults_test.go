package pipeline

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/config"
	"github.com/stagecrew/stagecrew/pkg/record"
	"github.com/stagecrew/stagecrew/pkg/registry"
	"github.com/stagecrew/stagecrew/pkg/release"
	"github.com/stagecrew/stagecrew/pkg/scan"
)

// A stage has a default of its own only where a command without the setting uses it, or
// where it is what the zero value of a type stands for.
func TestDefaults_ThoseOfAStageAreThoseOfTheSettings(t *testing.T) {
	defaults := map[string]string{}
	for _, s := range config.All() {
		defaults[s.Name] = s.Default
	}
	for setting, own := range map[string]any{
		"push-attempts":     registry.DefaultAttempts,
		"scan-threshold":    scan.DefaultThreshold,
		"image-values-path": release.DefaultImageValuesPath,
		"builder":           record.BuilderAuto,
		"sign-format":       record.SignatureBoth,
		"on-migrated":       record.MigratedStop,
		"smoke":             record.SmokeBackstage,
	} {
		require.Equal(t, defaults[setting], fmt.Sprint(own), setting)
	}
}
