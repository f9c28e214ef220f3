package middleware_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/usherkit/usher/middleware"
)

var proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}

func TestSI08_ClientAddress(t *testing.T) {
	forged := []string{"X-Forwarded-For", "1.1.1.1", "X-Real-IP", "1.1.1.1", "Forwarded", "for=1.1.1.1", "True-Client-IP", "1.1.1.1", "CF-Connecting-IP", "1.1.1.1"}
	for name, c := range map[string]struct {
		peer    string
		headers []string
		want    string
	}{
		"direct":                      {"203.0.113.5:1234", nil, "203.0.113.5"},
		"direct, forged":              {"203.0.113.5:1234", forged, "203.0.113.5"},
		"direct, IPv6":                {"[2001:db8::1]:1234", forged, "2001:db8::1"},
		"direct, zone":                {"[fe80::1%eth0]:1234", nil, "fe80::1"},
		"direct, mapped":              {"[::ffff:203.0.113.5]:1234", nil, "203.0.113.5"},
		"proxy":                       {"10.0.0.1:80", []string{"X-Forwarded-For", "203.0.113.5"}, "203.0.113.5"},
		"proxy, mapped peer":          {"[::ffff:10.0.0.1]:80", []string{"X-Forwarded-For", "203.0.113.5"}, "203.0.113.5"},
		"proxy, other headers":        {"10.0.0.1:80", forged[2:], "10.0.0.1"},
		"nginx appends":               {"10.0.0.1:80", []string{"X-Forwarded-For", "1.1.1.1, 203.0.113.5"}, "203.0.113.5"},
		"haproxy adds a line":         {"10.0.0.1:80", []string{"X-Forwarded-For", "1.1.1.1", "X-Forwarded-For", "203.0.113.5"}, "203.0.113.5"},
		"haproxy, forged list":        {"10.0.0.1:80", []string{"X-Forwarded-For", "1.1.1.1, 10.0.0.9", "X-Forwarded-For", "203.0.113.5"}, "203.0.113.5"},
		"two proxies":                 {"10.0.0.1:80", []string{"X-Forwarded-For", "1.1.1.1, 203.0.113.5, 10.0.0.2"}, "203.0.113.5"},
		"two proxies, two lines":      {"10.0.0.1:80", []string{"X-Forwarded-For", "1.1.1.1, 203.0.113.5", "X-Forwarded-For", "10.0.0.2"}, "203.0.113.5"},
		"IPv6 proxy":                  {"[fd00::1]:80", []string{"X-Forwarded-For", "2001:db8::7"}, "2001:db8::7"},
		"entry with port":             {"10.0.0.1:80", []string{"X-Forwarded-For", "203.0.113.5:55"}, "203.0.113.5"},
		"entry in brackets":           {"10.0.0.1:80", []string{"X-Forwarded-For", "[2001:db8::7]"}, "2001:db8::7"},
		"entry in brackets, port":     {"10.0.0.1:80", []string{"X-Forwarded-For", "[2001:db8::7]:55"}, "2001:db8::7"},
		"only proxies":                {"10.0.0.1:80", []string{"X-Forwarded-For", "10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		"no header":                   {"10.0.0.1:80", nil, "10.0.0.1"},
		"empty header":                {"10.0.0.1:80", []string{"X-Forwarded-For", ""}, "10.0.0.1"},
		"rubbish":                     {"10.0.0.1:80", []string{"X-Forwarded-For", "1.1.1.1, unknown"}, "10.0.0.1"},
		"rubbish behind a proxy":      {"10.0.0.1:80", []string{"X-Forwarded-For", "1.1.1.1, _x, 10.0.0.2"}, "10.0.0.2"},
		"leading comma":               {"10.0.0.1:80", []string{"X-Forwarded-For", ",203.0.113.5"}, "203.0.113.5"},
		"brackets alone":              {"10.0.0.1:80", []string{"X-Forwarded-For", "1.1.1.1, []"}, "10.0.0.1"},
		"half a pair of brackets":     {"10.0.0.1:80", []string{"X-Forwarded-For", "1.1.1.1, [2001:db8::7"}, "10.0.0.1"},
		"trailing comma":              {"10.0.0.1:80", []string{"X-Forwarded-For", "1.1.1.1,"}, "10.0.0.1"},
		"second line is empty":        {"10.0.0.1:80", []string{"X-Forwarded-For", "1.1.1.1", "X-Forwarded-For", " "}, "10.0.0.1"},
		"mapped entry is its IPv4":    {"10.0.0.1:80", []string{"X-Forwarded-For", "203.0.113.5, ::ffff:10.0.0.2"}, "203.0.113.5"},
		"Unix socket":                 {"@", forged, "invalid IP"},
		"no peer":                     {"", forged, "invalid IP"},
		"peer without port (testing)": {"203.0.113.5", nil, "203.0.113.5"},
	} {
		r := request("GET", "/", headers(c.headers...))
		r.RemoteAddr = c.peer
		if got := middleware.ClientAddress(r, proxies); got.String() != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	r := request("GET", "/", headers(forged...))
	r.RemoteAddr = "10.0.0.1:80"
	if got := middleware.ClientAddress(r, nil); got.String() != "10.0.0.1" {
		t.Errorf("without proxies: %s", got)
	}
}

func TestSI08_ClientScheme(t *testing.T) {
	for name, c := range map[string]struct {
		peer    string
		tls     bool
		headers []string
		want    string
	}{
		"plain":                 {"203.0.113.5:1", false, nil, "http"},
		"TLS":                   {"203.0.113.5:1", true, nil, "https"},
		"forged":                {"203.0.113.5:1", false, []string{"X-Forwarded-Proto", "https"}, "http"},
		"forged, TLS":           {"203.0.113.5:1", true, []string{"X-Forwarded-Proto", "http"}, "https"},
		"proxy":                 {"10.0.0.1:1", false, []string{"X-Forwarded-Proto", "HTTPS"}, "https"},
		"proxy, plain client":   {"10.0.0.1:1", true, []string{"X-Forwarded-Proto", "http"}, "http"},
		"proxy, list":           {"10.0.0.1:1", false, []string{"X-Forwarded-Proto", "https, http"}, "http"},
		"proxy, second line":    {"10.0.0.1:1", false, []string{"X-Forwarded-Proto", "http", "X-Forwarded-Proto", "https"}, "https"},
		"proxy, rubbish":        {"10.0.0.1:1", false, []string{"X-Forwarded-Proto", "wss"}, "http"},
		"proxy, other headers":  {"10.0.0.1:1", false, []string{"X-Forwarded-Ssl", "on", "Forwarded", "proto=https"}, "http"},
		"proxy, TLS, no header": {"10.0.0.1:1", true, nil, "https"},
	} {
		r := request("GET", "/", headers(c.headers...))
		r.RemoteAddr, r.TLS = c.peer, nil
		if c.tls {
			r.TLS = &tls.ConnectionState{}
		}
		if got := middleware.ClientScheme(r, proxies); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// A proxy that connects by a Unix socket has no address. It is trusted by name.
func TestSI08_AProxyBehindAUnixSocket(t *testing.T) {
	unix, tcp := &net.UnixAddr{Name: "/run/app.sock", Net: "unix"}, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80}
	socket := []netip.Prefix{middleware.UnixSocket}
	forwarded := []string{"X-Forwarded-For", "1.1.1.1, 203.0.113.5", "X-Forwarded-Proto", "https"}
	for name, c := range map[string]struct {
		local           net.Addr
		peer            string
		trusted         []netip.Prefix
		headers         []string
		address, scheme string
	}{
		"trusted":                        {unix, "@", socket, forwarded, "203.0.113.5", "https"},
		"trusted, peer without name":     {unix, "", socket, forwarded, "203.0.113.5", "https"},
		"trusted, named peer":            {unix, "/tmp/client", socket, forwarded, "203.0.113.5", "https"},
		"trusted, no header":             {unix, "@", socket, nil, "invalid IP", "http"},
		"trusted, rubbish":               {unix, "@", socket, []string{"X-Forwarded-For", "203.0.113.5, unix:"}, "invalid IP", "http"},
		"trusted, a second proxy":        {unix, "@", append(socket, proxies...), []string{"X-Forwarded-For", "203.0.113.5, 10.0.0.1"}, "203.0.113.5", "http"},
		"trusted, named like an address": {unix, "192.0.2.7:80", socket, forwarded, "203.0.113.5", "https"},
		"named like a trusted proxy":     {unix, "10.0.0.1", proxies, forwarded, "invalid IP", "http"},
		"named like an address":          {unix, "192.0.2.7", nil, nil, "invalid IP", "http"},
		"a socket of packets":            {&net.UnixAddr{Name: "/run/app.sock", Net: "unixpacket"}, "10.0.0.1", proxies, forwarded, "invalid IP", "http"},
		"not trusted":                    {unix, "@", proxies, forwarded, "invalid IP", "http"},
		"not trusted, no proxies":        {unix, "@", nil, forwarded, "invalid IP", "http"},
		"TCP":                            {tcp, "203.0.113.9:1", socket, forwarded, "203.0.113.9", "http"},
		"TCP, the unspecified sender":    {tcp, "", socket, forwarded, "invalid IP", "http"},
		"no connection":                  {nil, "@", socket, forwarded, "invalid IP", "http"},
	} {
		r := request("GET", "/", headers(c.headers...))
		if r.RemoteAddr, r.TLS = c.peer, nil; c.local != nil {
			r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, c.local))
		}
		if got := middleware.ClientAddress(r, c.trusted); got.String() != c.address {
			t.Errorf("%s: address %s, want %s", name, got, c.address)
		}
		if got := middleware.ClientScheme(r, c.trusted); got != c.scheme {
			t.Errorf("%s: scheme %s, want %s", name, got, c.scheme)
		}
	}
	w := newWorld(t)
	w.middleware(func(c *middleware.Config) { c.TrustedProxies = socket }) // it is a valid entry
}

// For all headers, the address is one that a trusted proxy reported, and a client
// cannot change it.
func FuzzClientAddress(f *testing.F) {
	f.Add("10.0.0.1:80", "1.1.1.1, 10.0.0.2", "203.0.113.5")
	f.Add("203.0.113.5:80", "1.1.1.1", "")
	f.Add("[::1]:80", "[::1]:80, ,", ",")
	f.Fuzz(func(t *testing.T, peer, one, two string) {
		r := &http.Request{RemoteAddr: peer, Header: http.Header{"X-Forwarded-For": {one, two}}}
		bare := &http.Request{RemoteAddr: peer, Header: http.Header{}}
		got, base := middleware.ClientAddress(r, proxies), middleware.ClientAddress(bare, proxies)
		if got.Is4In6() || got.Zone() != "" {
			t.Fatalf("%s is not in canonical form", got)
		}
		trusted := slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(base) })
		if !trusted && got != base {
			t.Fatalf("%s was trusted instead of %s", got, base)
		}
		// The proxy appends its entry to those of the client.
		r.Header["X-Forwarded-For"] = []string{one, two, "198.51.100.9"}
		if got := middleware.ClientAddress(r, proxies); trusted && got.String() != "198.51.100.9" {
			t.Fatalf("got %s", got)
		}
		r.Header["X-Forwarded-For"] = []string{strings.Join([]string{one, two, "198.51.100.9"}, ",")}
		if got := middleware.ClientAddress(r, proxies); trusted && got.String() != "198.51.100.9" {
			t.Fatalf("got %s", got)
		}
	})
}
