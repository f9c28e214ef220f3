package usher

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/usherkit/usher/internal/loginid"
	"github.com/usherkit/usher/internal/logs"
	"github.com/usherkit/usher/internal/watch"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// The lifetime of the link of an invitation.
const (
	invitationLifetime    = 7 * 24 * time.Hour
	minInvitationLifetime = time.Hour
	maxInvitationLifetime = 30 * 24 * time.Hour
)

// InviteParams is the input of [Operator.Invite].
type InviteParams struct {
	// Email is the address of the user to invite, who may have no account yet. Required.
	Email string
	// Roles, Permissions and Tenants are added to those of the user. Defaults to none.
	Roles, Permissions []string
	Tenants            map[string]token.Tenant
	// Lifetime is how long the link is valid. Defaults to 7 days; from 1 hour to 30 days.
	Lifetime time.Duration
	// Language is the language of the email, as a BCP 47 tag. Defaults to the first
	// language of the texts.
	Language string
}

// Invitation is an invitation that was not accepted yet.
type Invitation struct {
	// ID is the Reason of the events of the invitation.
	ID string
	// Email is the invited address.
	Email string
	// Roles, Permissions and Tenants are those of InviteParams.
	Roles, Permissions []string
	Tenants            map[string]token.Tenant
	// CreatedAt is when the email was sent, and ExpiresAt is when its link expires.
	CreatedAt, ExpiresAt time.Time
}

func newInvitation(i store.Invitation) Invitation {
	return Invitation{i.ID, i.Email, i.Roles, i.Permissions, i.Tenants, i.CreatedAt, i.ExpiresAt}
}

// Invite emails a link to an address. The link sets the first password of a new user and
// signs the user in ([Service.AcceptInvitation]), also with [Config.SignUpClosed]. An
// earlier invitation of the address is replaced, and its link becomes void. No limit on
// emails counts the email, and [Config.SignUpRule] is not called. A program without the
// pages sets [Links.AcceptInvitation].
//
// The invitation belongs to the address. So it changes nothing for a user who signs up
// without the link. As soon as a user with that address proves the address in another
// way, by a link that confirms it, a reset or [Service.EnsureUser], the user gets the
// roles and the invitation is accepted, in the same transaction. A user who has proven the
// address before gets them by the link or by the next such proof, also if the login id of
// the user is not the address. If that user loses the address before, the link becomes void.
//
// Errors: a [*FieldError] or [*InputErrors]; [ErrLoginIDTaken] if the address is the login
// id of a user who has another address, or if several users have proven it;
// [ErrUserDisabled]; [ErrUnavailable].
func (o *Operator) Invite(ctx context.Context, in InviteParams) (Invitation, error) {
	s := o.s
	in.Email, in.Lifetime = loginid.Trim(in.Email), cmp.Or(in.Lifetime, invitationLifetime)
	canonical, err := canonicalEmail("email", in.Email, s.cfg.UnicodeLoginIDs)
	if err != nil {
		return Invitation{}, err
	}
	if in.Lifetime < minInvitationLifetime || in.Lifetime > maxInvitationLifetime {
		return Invitation{}, &FieldError{"lifetime", "invalid", "must be from 1 hour to 30 days"}
	}
	if err := checkGrants(in.Roles, in.Permissions, in.Tenants); err != nil {
		return Invitation{}, err
	}
	account, err := s.store.AccountByAddress(ctx, canonical)
	switch {
	case errors.Is(err, ErrNotFound):
	case err != nil:
		return Invitation{}, s.storeError(err)
	case !hasAddress(account.User, canonical):
		return Invitation{}, ErrLoginIDTaken
	case account.User.Status != StatusEnabled:
		return Invitation{}, ErrUserDisabled
	}
	now, raw := s.now(), randomString(32)
	i := store.Invitation{
		ID: "i" + randomString(16), Email: in.Email, Canonical: canonical, Hash: hashOf(raw),
		Roles: in.Roles, Permissions: in.Permissions, Tenants: in.Tenants, CreatedAt: now, ExpiresAt: now.Add(in.Lifetime).Truncate(time.Microsecond),
	}
	effects := store.Effects{
		Events: []Event{s.newEvent(EventInvitationSent, account.User.ID, "", i.ID, o.client)},
		Emails: s.sealEmail(in.Email, Message{
			Kind: MessageInvitation, UserID: account.User.ID, Link: linkWithToken(s.Links().AcceptInvitation, raw),
			At: now, ExpiresAt: i.ExpiresAt, Language: logs.Clean(in.Language, 128),
		}, o.client),
	}
	replaced, err := s.store.PutInvitation(ctx, i, s.newEvent(EventInvitationReplaced, account.User.ID, "", "", o.client), effects)
	if err != nil {
		return Invitation{}, s.storeError(err)
	}
	s.wakeOutbox(effects.Emails)
	s.audit.Notify(ctx, slices.Concat(effects.Events, replaced)...)
	return newInvitation(i), nil
}

