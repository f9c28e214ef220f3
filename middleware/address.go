package middleware

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/usherkit/usher/internal/ipaddr"
)

// UnixSocket is an entry for TrustedProxies that stands for every peer that connects
// by a Unix socket, because such a peer has no address. Only a proxy may then be able
// to open the socket: protect it by the permissions of its directory.
var UnixSocket = netip.PrefixFrom(netip.IPv6Unspecified(), 128) // no peer has this address

// ClientAddress returns the address of the client: the peer of the connection or,
// if the peer is a trusted proxy, the right-most entry of X-Forwarded-For that is
// not a trusted proxy. Clients can forge the entries to the left of it. Several
// X-Forwarded-For headers count as one list. If an entry is not an address, the
// result is the proxy to the right of it.
//
// ClientAddress reads no other header, because many proxies forward X-Real-IP,
// True-Client-IP and Forwarded from clients. The result is invalid if the peer has no
// IP address, as with a Unix socket, and is not trusted or names no client.
func ClientAddress(r *http.Request, trusted []netip.Prefix) netip.Addr {
	at, ok := peer(r, trusted)
	if !ok {
		return at
	}
	lines := r.Header["X-Forwarded-For"]
	for i := len(lines) - 1; i >= 0; i-- {
		for rest, more := lines[i], true; more; {
			var entry string
			if comma := strings.LastIndexByte(rest, ','); comma >= 0 {
				rest, entry = rest[:comma], rest[comma+1:]
			} else {
				entry, more = rest, false
			}
			hop, ok := parseHop(strings.Trim(entry, " \t"))
			if !ok {
				return at
			}
			at = hop
			if !contains(trusted, at) {
				return at
			}
		}
	}
	return at
}

// ClientScheme returns the scheme of the client's request, "https" or "http". If
// the peer of the connection is a trusted proxy, that is the last entry of
// X-Forwarded-Proto; otherwise it is "https" if the connection uses TLS.
func ClientScheme(r *http.Request, trusted []netip.Prefix) string {
	if lines := r.Header["X-Forwarded-Proto"]; len(lines) > 0 {
		if _, ok := peer(r, trusted); ok {
			last := lines[len(lines)-1]
			last = strings.Trim(last[strings.LastIndexByte(last, ',')+1:], " \t")
			switch {
			case strings.EqualFold(last, "https"):
				return "https"
			case strings.EqualFold(last, "http"):
				return "http"
			}
		}
	}
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

// peer returns the address of the connection's peer, which is invalid for a Unix
// socket, and whether the peer is a trusted proxy.
func peer(r *http.Request, trusted []netip.Prefix) (netip.Addr, bool) {
	local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if local != nil && strings.HasPrefix(local.Network(), "unix") {
		// The client chooses the name of its socket, which may look like an address.
		return netip.Addr{}, slices.Contains(trusted, UnixSocket)
	}
	at, ok := parseHop(r.RemoteAddr)
	return at, ok && contains(trusted, at)
}

// parseHop parses an address with or without a port. Its form is canonical, so that
// prefixes match.
func parseHop(s string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ipaddr.Canonical(ap.Addr()), true
	}
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		s = s[1 : len(s)-1]
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, false
	}
	return ipaddr.Canonical(a), true
}

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}
