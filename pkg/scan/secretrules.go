//go:build goexperiment.jsonv2 && !notrivy

package scan

import (
	_ "embed"
	"os"
	"path/filepath"

	trivyos "github.com/aquasecurity/trivy/pkg/x/os"
)

// secretRules are added to Trivy's, whose rule for tokens of npm wants quotes around
// them: there are none in an environment, a command of the history, or an .npmrc.
//
//go:embed secretrules.yaml
var secretRules []byte

// writeSecretRules writes the rules where Trivy can read them, for the length of a turn.
func writeSecretRules() (string, error) {
	path := filepath.Join(trivyos.TempDir(), "stagecrew-secret-rules.yaml")
	return path, os.WriteFile(path, secretRules, 0o600)
}