// hasAddress reports whether the address for emails to u has that canonical form.
func hasAddress(u User, canonical string) bool {
	c, err := canonicalEmail("email", u.Email, true)
	return err == nil && c == canonical
}

// WithdrawInvitation makes the open invitation of an address void.
//
// Errors: a [*FieldError]; [ErrNotFound] if there is none; [ErrConflict] if concurrent
// calls replace it again and again; [ErrUnavailable].
func (o *Operator) WithdrawInvitation(ctx context.Context, email string) error {
	s := o.s
	canonical, err := canonicalEmail("email", loginid.Trim(email), true)
	if err != nil {
		return err
	}
	for range 3 {
		i, err := s.store.InvitationOf(ctx, canonical, s.now())
		if err != nil {
			return s.storeError(err)
		}
		e := s.newEvent(EventInvitationWithdrawn, "", "", i.ID, o.client)
		err = s.store.WithdrawInvitation(ctx, i.Hash, s.now(), store.Effects{Events: []Event{e}})
		if errors.Is(err, ErrNotFound) {
			continue // a concurrent call accepted or replaced it
		}
		if err != nil {
			return s.storeError(err)
		}
		s.audit.Notify(ctx, e)
		return nil
	}
	return ErrConflict
}

// InvitationQuery selects open invitations.
type InvitationQuery struct {
	// Limit is the maximum number of invitations on a page. Defaults to 100, at most 1000.
	Limit int
	// Cursor continues after a page: it is that page's Next. Defaults to the first page.
	Cursor string
}

// InvitationPage is one page of open invitations.
type InvitationPage struct {
	// Invitations are ordered by address.
	Invitations []Invitation
	// Next is the Cursor of the following page. It is empty on the last page.
	Next string
}

// cursorOfInvitations separates these cursors from those of users.
const cursorOfInvitations = "invitations"

// Invitations returns one page of the invitations that are open: not accepted, withdrawn
// or expired.
//
// Errors: a [*FieldError] for a damaged cursor; [ErrUnavailable].
func (o *Operator) Invitations(ctx context.Context, q InvitationQuery) (InvitationPage, error) {
	limit, after := pageLimit(q.Limit), ""
	if q.Cursor != "" {
		position, err := o.s.unsealCursor(q.Cursor, cursorOfInvitations)
		if err != nil {
			return InvitationPage{}, &FieldError{"cursor", "invalid", "must be the Next of an earlier page"}
		}
		after = string(position)
	}
	found, err := o.s.store.Invitations(ctx, after, limit+1, o.s.now())
	if err != nil {
		return InvitationPage{}, o.s.storeError(err)
	}
	var page InvitationPage
	for n, i := range found {
		if n == limit {
			page.Next = encode(o.s.cursorBox.Seal([]byte(found[n-1].Canonical), cursorOfInvitations))
			break
		}
		page.Invitations = append(page.Invitations, newInvitation(i))
	}
	return page, nil
}

// AcceptInvitationParams is the input of [Service.AcceptInvitation].
type AcceptInvitationParams struct {
	// Token is the one-time token of the emailed link. Required.
	Token Secret
	// NewPassword is the chosen password. It is required, except if the user has an
	// account with that proven address, where it is ignored.
	NewPassword Secret
}

// InvitationLink describes the link of an invitation, without spending it.
// [Link.UserID] is empty, unless a user has the address as a login id or has proven it.
//
// Errors: a [*FieldError] if raw is empty; [ErrInvalidToken] as in
// [Service.AcceptInvitation]; [ErrUnavailable].
func (s *Service) InvitationLink(ctx context.Context, raw Secret, c Client) (Link, error) {
	i, account, err := s.lookUpInvitation(ctx, raw, c)
	if err != nil {
		return Link{}, err
	}
	u := account.User
	return Link{UserID: u.ID, LoginID: cmp.Or(u.LoginID(), i.Email), Email: i.Email, HasAccount: u.EmailVerified}, nil
}

