package usher

import (
	"context"

	"github.com/usherkit/usher/store"
)

// The types that programs use. Package store declares them.
type (
	// User is a stored user. See [store.User].
	User = store.User
	// Profile holds the profile fields that users edit themselves. See [store.Profile].
	Profile = store.Profile
	// Fields are the values of Config.SignUpFields. See [store.Fields].
	Fields = store.Fields
	// EmailAddress is an address and whether it was proven. See [store.EmailAddress].
	EmailAddress = store.EmailAddress
	// Status says whether a user may sign in.
	Status = store.Status
	// Session is one signed-in device. See [store.Session].
	Session = store.Session
	// Event is something that the Service did or refused. See [store.Event].
	Event = store.Event
	// EventName is the stable name of an event: one of the constants Event….
	EventName = store.EventName
	// EventQuery selects events to read back. See [store.EventQuery].
	EventQuery = store.EventQuery
	// EventPage is one page of events. See [store.EventPage].
	EventPage = store.EventPage
	// Rejection is the error with which the program's own code refuses a change of a
	// user. See [store.Rejection].
	Rejection = store.Rejection
)

// The states of a user.
const (
	StatusEnabled  = store.StatusEnabled
	StatusDisabled = store.StatusDisabled
)

// SessionImpersonated is the Session.Kind of a session that [Operator.Impersonate] started.
const SessionImpersonated = store.SessionImpersonated

// The errors of a store that the Service passes on.
var (
	// ErrLoginIDTaken means that another user has the login id.
	ErrLoginIDTaken = store.ErrLoginIDTaken
	// ErrNotFound means that there is no such user, session or change. Only the
	// methods for operators, RevokeSession and CancelEmailChange return it.
	ErrNotFound = store.ErrNotFound
	// ErrConflict means that the data changed after it was read. Nothing was
	// written.
	ErrConflict = store.ErrConflict
)

// The names of events. docs/operating.md describes each.
const (
	EventUserCreated          = store.EventUserCreated
	EventUserUpdated          = store.EventUserUpdated
	EventUserDisabled         = store.EventUserDisabled
	EventUserEnabled          = store.EventUserEnabled
	EventUserDeleted          = store.EventUserDeleted
	EventUserDeletionRefused  = store.EventUserDeletionRefused
	EventUserImported         = store.EventUserImported
	EventUsersExported        = store.EventUsersExported
	EventDataDownloaded       = store.EventDataDownloaded
	EventSignUpRefused        = store.EventSignUpRefused
	EventSignIn               = store.EventSignIn
	EventSignInFailed         = store.EventSignInFailed
	EventSignInAfterFailures  = store.EventSignInAfterFailures
	EventSignInNewDevice      = store.EventSignInNewDevice
	EventReauthenticated      = store.EventReauthenticated
	EventPasswordLocked       = store.EventPasswordLocked
	EventThrottled            = store.EventThrottled
	EventPasswordChanged      = store.EventPasswordChanged
	EventPasswordChangeFailed = store.EventPasswordChangeFailed
	EventPasswordExpired      = store.EventPasswordExpired
	EventPasswordRehashed     = store.EventPasswordRehashed
	EventPasswordDamaged      = store.EventPasswordDamaged
	EventPasswordBreached     = store.EventPasswordBreached
	EventBreachCheckFailed    = store.EventBreachCheckFailed
	EventResetRequested       = store.EventResetRequested
	EventResetLinkUsed        = store.EventResetLinkUsed
	EventPasswordReset        = store.EventPasswordReset
	EventTokenRefused         = store.EventTokenRefused
	EventOperatorRefused      = store.EventOperatorRefused
	EventTokenReused          = store.EventTokenReused
	EventSignInTokenCreated   = store.EventSignInTokenCreated
	EventEmailVerifyRequested = store.EventEmailVerifyRequested
	EventEmailVerified        = store.EventEmailVerified
	EventEmailChangeRequested = store.EventEmailChangeRequested
	EventEmailChangeCancelled = store.EventEmailChangeCancelled
	EventEmailChanged         = store.EventEmailChanged
	EventInvitationSent       = store.EventInvitationSent
	EventInvitationAccepted   = store.EventInvitationAccepted
	EventInvitationWithdrawn  = store.EventInvitationWithdrawn
	EventInvitationReplaced   = store.EventInvitationReplaced
	EventSessionCreated       = store.EventSessionCreated
	EventSessionRenewed       = store.EventSessionRenewed
	EventTenantSelected       = store.EventTenantSelected
	EventSessionEnded         = store.EventSessionEnded
	EventSignOut              = store.EventSignOut
	EventEmailGivenUp         = store.EventEmailGivenUp
	EventEmailDropped         = store.EventEmailDropped
	EventKeysRotated          = store.EventKeysRotated
	EventPasswordSettings     = store.EventPasswordSettings
	EventForbidden            = store.EventForbidden
)

// EventHook is called for every event, after the change that it reports is stored.
// It runs in the goroutine of the request, so it should return quickly or pass the
// event to another goroutine. A panic in it is recovered and logged.
type EventHook func(ctx context.Context, e Event)
