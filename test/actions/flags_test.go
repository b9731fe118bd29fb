package actions_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/stagecrew/stagecrew/test/envtest"
)

// Only the command itself knows which settings it has; another command's would
// be passed over in silence.
func TestInputsOfAnActionAreTheFlagsOfItsCommand(t *testing.T) {
	binary := envtest.Env(t, "E2E_STAGECREW")
	root := envtest.Env(t, "E2E_ROOT")
	for command, file := range map[string]string{
		"run": "action.yml", "build": "actions/build/action.yml", "scan": "actions/scan/action.yml", "sign": "actions/sign/action.yml",
		"verify": "actions/verify/action.yml", "deploy": "actions/deploy/action.yml", "rollback": "actions/rollback/action.yml",
	} {
		t.Run(command, func(t *testing.T) {
			help, err := exec.CommandContext(t.Context(), binary, command, "--help").Output()
			require.NoError(t, err)
			var flags []string
			for _, match := range regexp.MustCompile(`(?m)^\s+(?:-\w, )?--([a-z-]+)`).FindAllStringSubmatch(string(help), -1) {
				// What goes to stdout is of no use to a step.
				if match[1] != "help" && match[1] != "output" {
					flags = append(flags, match[1])
				}
			}
			var action struct{ Inputs map[string]any }
			require.NoError(t, yaml.Unmarshal([]byte(readFile(t, filepath.Join(root, file))), &action))
			var inputs []string
			for name := range action.Inputs {
				if name != "binary" && name != "binary-checksum" && name != "sign-password" {
					inputs = append(inputs, name)
				}
			}
			require.ElementsMatch(t, flags, inputs)
		})
	}
}
