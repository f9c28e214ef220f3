package store

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/usherkit/usher/internal/logs"
)

// EventName is the stable name of an event, from the OWASP Logging Vocabulary where it
// has one.
type EventName string

// The events of the Service.
const (
	EventUserCreated          EventName = "user_created"
	EventUserUpdated          EventName = "user_updated"
	EventUserDisabled         EventName = "user_disabled"
	EventUserEnabled          EventName = "user_enabled"
	EventUserDeleted          EventName = "user_deleted"
	EventUserDeletionRefused  EventName = "user_delete_fail"
	EventUserImported         EventName = "user_imported"
	EventUsersExported        EventName = "users_exported"
	EventDataDownloaded       EventName = "data_downloaded"
	EventSignUpRefused        EventName = "user_create_fail"
	EventSignIn               EventName = "authn_login_success"
	EventSignInFailed         EventName = "authn_login_fail"
	EventSignInAfterFailures  EventName = "authn_login_successafterfail"
	EventSignInNewDevice      EventName = "authn_login_newdevice"
	EventReauthenticated      EventName = "authn_reauthenticate"
	EventPasswordLocked       EventName = "authn_login_lock"
	EventThrottled            EventName = "excess_rate_limit_exceeded"
	EventPasswordChanged      EventName = "authn_password_change"
	EventPasswordChangeFailed EventName = "authn_password_change_fail"
	EventPasswordExpired      EventName = "authn_password_expired"
	EventPasswordRehashed     EventName = "authn_password_rehash"
	EventPasswordDamaged      EventName = "authn_password_damaged"
	EventPasswordBreached     EventName = "authn_password_breached"
	EventBreachCheckFailed    EventName = "authn_password_breach_check_fail"
	EventResetRequested       EventName = "authn_password_reset_request"
	EventResetLinkUsed        EventName = "authn_password_reset_link"
	EventPasswordReset        EventName = "authn_password_reset"
	EventTokenRefused         EventName = "authn_token_refused"
	EventOperatorRefused      EventName = "authn_operator_refused"
	EventTokenReused          EventName = "authn_token_reuse"
	EventSignInTokenCreated   EventName = "authn_token_created"
	EventEmailVerifyRequested EventName = "user_email_verify_request"
	EventEmailVerified        EventName = "user_email_verify"
	EventEmailChangeRequested EventName = "user_email_change_request"
	EventEmailChangeCancelled EventName = "user_email_change_cancel"
	EventEmailChanged         EventName = "user_email_change"
	EventInvitationSent       EventName = "invitation_sent"
	EventInvitationAccepted   EventName = "invitation_accepted"
	EventInvitationWithdrawn  EventName = "invitation_withdrawn"
	EventInvitationReplaced   EventName = "invitation_replaced"
	EventSessionCreated       EventName = "session_created"
	EventSessionRenewed       EventName = "session_renewed"
	EventTenantSelected       EventName = "session_tenant_selected"
	EventSessionEnded         EventName = "session_ended"
	EventSignOut              EventName = "authn_logout"
	EventEmailGivenUp         EventName = "mail_given_up"
	EventEmailDropped         EventName = "mail_dropped"
	EventKeysRotated          EventName = "crypto_keys_rotated"
	EventPasswordSettings     EventName = "password_settings_change"
	EventForbidden            EventName = "authz_fail"
)

// Event is something that the Service did or refused, as it is passed to Config.OnEvent
// and, except for some that a client can cause without end, stored in the audit table. It
// contains no password, token, link or email address.
type Event struct {
	// ID is random.
	ID string
	// At is the time of the event, in UTC.
	At time.Time
	// Name is the kind of event.
	Name EventName
	// UserID and SessionID name the user and the session concerned. Either may be
	// empty.
	UserID, SessionID string
	// Address, UserAgent and RequestID are the client's.
	Address, UserAgent, RequestID string
	// Reason distinguishes causes that are never shown to the client, such as
	// "unknown_login_id" and "wrong_password". With EventEmailGivenUp and
	// EventEmailDropped it ends with the kind of email: "refused reset_password". With
	// the events of invitations it is the id of the invitation, and with
	// EventTenantSelected the id of the tenant.
	Reason string
	// Actor is the name of the operator who caused the event, and empty if no
	// operator did.
	Actor string
}

// LogValue returns the event as a group of its fields, without the empty ones. It has
// the first 16 hex digits of the SHA-256 of the session id, and the network of the
// address: the audit table has both in full.
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

// EventQuery selects events to read back, newest first.
type EventQuery struct {
	// UserID selects the events of one user. Defaults to all.
	UserID string
	// Name selects one kind of event. Defaults to all.
	Name EventName
	// Before selects events earlier than this time. Defaults to all.
	Before time.Time
	// Limit is the maximum number of events. Defaults to 100, at most 1000.
	Limit int
	// Cursor continues after a page: it is that page's Next. Defaults to the newest
	// events.
	Cursor string
}

// EventPage is one page of events.
type EventPage struct {
	// Events are the events of the page, newest first.
	Events []Event
	// Next is the Cursor of the following page, and empty if there are no further
	// events.
	Next string
}

// SignIn is a sign-in in the audit table: an EventSessionCreated, except of a session that
// a change of the password or an operator has started.
type SignIn struct {
	Event
	// Tenant is the tenant of the session. It is empty if the session has ended.
	Tenant string
}

// NoSignIn are the reasons of an EventSessionCreated that is not a sign-in of the user.
var NoSignIn = []string{"update", "impersonated"}

// EventStore keeps the audit trail.
type EventStore interface {
	// Record stores, in one transaction, effects that belong to no other.
	Record(ctx context.Context, fx Effects) error
	// Events returns one page of events, newest first. A caller that follows the
	// cursors gets each event exactly once, even if several have the same time or
	// further events are recorded meanwhile. ErrBadCursor if this store did not return
	// the cursor.
	Events(ctx context.Context, q EventQuery) (EventPage, error)
	// SignIns returns the last sign-ins of each user, newest first, at most limit of each.
	// It costs the same however many events there are.
	SignIns(ctx context.Context, userIDs []string, limit int) ([]SignIn, error)
}

// failures are the events that report a refusal or a failure.
var failures = map[EventName]bool{
	EventUserDeletionRefused: true, EventSignUpRefused: true, EventSignInFailed: true, EventPasswordLocked: true, EventThrottled: true,
	EventPasswordChangeFailed: true, EventPasswordExpired: true, EventPasswordDamaged: true, EventBreachCheckFailed: true,
	EventTokenRefused: true, EventTokenReused: true, EventOperatorRefused: true, EventEmailGivenUp: true, EventEmailDropped: true, EventForbidden: true,
}

// result returns "success" or "failure" for the log.
func (n EventName) result() string {
	if failures[n] {
		return "failure"
	}
	return "success"
}

// hashed returns the hash of an id for the log; "" if there is no id.
func hashed(id string) string {
	if id == "" {
		return ""
	}
	return logs.Hash(id)
}

// networkOf returns the network of an address for the log; "" if it is no address.
func networkOf(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return ""
	}
	return logs.Network(a)
}
