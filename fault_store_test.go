package usher_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/testhash"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
	"github.com/usherkit/usher/token"
)

var errFault = errors.New(`pq: relation "users" at 10.0.0.5:5432 is gone`)

// faulty is a store that fails at the n-th call of a request. Calls of the background
// work are not counted.
type faulty struct {
	store.Store
	mode string // "fail", "hang" (until the context ends), "panic", or "unsure": the call succeeds but returns an error
	at   int64  // the call that fails, from 1; 0 is none
	rest bool   // all later calls fail as well

	calls atomic.Int64
	mu    sync.Mutex
	hit   []string // the methods that failed
}

type requestKey struct{}

// countedContext returns a context whose store calls are counted.
func countedContext(parent context.Context) context.Context {
	return context.WithValue(parent, requestKey{}, true)
}

// call runs one store call, or the fault instead.
func (f *faulty) call(ctx context.Context, method string, do func() error) error {
	if ctx.Value(requestKey{}) == nil {
		return do()
	}
	n := f.calls.Add(1)
	if f.at == 0 || n < f.at || n > f.at && !f.rest {
		return do()
	}
	f.mu.Lock()
	f.hit = append(f.hit, method)
	f.mu.Unlock()
	switch f.mode {
	case "hang":
		<-ctx.Done()
		return ctx.Err()
	case "panic":
		panic(errFault)
	case "unsure":
		_ = do()
	}
	return errFault
}

func callResult[T any](f *faulty, ctx context.Context, method string, do func() (T, error)) (out T, err error) {
	err = f.call(ctx, method, func() (err error) { out, err = do(); return err })
	return out, err
}

func (f *faulty) CreateUser(ctx context.Context, c store.UserCreation) ([]store.Event, error) {
	return callResult(f, ctx, "CreateUser", func() ([]store.Event, error) { return f.Store.CreateUser(ctx, c) })
}

func (f *faulty) Account(ctx context.Context, id string) (store.Account, error) {
	return callResult(f, ctx, "Account", func() (store.Account, error) { return f.Store.Account(ctx, id) })
}

func (f *faulty) AccountByLoginID(ctx context.Context, id string) (store.Account, error) {
	return callResult(f, ctx, "AccountByLoginID", func() (store.Account, error) { return f.Store.AccountByLoginID(ctx, id) })
}

func (f *faulty) UpdateUser(ctx context.Context, u store.UserUpdate) (out usher.User, ended []store.Event, err error) {
	err = f.call(ctx, "UpdateUser", func() (err error) { out, ended, err = f.Store.UpdateUser(ctx, u); return err })
	return out, ended, err
}

func (f *faulty) ChangePassword(ctx context.Context, c store.PasswordChange) ([]store.Event, error) {
	return callResult(f, ctx, "ChangePassword", func() ([]store.Event, error) { return f.Store.ChangePassword(ctx, c) })
}

func (f *faulty) DeleteUser(ctx context.Context, d store.UserDeletion) ([]store.Event, error) {
	return callResult(f, ctx, "DeleteUser", func() ([]store.Event, error) { return f.Store.DeleteUser(ctx, d) })
}

func (f *faulty) Events(ctx context.Context, q store.EventQuery) (store.EventPage, error) {
	return callResult(f, ctx, "Events", func() (store.EventPage, error) { return f.Store.Events(ctx, q) })
}

func (f *faulty) UserSessions(ctx context.Context, user string, now time.Time) ([]store.Session, error) {
	return callResult(f, ctx, "UserSessions", func() ([]store.Session, error) { return f.Store.UserSessions(ctx, user, now) })
}

func (f *faulty) StartSession(ctx context.Context, s store.SessionStart) ([]store.Event, error) {
	return callResult(f, ctx, "StartSession", func() ([]store.Event, error) { return f.Store.StartSession(ctx, s) })
}

