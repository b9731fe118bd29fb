package cluster

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNames(t *testing.T) {
	for name, allowed := range map[string]bool{
		"default": true, "a": true, "e2e-1": true, strings.Repeat("a", 20): true,
		"": false, "-a": false, "a-": false, "A": false, "a/b": false, "..": false, strings.Repeat("a", 21): false,
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, allowed, CheckName(name) == nil) })
	}
}

func TestAddressesOfTwoSandboxesDoNotMeet(t *testing.T) {
	one, two := Node{Name: "a", Dir: "/d/a", Index: 0}, Node{Name: "b", Dir: "/d/b", Index: 1}
	networks := []netip.Prefix{one.Link(), one.Pods(), one.Services(), two.Link(), two.Pods(), two.Services()}
	for i := range networks {
		for j := range i {
			require.False(t, networks[i].Overlaps(networks[j]), "%s and %s", networks[i], networks[j])
		}
	}
	require.True(t, one.Link().Contains(one.IP()))
	require.True(t, one.Services().Contains(one.DNSService()))
	require.NotEqual(t, one.HostLink(), two.HostLink())
}

func TestTheInterfaceFollowsFromTheDirectory(t *testing.T) {
	killed, next := Node{Name: "a", Dir: "/d/a", Index: 3}, Node{Name: "b", Dir: "/d/b", Index: 3}
	require.NotEqual(t, killed.HostLink(), next.HostLink(), "down of the killed one would take the other's away")
	require.LessOrEqual(t, len(killed.HostLink()), 15, "the kernel's limit")
}
