package cluster

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheFirstFreeAddressBlock(t *testing.T) {
	for name, test := range map[string]struct {
		used []string
		want int
	}{
		"nothing in use":                    {nil, 0},
		"a sandbox beside":                  {[]string{"10.213.0.0/30", "10.214.0.0/24", "10.215.0.0/24"}, 1},
		"a gap between two":                 {[]string{"10.214.0.0/24", "10.214.2.0/24"}, 1},
		"only a Service network is taken":   {[]string{"10.215.0.0/24"}, 1},
		"a wide network covers the first 4": {[]string{"10.213.0.0/22"}, 4},
		"another private network":           {[]string{"10.0.0.0/9", "192.168.0.0/16"}, 0},
		"an address inside the block":       {[]string{"10.214.0.17/32"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var used []netip.Prefix
			for _, u := range test.used {
				used = append(used, netip.MustParsePrefix(u))
			}
			got, err := firstFree(used)
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
	_, err := firstFree([]netip.Prefix{netip.MustParsePrefix("10.192.0.0/10")})
	require.ErrorContains(t, err, "no free addresses")
}

func TestTheDefaultRouteIsNoUse(t *testing.T) {
	_, ok := prefix(nil)
	require.False(t, ok)
	_, ok = prefix(&net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)})
	require.False(t, ok)
	p, ok := prefix(&net.IPNet{IP: net.IPv4(10, 1, 0, 0), Mask: net.CIDRMask(16, 32)})
	require.True(t, ok)
	require.Equal(t, "10.1.0.0/16", p.String())
}
