package usher

import (
	"net/netip"

	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// Client describes the client of a call, as far as the caller knows it. All fields
// are optional. Clients without an address share the limits of one network.
type Client struct {
	// Address is the client's own IP address, not that of a proxy.
	Address netip.Addr
	// UserAgent is the User-Agent header of the client. It is cut to 256 bytes.
	UserAgent string
	// Language is the language that the user reads: a BCP 47 tag, or the value of an
	// Accept-Language header (RFC 9110 §12.5.4). It is cut to 128 bytes. A sign-up,
	// and a sign-in from a known browser, store it as [User.Language].
	Language string
	// RequestID is recorded with every event.
	RequestID string
	// Device is the [Authentication.Device] of an earlier sign-in. Such a known
	// browser has its own limits, so that an attacker who uses up the limits of
	// unknown browsers does not lock the user out.
	Device Secret
	// SessionID is the session that the request already has, taken from a verified
	// token. A call that signs a user in ends that session, so that an attacker who
	// planted it in the browser does not share the new one. So does a call that resets a
	// password, so that the client does not go on as another user.
	SessionID string
	// SessionActor is the operator who acts as the user of that session, if there is one
	// ([token.Claims.Actor]). The event of the end of the session names the operator.
	SessionActor string
	// EndWithBrowser makes the session that the call starts end with the browser: its
	// cookies end when the browser is closed, and it ends after
	// [SessionConfig.BrowserAbsolute] at the latest. Defaults to false: the cookies last as
	// long as the session.
	EndWithBrowser bool

	// PrepareDelivery gets the tokens of a session before the session is stored, and
	// before any other session ends. It prepares whatever brings them to the client,
	// such as a cookie. If it returns an error, the call returns that error and has
	// changed nothing. Only calls that sign a user in, UpdatePassword and Reauthenticate
	// use it.
	PrepareDelivery func(token.Pair) error

	// actor is the name of the operator who causes the events.
	actor string
}

// actingBy returns the client with the operator who acts as the user of the claims, if
// there is one.
func (c Client) actingBy(claims *token.Claims) Client {
	if claims.Actor != "" {
		c.actor = claims.Actor
	}
	return c
}

// newTokens issues the tokens of a session that will be stored, and prepares their
// delivery.
func (s *Service) newTokens(u User, session store.SessionRecord, jti string, custom map[string]any, c Client) (token.Pair, error) {
	tokens, err := s.issueTokens(u, session, jti, custom)
	if err == nil && c.PrepareDelivery != nil {
		err = c.PrepareDelivery(tokens)
	}
	return tokens, err
}
