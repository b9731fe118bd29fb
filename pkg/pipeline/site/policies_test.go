package site

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/stagecrew/stagecrew/pkg/record"
)

// What a deployment asks for by the policy's name there is, and the other way round.
func TestEveryPolicyThatDoesSomethingIsThere(t *testing.T) {
	names := []record.MigratedPolicy{""}
	for _, choice := range record.MigratedPolicy("").Choices() {
		names = append(names, record.MigratedPolicy(choice.Value))
	}
	for _, name := range names {
		_, found := policies[name]
		require.Equal(t, name.Undoes(), found, "%q", name)
	}
	require.False(t, record.MigratedStop.Undoes())
}
