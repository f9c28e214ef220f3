package token

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
)

var errPrivateAddress = errors.New("address is not public")

// privateRanges are the networks that net/netip has no predicate for: shared
// address space, IETF protocol assignments, benchmarking, reserved, and the IPv6
// ranges that embed an IPv4 address (RFC 6890, RFC 6052, RFC 3056).
var privateRanges = func() []netip.Prefix {
	texts := []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "198.18.0.0/15", "240.0.0.0/4",
		"64:ff9b::/96", "64:ff9b:1::/48", "2001::/23", "2002::/16", "fec0::/10",
	}
	prefixes := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		prefixes[i] = netip.MustParsePrefix(text)
	}
	return prefixes
}()

func publicAddress(addr netip.Addr) bool {
	addr = addr.Unmap()
	if !addr.IsGlobalUnicast() || addr.IsPrivate() {
		return false
	}
	for _, prefix := range privateRanges {
		if prefix.Contains(addr) {
			return false
		}
	}
	return true
}

// guardedDialer looks at the address that a name resolved to, just before it is
// dialled: a name that resolves to something else a second time gains nothing.
func guardedDialer(allowLoopback bool) *net.Dialer {
	return &net.Dialer{ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return errPrivateAddress
		}
		if publicAddress(at.Addr()) || allowLoopback && at.Addr().Unmap().IsLoopback() {
			return nil
		}
		return errPrivateAddress
	}}
}
