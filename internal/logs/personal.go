package logs

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
)

// Network returns what a log may keep of a client's address: the /24 of IPv4,
// the /64 of IPv6, or "unknown".
func Network(a netip.Addr) string {
	bits := 64
	if a = a.Unmap().WithZone(""); a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil || !a.IsValid() {
		return "unknown"
	}
	return p.String()
}

// Hash returns what a log may keep of an id that it need only recognise: the
// first 16 hex digits of its SHA-256.
func Hash(id string) string {
	h := sha256.Sum256([]byte(id))
	return hex.EncodeToString(h[:8])
}
