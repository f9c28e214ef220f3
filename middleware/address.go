package middleware

import (
	"net/http"
	"net/netip"
	"strings"
)

// ClientAddress returns the address of the client. That is the connection's
// peer, unless the peer is one of the trusted proxies: then it is the right-most
// entry of X-Forwarded-For that is no trusted proxy itself, for everything to
// the left of it is only what that client claims. Several X-Forwarded-For lines
// count as one list. At an entry that is no address the search ends with the
// last proxy that it came through.
//
// No other header is read: X-Real-IP, True-Client-IP and Forwarded pass many
// proxies untouched. The result is not valid where the connection has no IP
// address, such as a Unix socket.
func ClientAddress(r *http.Request, trusted []netip.Prefix) netip.Addr {
	at, ok := parseHop(r.RemoteAddr)
	if !ok || !contains(trusted, at) {
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

// ClientScheme returns "https" if the client's request came over TLS, as far as
// can be known, else "http". X-Forwarded-Proto counts only if the connection's
// peer is one of the trusted proxies, and of several entries the last.
func ClientScheme(r *http.Request, trusted []netip.Prefix) string {
	if lines := r.Header["X-Forwarded-Proto"]; len(lines) > 0 && len(trusted) > 0 {
		if at, ok := parseHop(r.RemoteAddr); ok && contains(trusted, at) {
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

// parseHop reads an address with or without a port, in the one form in which
// prefixes are compared: IPv4 as such, IPv6 without a zone.
func parseHop(s string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	if len(s) > 2 && s[0] == '[' && s[len(s)-1] == ']' {
		s = s[1 : len(s)-1]
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, false
	}
	return a.Unmap().WithZone(""), true
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
