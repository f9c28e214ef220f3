// Package ipaddr puts the addresses of clients into one form.
package ipaddr

import (
	"net/netip"
	"strings"
)

// nat64 is the well-known prefix in which a NAT64 gateway presents IPv4 clients to an
// IPv6 server (RFC 6052 §2.1).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// Canonical returns the IPv4 address of a client that is given as an IPv4-mapped IPv6
// address (::ffff:192.0.2.1) or behind a NAT64 gateway (64:ff9b::c000:201). Every
// other address is returned without its zone. An invalid address stays invalid.
func Canonical(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if !nat64.Contains(a) {
		return a
	}
	all := a.As16()
	return netip.AddrFrom4([4]byte(all[12:]))
}

// Network returns the network that counts as one client: an IPv4 address, or the /64
// prefix of an IPv6 address, because one client usually has the whole prefix. For an
// invalid address it returns "unknown".
func Network(a netip.Addr) string { return network(a, 64) }

// Networks returns the networks that one customer may have, smallest first: an IPv4
// address, or the /64, /56 and /48 prefixes of an IPv6 address (RFC 6177).
func Networks(a netip.Addr) []string {
	if a = Canonical(a); !a.Is6() {
		return []string{network(a, 64)}
	}
	return []string{network(a, 64), network(a, 56), network(a, 48)}
}

func network(a netip.Addr, bits int) string {
	switch a = Canonical(a); {
	case !a.IsValid():
		return "unknown"
	case a.Is4():
		return a.String()
	}
	return netip.PrefixFrom(a, bits).Masked().String()
}

// Short returns an address for people: an IPv4 address, or of an IPv6 address its
// network and "…", because the rest changes from day to day. For an invalid address it
// returns "".
func Short(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	text, _ := strings.CutSuffix(Network(a), "::/64")
	if Canonical(a).Is6() {
		text += ":…"
	}
	return text
}
