package sign

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheRepositoryIsReadWhereABuilderSaysIt(t *testing.T) {
	t.Parallel()
	for parameters, want := range map[string][]string{
		`{"workflow":{"repository":"https://github.com/org/repo","ref":"refs/heads/main"}}`: {"https://github.com/org/repo"},
		// slsa-framework/slsa-verifier#623, slsa-framework/slsa#586
		`{"source":"git+https://github.com/org/repo@refs/heads/main"}`:                     {"git+https://github.com/org/repo@refs/heads/main"},
		`{"source":{"uri":"git+https://github.com/org/repo@refs/heads/main","digest":{}}}`: {"git+https://github.com/org/repo@refs/heads/main"},
		// fouteox/fadogen#40: BuildKit's, signed by `cosign attest`
		`{"configSource":{"uri":"https://github.com/org/repo.git#refs/heads/main","path":"Dockerfile"},"request":{}}`:  {"https://github.com/org/repo.git#refs/heads/main"},
		`{"buildConfigSource":{"repository":"https://github.com/org/repo","path":"cloudbuild.yaml"}}`:                  {"https://github.com/org/repo"},
		`{"source":{"uri":"https://github.com/org/repo"},"workflow":{"repository":"https://github.com/org/repo.git"}}`: {"https://github.com/org/repo.git"},
		`{"source":"https://github.com/else/repo","workflow":{"repository":"https://github.com/org/repo"}}`:            {"https://github.com/org/repo", "https://github.com/else/repo"},
		`{"source":7}`: nil,
		`{}`:           nil,
	} {
		require.Equal(t, want, builtFrom(json.RawMessage(`{"buildDefinition":{"externalParameters":`+parameters+`}}`)), parameters)
	}
	require.Nil(t, builtFrom(json.RawMessage(`[]`)))
}

func TestARepositoryIsTheSameHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	for _, same := range []string{
		"https://github.com/org/repo", "https://github.com/org/repo/", "https://github.com/Org/repo.git", "git+https://github.com/org/repo@refs/tags/v1", "https://github.com/org/repo.git#refs/heads/main:folder",
	} {
		require.True(t, sameRepository(same, "https://github.com/org/repo"), same)
	}
	for _, other := range []string{"", "https://github.com/org/repo2", "https://github.com/org/repo/x", "https://github.com@evil.example.com/org/repo", "http://github.com/org/repo"} {
		require.False(t, sameRepository(other, "https://github.com/org/repo"), other)
	}
}
