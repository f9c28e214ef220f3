package logs

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"

	"github.com/usherkit/usher/internal/ipaddr"
)

// Network returns the network of a client's address, which is logged instead of
// the address: the /24 of an IPv4 address, the /64 of an IPv6 address, or
// "unknown" for an invalid one.
func Network(a netip.Addr) string {
	bits := 64
	if a = ipaddr.Canonical(a); a.Is4() {
		bits = 24
	}
	p, err := a.Prefix(bits)
	if err != nil || !a.IsValid() {
		return "unknown"
	}
	return p.String()
}

// Hash returns the first 16 hex digits of the SHA-256 of an id. It is logged
// instead of the id, where the reader only needs to recognize the same id.
func Hash(id string) string {
	h := sha256.Sum256([]byte(id))
	return hex.EncodeToString(h[:8])
}
