package cluster

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// freeIndex finds an address block that no interface or route of the host uses.
func freeIndex() (int, error) {
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return 0, fmt.Errorf("listing routes: %w", err)
	}
	var used []netip.Prefix
	for _, r := range routes {
		if p, ok := prefix(r.Dst); ok {
			used = append(used, p)
		}
	}
	return firstFree(used)
}

// firstFree gives the first index whose networks overlap none of those in use.
func firstFree(used []netip.Prefix) (int, error) {
	for index := range 256 {
		node := Node{Index: index}
		free := true
		for _, own := range []netip.Prefix{node.Link(), node.Pods(), node.Services()} {
			for _, other := range used {
				free = free && !own.Overlaps(other)
			}
		}
		if free {
			return index, nil
		}
	}
	return 0, errors.New("no free addresses: all of 10.213.0.0/16, 10.214.0.0/16 and 10.215.0.0/16 is routed elsewhere")
}

// prefix gives a route's destination; the default route does not count.
func prefix(destination *net.IPNet) (netip.Prefix, bool) {
	if destination == nil {
		return netip.Prefix{}, false
	}
	address, ok := netip.AddrFromSlice(destination.IP)
	ones, _ := destination.Mask.Size()
	return netip.PrefixFrom(address.Unmap(), ones), ok && ones > 0
}

// makeLink connects host and node and routes pods and Services to the node.
func makeLink(node Node, pid int) error {
	attributes := netlink.NewLinkAttrs()
	attributes.Name = node.HostLink()
	veth := &netlink.Veth{LinkAttrs: attributes, PeerName: node.NodeLink(), PeerNamespace: netlink.NsPid(pid)}
	err := netlink.LinkAdd(veth)
	if errors.Is(err, unix.EOPNOTSUPP) {
		return fmt.Errorf("making the interface %s: %w: the kernel has no veth interfaces, try `modprobe veth`; %s", node.HostLink(), err, alternative)
	}
	if err != nil {
		return fmt.Errorf("making the interface %s: %w", node.HostLink(), err)
	}
	link, err := netlink.LinkByName(node.HostLink())
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(link, &netlink.Addr{IPNet: ipNet(node.Link())}); err != nil {
		return fmt.Errorf("giving %s an address: %w", node.HostLink(), err)
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return err
	}
	for _, network := range []netip.Prefix{node.Pods(), node.Services()} {
		route := &netlink.Route{LinkIndex: link.Attrs().Index, Dst: ipNet(network.Masked()), Gw: node.IP().AsSlice()}
		if err := netlink.RouteAdd(route); err != nil {
			return fmt.Errorf("routing %s to the node: %w", network, err)
		}
	}
	return nil
}

func removeLink(node Node) error {
	link, err := netlink.LinkByName(node.HostLink())
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil
	}
	if err != nil {
		return err
	}
	// The kernel takes it away with the namespace, at a time of its own.
	if err := netlink.LinkDel(link); err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("removing the interface %s: %w", node.HostLink(), err)
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