// lookUpInvitation returns an invitation, and the user who has its address as a login id,
// or has proven it, if there is one.
func (s *Service) lookUpInvitation(ctx context.Context, raw Secret, c Client) (store.Invitation, store.Account, error) {
	if err := checkTokenGiven(raw); err != nil {
		return store.Invitation{}, store.Account{}, err
	}
	i, err := s.store.Invitation(ctx, hashOf(raw.Reveal()), s.now())
	if errors.Is(err, ErrNotFound) || err == nil && s.fromTheFuture(i.CreatedAt) {
		return store.Invitation{}, store.Account{}, s.refuseToken(ctx, "", c)
	}
	if err != nil {
		return store.Invitation{}, store.Account{}, s.storeError(err)
	}
	account, err := s.store.AccountByAddress(ctx, i.Canonical)
	switch u := account.User; {
	case errors.Is(err, ErrNotFound):
		return i, store.Account{}, nil
	case errors.Is(err, ErrLoginIDTaken):
		return store.Invitation{}, store.Account{}, s.refuseToken(ctx, "", c)
	case err != nil:
		return store.Invitation{}, store.Account{}, s.storeError(err)
	case u.Status != StatusEnabled || !hasAddress(u, i.Canonical):
		return store.Invitation{}, store.Account{}, s.refuseToken(ctx, u.ID, c)
	}
	return i, account, nil
}

// AcceptInvitation spends the link of an invitation. It creates the user with the chosen
// password, the proven address and the roles of the invitation, and signs the user in:
// the result is [NextSignedIn].
//
// If a user has signed up with the address and never proven it, that may be an attacker. So
// the user who opens the link takes over the account, as by a reset: the password, the
// profile and the spelling of the address are replaced, all other sessions end, and emailed
// links become void. A user who has proven the address gets the roles and keeps the
// password. No session starts or ends then, and the result is [NextHasAccount].
//
// The link is spent only if the policy accepts the password. At most five passwords that
// the policy accepts are hashed for one link in an hour.
//
// Errors: a [*FieldError] or [*password.PolicyError]; [ErrInvalidToken] if the link is
// unknown, used, expired, withdrawn or replaced, or the user is disabled; a
// [*LimitError]; a [*Rejection] of a hook of the store; the error of [Config.Claims];
// [ErrConflict] if concurrent calls change the user again and again; [ErrUnavailable].
func (s *Service) AcceptInvitation(ctx context.Context, in AcceptInvitationParams, c Client) (Result, error) {
	for range 3 {
		result, err := s.acceptInvitation(ctx, in, c)
		// A concurrent call created, changed or deleted the user, or took the invitation.
		if errors.Is(err, ErrConflict) || errors.Is(err, ErrLoginIDTaken) || errors.Is(err, ErrNotFound) {
			continue
		}
		return result, err
	}
	return Result{}, ErrConflict
}

