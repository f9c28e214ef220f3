package ipaddr_test

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/usherkit/usher/internal/ipaddr"
)

func TestSI08_EachClientOfANAT64GatewayIsANetworkOfItsOwn(t *testing.T) {
	for given, want := range map[string][2]string{
		"203.0.113.77":          {"203.0.113.77", "203.0.113.77"},
		"::ffff:203.0.113.77":   {"203.0.113.77", "203.0.113.77"},
		"64:ff9b::203.0.113.77": {"203.0.113.77", "203.0.113.77"},
		"64:ff9b::cb00:714e":    {"203.0.113.78", "203.0.113.78"},
		"64:ff9b:1::cb00:714e":  {"64:ff9b:1::cb00:714e", "64:ff9b:1::/64"},
		"2001:db8:1:2:3:4:5:6":  {"2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
		"fe80::1%eth0":          {"fe80::1", "fe80::/64"},
	} {
		a := netip.MustParseAddr(given)
		if got := ipaddr.Canonical(a).String(); got != want[0] {
			t.Errorf("%s is %s, want %s", given, got, want[0])
		}
		if got := ipaddr.Network(a); got != want[1] {
			t.Errorf("the network of %s is %s, want %s", given, got, want[1])
		}
	}
	if got := ipaddr.Network(netip.Addr{}); ipaddr.Canonical(netip.Addr{}).IsValid() || got != "unknown" {
		t.Errorf("an invalid address is in the network %s", got)
	}
}

// A customer may have a /48, and thereby 65,536 networks of a /64.
func TestSI08_TheNetworksOfACustomer(t *testing.T) {
	for given, want := range map[string][]string{
		"203.0.113.77":            {"203.0.113.77"},
		"::ffff:203.0.113.77":     {"203.0.113.77"},
		"64:ff9b::203.0.113.77":   {"203.0.113.77"},
		"2001:db8:1:12ff:3:4:5:6": {"2001:db8:1:12ff::/64", "2001:db8:1:1200::/56", "2001:db8:1::/48"},
		"2001:db8:1:12ff::%eth0":  {"2001:db8:1:12ff::/64", "2001:db8:1:1200::/56", "2001:db8:1::/48"},
	} {
		if got := ipaddr.Networks(netip.MustParseAddr(given)); !slices.Equal(got, want) {
			t.Errorf("the networks of %s are %v, want %v", given, got, want)
		}
	}
	if got := ipaddr.Networks(netip.Addr{}); !slices.Equal(got, []string{"unknown"}) {
		t.Errorf("the networks of an invalid address are %v", got)
	}
}