func (f *faulty) Session(ctx context.Context, id string) (store.SessionRecord, error) {
	return callResult(f, ctx, "Session", func() (store.SessionRecord, error) { return f.Store.Session(ctx, id) })
}

func (f *faulty) SwapRefresh(ctx context.Context, s store.RefreshSwap) (store.RefreshResult, error) {
	return callResult(f, ctx, "SwapRefresh", func() (store.RefreshResult, error) { return f.Store.SwapRefresh(ctx, s) })
}

func (f *faulty) EndSession(ctx context.Context, user, id string, end store.SessionEnd, fx store.Effects) error {
	return f.call(ctx, "EndSession", func() error { return f.Store.EndSession(ctx, user, id, end, fx) })
}

func (f *faulty) AddOneTimeToken(ctx context.Context, a store.TokenAddition) error {
	return f.call(ctx, "AddOneTimeToken", func() error { return f.Store.AddOneTimeToken(ctx, a) })
}

func (f *faulty) OneTimeToken(ctx context.Context, hash []byte, now time.Time) (store.OneTimeToken, error) {
	return callResult(f, ctx, "OneTimeToken", func() (store.OneTimeToken, error) { return f.Store.OneTimeToken(ctx, hash, now) })
}

func (f *faulty) UserTokens(ctx context.Context, user string, p []store.Purpose, now time.Time) ([]store.OneTimeToken, error) {
	return callResult(f, ctx, "UserTokens", func() ([]store.OneTimeToken, error) { return f.Store.UserTokens(ctx, user, p, now) })
}

func (f *faulty) DropTokens(ctx context.Context, user string, p store.Purpose, now time.Time, fx store.Effects) error {
	return f.call(ctx, "DropTokens", func() error { return f.Store.DropTokens(ctx, user, p, now, fx) })
}

func (f *faulty) ResetPassword(ctx context.Context, s store.TokenSpend, c store.PasswordChange) ([]store.Event, error) {
	return callResult(f, ctx, "ResetPassword", func() ([]store.Event, error) { return f.Store.ResetPassword(ctx, s, c) })
}

func (f *faulty) StartResetSession(ctx context.Context, s store.TokenSpend, ses store.SessionRecord, end store.SessionEnd, fx store.Effects) ([]store.Event, error) {
	return callResult(f, ctx, "StartResetSession", func() ([]store.Event, error) { return f.Store.StartResetSession(ctx, s, ses, end, fx) })
}

func (f *faulty) ClaimUser(ctx context.Context, c store.UserClaim) (out usher.User, ended []store.Event, err error) {
	err = f.call(ctx, "ClaimUser", func() (err error) { out, ended, err = f.Store.ClaimUser(ctx, c); return err })
	return out, ended, err
}

func (f *faulty) VerifyEmail(ctx context.Context, s store.TokenSpend, fx store.Effects) (usher.User, error) {
	return callResult(f, ctx, "VerifyEmail", func() (usher.User, error) { return f.Store.VerifyEmail(ctx, s, fx) })
}

func (f *faulty) ChangeEmail(ctx context.Context, s store.TokenSpend, old, next string, fx store.Effects) (usher.User, error) {
	return callResult(f, ctx, "ChangeEmail", func() (usher.User, error) { return f.Store.ChangeEmail(ctx, s, old, next, fx) })
}

func (f *faulty) TakeLimits(ctx context.Context, now time.Time, l []store.Limit) (store.LimitResult, error) {
	return callResult(f, ctx, "TakeLimits", func() (store.LimitResult, error) { return f.Store.TakeLimits(ctx, now, l) })
}

func (f *faulty) ReleaseLimits(ctx context.Context, keys []string) error {
	return f.call(ctx, "ReleaseLimits", func() error { return f.Store.ReleaseLimits(ctx, keys) })
}

func (f *faulty) ClearLimits(ctx context.Context, keys []string) error {
	return f.call(ctx, "ClearLimits", func() error { return f.Store.ClearLimits(ctx, keys) })
}

