package store

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/usherkit/usher/token"
)

// Invitation is what an operator gives to the owner of an email address, who may have no
// account yet.
type Invitation struct {
	// ID names the invitation in events. It is random and not a secret.
	ID string
	// Email is the invited address, as typed. Canonical is its canonical form: a store
	// keeps one invitation for each.
	Email, Canonical string
	// Hash is the SHA-256 of the token in the emailed link.
	Hash []byte
	// Roles, Permissions and Tenants are added to those of the user.
	Roles, Permissions   []string
	Tenants              map[string]token.Tenant
	CreatedAt, ExpiresAt time.Time
}

// Grant returns the user with the roles, permissions and tenants of the invitation added
// to the user's own.
func (i Invitation) Grant(u User) User {
	u.Roles, u.Permissions = union(u.Roles, i.Roles), union(u.Permissions, i.Permissions)
	tenants := maps.Clone(u.Tenants)
	if tenants == nil && len(i.Tenants) > 0 {
		tenants = map[string]token.Tenant{}
	}
	for id, t := range i.Tenants {
		had := tenants[id]
		tenants[id] = token.Tenant{Roles: union(had.Roles, t.Roles), Permissions: union(had.Permissions, t.Permissions)}
	}
	u.Tenants = tenants
	return u
}

// union returns a with the texts of b that it lacks.
func union(a, b []string) []string {
	a = slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(a, s) {
			a = append(a, s)
		}
	}
	return a
}

// InvitationStore keeps invitations until they are accepted or withdrawn, or expire. An
// invitation that has expired does not exist for any method: ErrNotFound.
// [UserCreation.Invitation], [UserClaim.Invitation], [PasswordChange.Invitation] and
// [TokenSpend.Invitation] accept one in the transaction that proves its address. Of
// concurrent callers that accept or withdraw one invitation, one succeeds.
//
// An invitation is also removed in the transaction in which a user who has verified the
// address loses it: [UserStore.DeleteUser], [UserStore.UpdateUser],
// [OneTimeTokenStore.ChangeEmail].
type InvitationStore interface {
	// PutInvitation stores an invitation. It replaces the one of the same canonical
	// address, whose link becomes void. If that had not expired, replaced is stored with
	// its ID as the Reason, and returned.
	PutInvitation(ctx context.Context, i Invitation, replaced Event, fx Effects) ([]Event, error)
	// Invitation returns the invitation whose token has that hash.
	Invitation(ctx context.Context, hash []byte, now time.Time) (Invitation, error)
	// InvitationOf returns the invitation of a canonical address.
	InvitationOf(ctx context.Context, canonical string, now time.Time) (Invitation, error)
	// Invitations returns at most limit invitations, ordered by canonical address, with
	// an address after that one.
	Invitations(ctx context.Context, after string, limit int, now time.Time) ([]Invitation, error)
	// WithdrawInvitation removes the invitation whose token has that hash.
	WithdrawInvitation(ctx context.Context, hash []byte, now time.Time, fx Effects) error
	// AcceptInvitation removes an invitation and grants it to a user, as
	// [Invitation.Grant] does. It returns the user after the change. ErrNotFound if
	// there is no such user; ErrConflict if there is no such invitation, or if the user is
	// disabled, or has not proven the address Email or has another one.
	AcceptInvitation(ctx context.Context, a InvitationAcceptance) (User, error)
}

// InvitationAcceptance is the input of [InvitationStore.AcceptInvitation].
type InvitationAcceptance struct {
	// Hash identifies the invitation: its [Invitation.Hash].
	Hash   []byte
	UserID string
	// Email is the address of the user, as stored.
	Email string
	// At becomes UpdatedAt. The invitation must not have expired then.
	At time.Time
	Effects
}

// Allows reports whether the user may accept: if not, AcceptInvitation returns
// ErrConflict.
func (a InvitationAcceptance) Allows(u User) bool {
	return u.Status == StatusEnabled && u.EmailVerified && u.Email == a.Email
}
