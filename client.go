package usher

import "net/netip"

// Client is who asks: what is known of the connection behind a call. All
// fields are optional; what is missing is counted as one unknown network.
type Client struct {
	// Address is the client's address, already freed of proxies.
	Address netip.Addr
	// UserAgent is what the client calls itself. It is cut to 256 bytes.
	UserAgent string
	// Language is what the person reads: a BCP 47 tag, or the value of an
	// Accept-Language header (RFC 9110 §12.5.4). It is cut to 128 bytes. At a
	// sign-up, and at a sign-in of a browser that has signed in before, it becomes
	// [User.Language].
	Language string
	// RequestID is noted with every event.
	RequestID string
	// Device is the token of a browser that has signed in before
	// ([Authentication.Device]). It lets the owner in while strangers are
	// being slowed down.
	Device Secret
	// SessionID is a session that the request already had, by a token that
	// verified. A sign-in ends it: no session survives a change of hands.
	SessionID string

	// actor is the operator behind a call, for the events.
	actor string
}
