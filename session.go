package usher

import (
	"net/netip"
	"time"

	"github.com/usherkit/usher/token"
)

// Secret is a string that refuses to print. See [token.Secret].
type Secret = token.Secret

// SessionKind says what a session is good for.
type SessionKind string

// The kinds of session.
const (
	// SessionFull is a signed-in device.
	SessionFull SessionKind = "full"
	// SessionReset comes from a mailed link and is good for setting one new
	// password, nothing else.
	SessionReset SessionKind = "reset"
)

// Session is one signed-in device.
type Session struct {
	// ID names the session: the claim sid of its tokens. It opens nothing.
	ID string
	// UserID is whose session it is.
	UserID string
	// Kind is full, or reset.
	Kind SessionKind
	// CreatedAt is when the password was checked. The absolute life and the
	// age of the sign-in count from here; refreshing never moves it.
	CreatedAt time.Time
	// LastSeenAt is the last refresh (or the sign-in).
	LastSeenAt time.Time
	// IdleExpiresAt ends a session that nobody refreshes; it moves with every
	// refresh, never beyond ExpiresAt.
	IdleExpiresAt time.Time
	// ExpiresAt is the absolute end.
	ExpiresAt time.Time
	// AMR are the methods of the sign-in (RFC 8176): "pwd", "email".
	AMR []string
	// UserAgent and Address describe the device at its last refresh. Address
	// is empty when it was not known.
	UserAgent, Address string

	// RefreshHash is SHA-256 of the jti of the refresh token in use.
	RefreshHash []byte
	// PreviousHash is the one before it, empty if there is none that the grace
	// time could still serve.
	PreviousHash []byte
	// RotatedAt is when RefreshHash took its place.
	RotatedAt time.Time
}

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
}

// Authentication is what a sign-in, a sign-up or a refresh hands out.
type Authentication struct {
	// User is who signed in.
	User User
	// Session is the device's session.
	Session Session
	// Tokens are the session token and the refresh token.
	Tokens token.Pair
	// Device is to be kept by the browser for half a year and sent along at
	// the next sign-in as [Client.Device]. A change of the password voids it;
	// who made the change is given a new one. Empty after a refresh.
	Device Secret
	// FirstSeen is true when this call created the user.
	FirstSeen bool
}