func (f *faulty) Users(ctx context.Context, q store.UserQuery) (store.UserPage, error) {
	return callResult(f, ctx, "Users", func() (store.UserPage, error) { return f.Store.Users(ctx, q) })
}

func (f *faulty) EmailCount(ctx context.Context) (int, error) {
	return callResult(f, ctx, "EmailCount", func() (int, error) { return f.Store.EmailCount(ctx) })
}

func (f *faulty) Record(ctx context.Context, fx store.Effects) error {
	return f.call(ctx, "Record", func() error { return f.Store.Record(ctx, fx) })
}

func (f *faulty) Invitation(ctx context.Context, hash []byte, now time.Time) (store.Invitation, error) {
	return callResult(f, ctx, "Invitation", func() (store.Invitation, error) { return f.Store.Invitation(ctx, hash, now) })
}

func (f *faulty) AccountByAddress(ctx context.Context, canonical string) (store.Account, error) {
	return callResult(f, ctx, "AccountByAddress", func() (store.Account, error) { return f.Store.AccountByAddress(ctx, canonical) })
}

func (f *faulty) AcceptInvitation(ctx context.Context, a store.InvitationAcceptance) (usher.User, error) {
	return callResult(f, ctx, "AcceptInvitation", func() (usher.User, error) { return f.Store.AcceptInvitation(ctx, a) })
}

func (f *faulty) InvitationOf(ctx context.Context, canonical string, now time.Time) (store.Invitation, error) {
	return callResult(f, ctx, "InvitationOf", func() (store.Invitation, error) { return f.Store.InvitationOf(ctx, canonical, now) })
}

// mayFail has the calls that follow a decision. Their failure does not undo it.
var mayFail = []string{"Record", "ReleaseLimits", "ClearLimits"}

// scene is a set of accounts with sessions and links, on a store that can fail.
type scene struct {
	*kit
	store         *faulty
	auth          *usher.Authentication // of bob, after withTokens
	claims        *token.Claims
	reset, verify usher.Secret // for bob, whose address is verified, and for ann, whose is not
	move, enter   usher.Secret // for bob, to another address and to a session
	invitation    usher.Secret // for carl, who has no account
}

// goodHash is the hash of goodPassword, computed once.
var goodHash = sync.OnceValue(func() string {
	h := usher.Must(password.NewHasher(testhash.Config()))
	return usher.Must(h.Hash(ctx, goodPassword))
})

