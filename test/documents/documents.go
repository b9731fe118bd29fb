// Package documents gives to tests what documents show to people, who copy it. It is for
// packages two folders below the root of the repository.
package documents

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

var fenced = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")

// Read gives a document by its path from the root.
func Read(t *testing.T, document string) string {
	t.Helper()
	content, err := os.ReadFile("../../" + document)
	require.NoError(t, err)
	return string(content)
}

// Fenced gives the fenced parts of some kinds, such as console and yaml.
func Fenced(t *testing.T, document string, kinds ...string) (parts []string) {
	t.Helper()
	for _, m := range fenced.FindAllStringSubmatch(Read(t, document), -1) {
		if slices.Contains(kinds, m[1]) {
			parts = append(parts, m[2])
		}
	}
	return parts
}

// Role is the one of docs/rbac.yaml.
func Role(t *testing.T) (role rbacv1.Role) {
	t.Helper()
	for document := range strings.SplitSeq(Read(t, "docs/rbac.yaml"), "\n---\n") {
		var read rbacv1.Role
		require.NoError(t, yaml.Unmarshal([]byte(document), &read))
		if read.Kind == "Role" {
			return read
		}
	}
	require.Fail(t, "no Role in it")
	return role
}