// acceptInvitation is AcceptInvitation without repetition.
func (s *Service) acceptInvitation(ctx context.Context, in AcceptInvitationParams, c Client) (_ Result, err error) {
	i, account, err := s.lookUpInvitation(ctx, in.Token, c)
	if err != nil {
		return Result{}, err
	}
	if account.User.EmailVerified {
		if _, err := s.grantInvitation(ctx, i, account.User, c); err != nil {
			return Result{}, err
		}
		return Result{Next: NextHasAccount}, nil
	}
	if err := s.checkPasswordInput("newPassword", in.NewPassword); err != nil {
		return Result{}, err
	}
	created := account.User.ID == ""
	now := s.now()
	if created {
		account.User = User{ID: "u" + randomString(16), LoginIDs: []string{i.Email}, Email: i.Email, Status: StatusEnabled, CreatedAt: now, UpdatedAt: now}
	}
	u := i.Grant(store.WithoutProfile(account.User)).Respelled(i.Email)
	u.EmailVerified, u.Language = true, clientLanguage(c)
	before := account.User.Email
	account.User, account.Password = u, withoutHistory(account.Password)
	by := proof{proofLink, encode(i.Hash)}
	change, err := s.hashNewPassword(ctx, account, in.NewPassword, by, c)
	if err != nil {
		return Result{}, err
	}
	defer s.releaseChange(ctx, &err, u, change, by)
	auth, session, err := s.prepareLinkSession(ctx, u, c)
	if err != nil {
		return Result{}, err
	}
	auth.UserCreated = created
	events := []Event{
		s.newEvent(EventInvitationAccepted, u.ID, session.ID, i.ID, c),
		s.newEvent(EventEmailVerified, u.ID, session.ID, "invitation", c),
		s.newEvent(EventSessionCreated, u.ID, session.ID, "invitation", c),
	}
	var ended []Event
	if created {
		events = append([]Event{s.newEvent(EventUserCreated, u.ID, "", "invitation", c)}, events...)
		ended, err = s.store.CreateUser(ctx, store.UserCreation{
			User: u, Canonical: []string{i.Canonical}, Session: session, Replaces: s.replacedSession(ctx, c), Invitation: i.Hash,
			Password: store.Password{Hash: change.Hash, State: store.PasswordActive, Version: 1, ChangedAt: now},
			Effects:  store.Effects{Events: events},
		})
	} else {
		events = append([]Event{s.newEvent(EventPasswordChanged, u.ID, "", "invitation", c)}, events...)
		change.IfUnproven, change.Spelling, change.VerifyEmail, change.KeepEarlier = before, i.Email, true, 0
		change.ClearProfile, change.Language, change.Invitation = true, u.Language, i.Hash
		change.Session, change.Replaces, change.ClearLimits = session, s.replacedSession(ctx, c), []string{s.lockKey(u.ID)}
		change.Events = events
		watch.StopUserWatches(ctx, u.ID)
		ended, err = s.store.ChangePassword(ctx, change)
	}
	if err != nil {
		return Result{}, s.storeError(err)
	}
	s.afterSessionsEnded(ctx, ended, events...)
	return signedIn(auth), nil
}

// grantInvitation gives an invitation to a user who has proven the address.
func (s *Service) grantInvitation(ctx context.Context, i store.Invitation, u User, c Client) (User, error) {
	e := s.newEvent(EventInvitationAccepted, u.ID, "", i.ID, c)
	granted, err := s.store.AcceptInvitation(ctx, store.InvitationAcceptance{
		Hash: i.Hash, UserID: u.ID, Email: u.Email, At: s.now(), Effects: store.Effects{Events: []Event{e}},
	})
	if err != nil {
		return u, s.storeError(err)
	}
	s.audit.Notify(ctx, e)
	return granted, nil
}

// withInvitation calls prove, which proves the address of a user in one transaction. prove
// gets the open invitation of the address, which its transaction accepts, and the events
// with the event of the acceptance. withInvitation returns these events. Without an
// invitation, the Hash is nil. If a concurrent call takes the invitation, prove is called
// again.
func (s *Service) withInvitation(ctx context.Context, email, userID string, c Client, events []Event, prove func(i store.Invitation, events []Event) error) ([]Event, error) {
	canonical, err := canonicalEmail("email", email, true)
	if err != nil {
		return events, s.storeError(prove(store.Invitation{}, events))
	}
	for range 3 {
		i, err := s.openInvitation(ctx, canonical)
		if err != nil {
			return nil, err
		}
		all := s.accepted(i, userID, c, events...)
		if err := prove(i, all); !errors.Is(err, ErrConflict) {
			return all, s.storeError(err)
		}
	}
	return nil, ErrConflict
}

// openInvitation returns the open invitation of a canonical address. Without one, the Hash
// is nil.
func (s *Service) openInvitation(ctx context.Context, canonical string) (store.Invitation, error) {
	i, err := s.store.InvitationOf(ctx, canonical, s.now())
	if errors.Is(err, ErrNotFound) {
		return store.Invitation{}, nil
	}
	return i, s.storeError(err)
}

// accepted returns the events with that of the acceptance of the invitation, if there is
// one.
func (s *Service) accepted(i store.Invitation, userID string, c Client, events ...Event) []Event {
	events = slices.Clone(events)
	if i.Hash == nil {
		return events
	}
	return append(events, s.newEvent(EventInvitationAccepted, userID, "", i.ID, c))
}