// newScene writes its rows straight into the store, which saves a hash for each scene.
func newScene(t *testing.T, mode string) *scene {
	t.Helper()
	f := &faulty{Store: memory.New(), mode: mode}
	s := &scene{kit: newKitOn(t, f, newClock()), store: f, reset: "reset", verify: "verify", move: "move", enter: "enter", invitation: "invitation"}
	s.Close(ctx) // no instance sends, so queued emails stay in the outbox
	now := s.clock.now()
	for _, id := range []string{"ann", "bob"} {
		email := id + "@example.com"
		_, err := f.CreateUser(ctx, store.UserCreation{
			User: usher.User{
				ID: id, LoginIDs: []string{email}, Email: email, EmailVerified: id == "bob",
				Status: usher.StatusEnabled, CreatedAt: now, UpdatedAt: now,
			},
			Canonical: []string{email},
			Password:  store.Password{Hash: goodHash(), State: store.PasswordActive, Version: 1, ChangedAt: now},
			Session: &store.SessionRecord{
				Session: usher.Session{
					ID: "session-" + id, UserID: id, Kind: store.SessionFull,
					CreatedAt: now, LastSeenAt: now, IdleExpiresAt: now.Add(time.Hour), ExpiresAt: now.Add(time.Hour),
				},
				Refresh: store.RefreshState{Current: []byte("none"), RotatedAt: now},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for raw, one := range map[usher.Secret]store.OneTimeToken{
		s.verify: {UserID: "ann", Purpose: store.PurposeVerifyEmail, Email: "ann@example.com"},
		s.reset:  {UserID: "bob", Purpose: store.PurposeReset, Email: "bob@example.com"},
		s.move:   {UserID: "bob", Purpose: store.PurposeChangeEmail, Email: "bob@example.com", NewEmail: "moved@example.com"},
		s.enter:  {UserID: "bob", Purpose: store.PurposeSignIn, Email: "bob@example.com"},
	} {
		one.Hash, one.PasswordVersion, one.CreatedAt, one.ExpiresAt = hashed(raw), 1, now, now.Add(time.Hour)
		if err := f.AddOneTimeToken(ctx, store.TokenAddition{Token: one, MaxOpen: 3}); err != nil {
			t.Fatal(err)
		}
	}
	// The users of the links are invited too.
	for _, id := range []string{"ann", "bob", "carl", "moved"} {
		i := store.Invitation{ID: "i-" + id, Email: id + "@example.com", Canonical: id + "@example.com", Hash: hashed(usher.Secret(id)), Roles: []string{"r"}, CreatedAt: now, ExpiresAt: now.Add(time.Hour)}
		if id == "carl" {
			i.Hash = hashed(s.invitation)
		}
		if _, err := f.PutInvitation(ctx, i, store.Event{}, store.Effects{}); err != nil {
			t.Fatal(err)
		}
	}
	s.claims = &token.Claims{Subject: "bob", SessionID: "session-bob", Type: token.TypeSession}
	return s
}

// withTokens gives the scene real tokens, at the cost of a hash.
func (s *scene) withTokens() *scene {
	s.t.Helper()
	s.auth = s.signIn("bob@example.com", goodPassword, home)
	s.events.reset()
	return s
}

// prepare prepares the scene for a flow.
func (s *scene) prepare(flow string) *scene {
	if flow == "refresh" {
		return s.withTokens()
	}
	return s
}

// queued returns the emails in the outbox, opened by another instance.
func (s *scene) queued(t *testing.T) []usher.Message {
	t.Helper()
	if usher.Must(s.store.EmailCount(ctx)) == 0 {
		return nil
	}
	reader := newKitOn(t, s.store.Store, s.clock)
	return reader.inbox()
}

// flows has a request of each kind. Each returns whether a client was authenticated.
var flows = map[string]func(ctx context.Context, s *scene) (in bool, err error){
	"sign-up": func(ctx context.Context, s *scene) (bool, error) {
		a, err := s.SignUp(ctx, usher.SignUpParams{LoginID: "new@example.com", Password: goodPassword}, home)
		return a != nil, err
	},
	"sign-in": func(ctx context.Context, s *scene) (bool, error) {
		a, err := s.SignIn(ctx, usher.SignInParams{LoginID: "bob@example.com", Password: goodPassword}, home)
		return a != nil, err
	},
	"refresh": func(ctx context.Context, s *scene) (bool, error) {
		a, err := s.RefreshSession(ctx, s.auth.Tokens.Refresh, home)
		return a != nil, err
	},
	"update": func(ctx context.Context, s *scene) (bool, error) {
		in := usher.UpdatePasswordParams{NewPassword: otherPassword, CurrentPassword: goodPassword}
		a, err := s.UpdatePassword(ctx, s.claims, in, home)
		return a != nil, err
	},
	"replace": func(ctx context.Context, s *scene) (bool, error) {
		in := usher.ReplacePasswordParams{LoginID: "bob@example.com", OldPassword: goodPassword, NewPassword: otherPassword}
		a, err := s.ReplacePassword(ctx, in, home)
		return a != nil, err
	},
	"forget": func(ctx context.Context, s *scene) (bool, error) {
		return false, s.SendPasswordReset(ctx, usher.SendPasswordResetParams{LoginID: "bob@example.com"}, home)
	},
	"reset": func(ctx context.Context, s *scene) (bool, error) {
		a, err := s.ResetPassword(ctx, usher.ResetPasswordParams{Token: s.reset, NewPassword: otherPassword}, home)
		return a != nil, err
	},
	"reset in two steps": func(ctx context.Context, s *scene) (bool, error) {
		rs, err := s.VerifyReset(ctx, s.reset, home)
		return rs.Token != "", err
	},
	"accept an invitation": func(ctx context.Context, s *scene) (bool, error) {
		r, err := s.AcceptInvitation(ctx, usher.AcceptInvitationParams{Token: s.invitation, NewPassword: otherPassword}, home)
		return r.Authentication != nil, err
	},
	"sign in with a token": func(ctx context.Context, s *scene) (bool, error) {
		a, err := s.SignInWithToken(ctx, s.enter, home)
		return a != nil, err
	},
	"verify": func(ctx context.Context, s *scene) (bool, error) {
		_, err := s.VerifyEmail(ctx, nil, usher.VerifyEmailParams{Token: s.verify, Password: goodPassword}, home)
		return false, err
	},
	"change e-mail": func(ctx context.Context, s *scene) (bool, error) {
		in := usher.ChangeEmailParams{NewEmail: "next@example.com", CurrentPassword: goodPassword}
		return false, s.ChangeEmail(ctx, s.claims, in, home)
	},
	"delete account": func(ctx context.Context, s *scene) (bool, error) {
		return false, s.DeleteAccount(ctx, s.claims, usher.DeleteAccountParams{CurrentPassword: goodPassword}, home)
	},
	"account data": func(ctx context.Context, s *scene) (bool, error) {
		d, err := s.AccountData(ctx, s.claims, home)
		return d.User.ID != "", err
	},
	"cancel e-mail": func(ctx context.Context, s *scene) (bool, error) {
		return false, s.CancelEmailChange(ctx, s.claims, home)
	},
	"pending e-mail": func(ctx context.Context, s *scene) (bool, error) {
		_, err := s.PendingEmail(ctx, s.claims.Subject)
		return false, err
	},
	"confirm e-mail": func(ctx context.Context, s *scene) (bool, error) {
		_, err := s.VerifyEmail(ctx, s.claims, usher.VerifyEmailParams{Token: s.move}, home)
		return false, err
	},
	"sign-out": func(ctx context.Context, s *scene) (bool, error) { return false, s.SignOut(ctx, s.claims, home) },
	"me": func(ctx context.Context, s *scene) (bool, error) {
		u, _, err := s.Me(ctx, s.claims)
		return u.ID != "", err
	},
}

// recovered returns a panic as an error, as handlers do.
func recovered(do func() (bool, error)) (in bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			in, err = false, fmt.Errorf("panic: %v", p)
		}
	}()
	return do()
}

// storedExceptLimits describes the content of the store, except the counters.
func storedExceptLimits(s *scene) string {
	mem := s.store.Store.(*memory.Store)
	u := usher.Must(mem.AccountByLoginID(ctx, "bob@example.com"))
	_, newErr := mem.AccountByLoginID(ctx, "new@example.com")
	a := usher.Must(mem.AccountByLoginID(ctx, strings.ToLower(ann)))
	sessions := usher.Must(mem.UserSessions(ctx, u.User.ID, s.clock.now()))
	events := usher.Must(mem.Events(ctx, usher.EventQuery{Limit: 1000})).Events
	var tokens []bool
	for _, raw := range []usher.Secret{s.reset, s.verify, s.move, s.enter} {
		_, err := mem.OneTimeToken(ctx, hashed(raw), s.clock.now())
		tokens = append(tokens, err == nil)
	}
	open := usher.Must(mem.Invitations(ctx, "", 9, s.clock.now()))
	return fmt.Sprint(u, a, newErr, sessions, len(events), tokens, len(open),
		usher.Must(mem.EmailCount(ctx)), len(usher.Must(mem.Revocations(ctx, 0))))
}
