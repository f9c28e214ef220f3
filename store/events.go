package store

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/usherkit/usher/internal/logs"
)

// EventName is the stable name of what happened. Where the OWASP Logging
// Vocabulary has a word for it, that word is used.
type EventName string

// What the Service says it did.
const (
	EventUserCreated          EventName = "user_created"
	EventUserUpdated          EventName = "user_updated"
	EventUserDisabled         EventName = "user_disabled"
	EventUserEnabled          EventName = "user_enabled"
	EventUserDeleted          EventName = "user_deleted"
	EventUserImported         EventName = "user_imported"
	EventSignUpRefused        EventName = "user_create_fail"
	EventSignIn               EventName = "authn_login_success"
	EventSignInFailed         EventName = "authn_login_fail"
	EventSignInAfterFailures  EventName = "authn_login_successafterfail"
	EventSignInNewDevice      EventName = "authn_login_newdevice"
	EventPasswordLocked       EventName = "authn_login_lock"
	EventThrottled            EventName = "excess_rate_limit_exceeded"
	EventPasswordChanged      EventName = "authn_password_change"
	EventPasswordChangeFailed EventName = "authn_password_change_fail"
	EventPasswordExpired      EventName = "authn_password_expired"
	EventPasswordRehashed     EventName = "authn_password_rehash"
	EventPasswordDamaged      EventName = "authn_password_damaged"
	EventBreachCheckFailed    EventName = "authn_password_breach_check_fail"
	EventResetRequested       EventName = "authn_password_reset_request"
	EventResetLinkUsed        EventName = "authn_password_reset_link"
	EventPasswordReset        EventName = "authn_password_reset"
	EventTokenRefused         EventName = "authn_token_refused"
	EventTokenReused          EventName = "authn_token_reuse"
	EventEmailVerifyRequested EventName = "user_email_verify_request"
	EventEmailVerified        EventName = "user_email_verify"
	EventEmailChangeRequested EventName = "user_email_change_request"
	EventEmailChangeCancelled EventName = "user_email_change_cancel"
	EventEmailChanged         EventName = "user_email_change"
	EventSessionCreated       EventName = "session_created"
	EventSessionRenewed       EventName = "session_renewed"
	EventSessionEnded         EventName = "session_ended"
	EventSignOut              EventName = "authn_logout"
	EventEmailGivenUp         EventName = "mail_given_up"
	EventEmailDropped         EventName = "mail_dropped"
	EventKeysRotated          EventName = "crypto_keys_rotated"
	EventForbidden            EventName = "authz_fail"
)

// Event is something the Service did or refused, as it goes to
// [Config.OnEvent] and into the audit table. It holds no password, no token,
// no link and no mail address.
type Event struct {
	// ID is random.
	ID string
	// At is when it happened, in UTC.
	At time.Time
	// Name says what happened.
	Name EventName
	// UserID and SessionID say to whom; either may be empty.
	UserID, SessionID string
	// Address, UserAgent and RequestID are the client's.
	Address, UserAgent, RequestID string
	// Reason tells causes apart that the caller is never told, such as
	// "unknown_login_id" and "wrong_password". With EventEmailGivenUp and
	// EventEmailDropped the kind of the mail follows: "refused reset_password".
	Reason string
	// Actor is the name of the operator who caused the event, and empty if no
	// operator did.
	Actor string
}

// LogValue writes the event as a group of its fields without the empty ones. Of
// the session it has the first 16 hex digits of the id's SHA-256, of the address
// the network: the audit table has both in full.
func (e Event) LogValue() slog.Value {
	attrs := []slog.Attr{
		slog.String("event", string(e.Name)),
		slog.Time("at", e.At.UTC()),
		slog.String("result", e.Name.result()),
	}
	for _, a := range []slog.Attr{
		slog.String("user_id", e.UserID),
		slog.String("session", hashed(e.SessionID)),
		slog.String("network", networkOf(e.Address)),
		slog.String("request_id", e.RequestID),
		slog.String("reason", e.Reason),
		slog.String("actor", e.Actor),
	} {
		if a.Value.String() != "" {
			attrs = append(attrs, a)
		}
	}
	return slog.GroupValue(attrs...)
}

// EventQuery chooses events to read back, newest first.
type EventQuery struct {
	// UserID restricts to one user. Defaults to all.
	UserID string
	// Name restricts to one kind of event. Defaults to all.
	Name EventName
	// Before restricts to events earlier than this instant. Defaults to no
	// restriction.
	Before time.Time
	// Limit is how many at most. Defaults to 100, at most 1000.
	Limit int
}

// EventStore keeps the audit trail.
type EventStore interface {
	// Record stores effects that belong to no other step, in one.
	Record(ctx context.Context, fx Effects) error
	// Events reads the audit trail back, newest first.
	Events(ctx context.Context, q EventQuery) ([]Event, error)
}

// failures are the events that tell of something refused or given up.
var failures = map[EventName]bool{
	EventSignUpRefused: true, EventSignInFailed: true, EventPasswordLocked: true, EventThrottled: true,
	EventPasswordChangeFailed: true, EventPasswordExpired: true, EventPasswordDamaged: true, EventBreachCheckFailed: true,
	EventTokenRefused: true, EventTokenReused: true, EventEmailGivenUp: true, EventEmailDropped: true, EventForbidden: true,
}

// result says whether what was asked for was done.
func (n EventName) result() string {
	if failures[n] {
		return "failure"
	}
	return "success"
}

// hashed is what the log has of an id, if there is one.
func hashed(id string) string {
	if id == "" {
		return ""
	}
	return logs.Hash(id)
}

// networkOf is what the log has of an address, if there is one.
func networkOf(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	return logs.Network(a)
}
