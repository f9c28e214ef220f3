package sqltrace

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/usherkit/usher/store"
)

// Name is the part of all ids of a recorded scenario that each replica replaces by its
// own.
const Name = "traced"

// scenario calls the methods of a store for the users of one name.
type scenario struct {
	ctx  context.Context
	st   store.Store
	name string
	errs []error
}

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func (s *scenario) ok(what string, err error) {
	if err != nil {
		s.errs = append(s.errs, fmt.Errorf("%s: %w", what, err))
	}
}

func (s *scenario) want(what string, err, want error) {
	if !errors.Is(err, want) {
		s.errs = append(s.errs, fmt.Errorf("%s: %v, want %v", what, err, want))
	}
}

func (s *scenario) id(n string) string { return s.name + " " + n }

func (s *scenario) hash(n string) []byte {
	sum := sha256.Sum256([]byte(s.id(n)))
	return sum[:]
}

func (s *scenario) effects(n string) store.Effects {
	return store.Effects{
		Events: []store.Event{{ID: s.id(n), At: t0, Name: store.EventSignIn, UserID: s.id("user"), Address: "192.0.2.1", Reason: "r", Actor: "a"}},
		Emails: []store.QueuedEmail{{ID: s.id(n), Sealed: []byte("sealed"), CreatedAt: t0, NotBefore: t0}},
	}
}

func (s *scenario) end() store.SessionEnd {
	return store.SessionEnd{RevokedUntil: t0.Add(time.Hour), Event: store.Event{Name: store.EventSessionEnded, At: t0, Reason: "r"}}
}

func (s *scenario) session(n string) *store.SessionRecord {
	return &store.SessionRecord{
		Session: store.Session{
			ID: s.id(n), UserID: s.id("user"), Kind: store.SessionFull, CreatedAt: t0, LastSeenAt: t0, AMR: []string{"pwd"},
			IdleExpiresAt: t0.Add(time.Hour), ExpiresAt: t0.Add(24 * time.Hour), UserAgent: "agent", Address: "192.0.2.1",
		},
		Refresh: store.RefreshState{Current: s.hash(n), RotatedAt: t0},
	}
}

func (s *scenario) token(n string, p store.Purpose, email string, version int64) store.OneTimeToken {
	t := store.OneTimeToken{
		Hash: s.hash(n), UserID: s.id("user"), Purpose: p, Email: email, PasswordVersion: version, CreatedAt: t0, ExpiresAt: t0.Add(time.Hour),
	}
	if p == store.PurposeChangeEmail {
		t.NewEmail = s.name + "-new@example.test"
	}
	return t
}

func (s *scenario) add(t store.OneTimeToken) store.TokenSpend {
	s.ok("AddOneTimeToken", s.st.AddOneTimeToken(s.ctx, store.TokenAddition{Token: t, MaxOpen: 1, DropOldest: true, Effects: s.effects(fmt.Sprintf("%x", t.Hash[:4]))}))
	return store.TokenSpend{Hash: t.Hash, Purposes: []store.Purpose{t.Purpose}, Now: t0}
}

func (s *scenario) refresh(n, presented, next string, after time.Duration, want store.RefreshOutcome) {
	r, err := s.st.SwapRefresh(s.ctx, store.RefreshSwap{
		SessionID: s.id(n), Presented: s.hash(presented), Next: s.hash(next), Now: t0.Add(after), Idle: time.Hour, Grace: 10 * time.Second,
		UserAgent: "agent 2", Address: "192.0.2.2", RevokedUntil: t0.Add(time.Hour), Swapped: s.effects("swap " + next), Reused: s.effects("reuse " + next),
	})
	if err == nil && r.Outcome != want {
		err = fmt.Errorf("outcome %d, want %d", r.Outcome, want)
	}
	s.ok("SwapRefresh", err)
}

// invitations calls the methods that concern the invitation of the user's address.
func (s *scenario) invitations(email string) {
	i := store.Invitation{
		ID: s.id("invitation"), Email: email, Canonical: email, Hash: s.hash("invitation"), Roles: []string{"r"}, CreatedAt: t0, ExpiresAt: t0.Add(time.Hour),
	}
	for _, n := range []string{"invited", "invited again"} {
		i.ID = s.id(n)
		_, err := s.st.PutInvitation(s.ctx, i, store.Event{ID: s.id("replaced-" + n), At: t0, Name: store.EventInvitationReplaced}, s.effects(n))
		s.ok("PutInvitation", err)
	}
	_, err := s.st.Invitation(s.ctx, i.Hash, t0)
	s.ok("Invitation", err)
	_, err = s.st.InvitationOf(s.ctx, email, t0)
	s.ok("InvitationOf", err)
	_, err = s.st.Invitations(s.ctx, s.name, 1, t0)
	s.ok("Invitations", err)
	_, err = s.st.AcceptInvitation(s.ctx, store.InvitationAcceptance{Hash: i.Hash, UserID: s.id("user"), Email: email, At: t0, Effects: s.effects("accepted")})
	s.ok("AcceptInvitation", err)
	s.want("WithdrawInvitation", s.st.WithdrawInvitation(s.ctx, i.Hash, t0, s.effects("withdrawn")), store.ErrNotFound)
}

// Shared calls every method of a store that concerns users of that name only. Any number
// of callers may run it at the same time, each with another name.
func Shared(ctx context.Context, st store.Store, name string) error {
	s := &scenario{ctx: ctx, st: st, name: name}
	email, changed, user := name+"@example.test", name+"-new@example.test", s.id("user")
	reset := s.token("reset 1", store.PurposeReset, email, 1)
	_, err := st.CreateUser(ctx, store.UserCreation{
		User: store.User{
			ID: user, LoginIDs: []string{email, name + " nick"}, Email: email, Name: "N", Roles: []string{"r"}, Language: "de",
			Attributes: map[string]any{"k": "v"}, Status: store.StatusEnabled, CreatedAt: t0, UpdatedAt: t0,
		},
		Canonical: []string{email, name + " nick"}, Session: s.session("s1"), Token: &reset, Effects: s.effects("created"),
		Password: store.Password{Hash: "h1", State: store.PasswordActive, Version: 1, ChangedAt: t0},
	})
	s.ok("CreateUser", err)
	_, err = st.CreateUser(ctx, store.UserCreation{
		User: store.User{ID: s.id("other"), LoginIDs: []string{email}, Status: store.StatusEnabled}, Canonical: []string{email},
	})
	s.want("CreateUser again", err, store.ErrLoginIDTaken)
	_, err = st.Account(ctx, user)
	s.ok("Account", err)
	_, err = st.AccountByLoginID(ctx, email)
	s.ok("AccountByLoginID", err)
	limits := []store.Limit{{Key: s.id("l1"), Max: 2, Window: time.Hour}, {Key: s.id("l2"), Max: 9, Backoff: time.Second}}
	for range 3 {
		_, err = st.TakeLimits(ctx, t0, limits)
		s.ok("TakeLimits", err)
	}
	start := store.SessionStart{
		Session: *s.session("s2"), IfPasswordVersion: 1, RehashFrom: "h1", RehashTo: "h2", Language: "en", EndSession: s.id("s1"), Max: 2, End: s.end(),
		ClearLimits: []string{s.id("l1")}, ReleaseLimits: []string{s.id("l2")}, Effects: s.effects("start 2"),
	}
	_, err = st.StartSession(ctx, start)
	s.ok("StartSession", err)
	for i := range 3 {
		n := fmt.Sprint("s", i+3)
		_, err = st.StartSession(ctx, store.SessionStart{Session: *s.session(n), IfPasswordVersion: 1, Max: 3, End: s.end(), Effects: s.effects(n)})
		s.ok("StartSession", err)
	}
	s.ok("ReleaseLimits", st.ReleaseLimits(ctx, []string{s.id("l2")}))
	s.ok("ClearLimits", st.ClearLimits(ctx, []string{s.id("l2")}))
	_, err = st.Session(ctx, s.id("s5"))
	s.ok("Session", err)
	_, err = st.UserSessions(ctx, user, t0)
	s.ok("UserSessions", err)
	s.refresh("s5", "s5", "r2", time.Minute, store.RefreshSwapped)
	s.refresh("s5", "s5", "r3", time.Minute+time.Second, store.RefreshReplayed)
	s.refresh("s5", "r2", "r4", 2*time.Minute, store.RefreshSwapped)
	s.refresh("s5", "s5", "r5", 30*time.Minute, store.RefreshReused)
	s.ok("EndSession", st.EndSession(ctx, user, s.id("s4"), s.end(), s.effects("end")))
	role := []string{"r2"}
	_, _, err = st.UpdateUser(ctx, store.UserUpdate{UserID: user, Roles: &role, Profile: store.Profile{Name: &email}, At: t0, Effects: s.effects("update")})
	s.ok("UpdateUser", err)
	_, _, err = st.UpdateUser(ctx, store.UserUpdate{UserID: user, LoginIDs: &[]string{email}, Canonical: []string{email}, At: t0, Effects: s.effects("login ids")})
	s.ok("UpdateUser of login ids", err)
	_, err = st.OneTimeToken(ctx, reset.Hash, t0)
	s.ok("OneTimeToken", err)
	_, err = st.VerifyEmail(ctx, s.add(s.token("verify", store.PurposeVerifyEmail, email, 1)), s.effects("verified"))
	s.ok("VerifyEmail", err)
	end := s.end()
	_, err = st.ChangePassword(ctx, store.PasswordChange{
		UserID: user, IfVersion: 1, Hash: "h3", State: store.PasswordActive, At: t0, KeepEarlier: 2, End: &end, DropTokens: true,
		Session: s.session("s6"), ClearLimits: []string{s.id("l1")}, Effects: s.effects("changed"), Language: "fr", VerifyEmail: true, IfSession: s.id("s3"),
	})
	s.ok("ChangePassword", err)
	_, err = st.ResetPassword(ctx, s.add(s.token("reset 2", store.PurposeReset, email, 2)), store.PasswordChange{
		UserID: user, IfVersion: 2, Hash: "h4", State: store.PasswordActive, At: t0, End: &end, RequireEnabled: true,
		Effects: s.effects("reset"),
	})
	s.ok("ResetPassword", err)
	s.invitations(email)
	change := s.token("change 1", store.PurposeChangeEmail, email, 3)
	s.add(change)
	_, err = st.UserTokens(ctx, user, []store.Purpose{store.PurposeChangeEmail}, t0)
	s.ok("UserTokens", err)
	_, err = st.UserTokens(ctx, user, []store.Purpose{store.PurposeVerifyEmail, store.PurposeChangeEmail}, t0)
	s.ok("UserTokens of two purposes", err)
	s.ok("DropTokens", st.DropTokens(ctx, user, store.PurposeChangeEmail, t0, s.effects("dropped")))
	_, err = st.ChangeEmail(ctx, s.add(s.token("change 2", store.PurposeChangeEmail, email, 3)), email, changed, s.effects("email"))
	s.ok("ChangeEmail", err)
	resetSession := *s.session("s7")
	resetSession.Kind = store.SessionReset
	_, err = st.StartResetSession(ctx, s.add(s.token("claim", store.PurposeConfirmAndReset, changed, 3)), resetSession, s.end(), s.effects("claimed"))
	s.ok("StartResetSession", err)
	_, err = st.EndUserSessions(ctx, user, s.end(), s.effects("ended"))
	s.ok("EndUserSessions", err)
	s.ok("RetryEmail", st.RetryEmail(ctx, s.id("created"), t0.Add(time.Hour)))
	s.ok("FinishEmail", st.FinishEmail(ctx, s.id("created"), s.effects("finished")))
	s.ok("Record", st.Record(ctx, s.effects("recorded")))
	_, err = st.Events(ctx, store.EventQuery{UserID: user})
	s.ok("Events", err)
	_, err = st.Users(ctx, store.UserQuery{Search: user, Limit: 3, Count: true})
	s.ok("Users", err)
	_, err = st.DeleteUser(ctx, store.UserDeletion{UserID: user, End: s.end(), ClearLimits: []string{s.id("l1")}, Effects: s.effects("deleted")})
	s.ok("DeleteUser", err)
	s.ok("Ping", st.Ping(ctx))
	return errors.Join(s.errs...)
}

// Alone calls the methods whose results depend on other callers.
func Alone(ctx context.Context, st store.Store) error {
	s := &scenario{ctx: ctx, st: st, name: Name}
	keys, err := st.SigningKeys(ctx)
	s.ok("SigningKeys", err)
	for range 2 {
		keys.Version++
		keys.Keys = []store.SigningKey{{ID: "k", Algorithm: "ES256", Private: []byte("sealed"), CreatedAt: t0, ActiveAt: t0}}
		s.ok("SaveSigningKeys", st.SaveSigningKeys(ctx, keys, s.effects(fmt.Sprint("keys ", keys.Version))))
	}
	_, err = st.PasswordSettings(ctx)
	s.ok("PasswordSettings", err)
	for version := range int64(2) {
		p := store.PasswordSettings{Version: version + 1, Content: "{}"}
		s.ok("SavePasswordSettings", st.SavePasswordSettings(ctx, p, s.effects(fmt.Sprint("settings ", p.Version))))
	}
	_, err = st.ClaimEmails(ctx, t0.Add(2*time.Hour), time.Minute, 3)
	s.ok("ClaimEmails", err)
	_, err = st.EmailCount(ctx)
	s.ok("EmailCount", err)
	_, err = st.Revocations(ctx, 0)
	s.ok("Revocations", err)
	_, err = st.DeleteExpired(ctx, store.Expiry{
		Now: t0.Add(100 * time.Hour), EventsBefore: t0.Add(-time.Hour), Max: 5,
		NamedEventsBefore: map[store.EventName]time.Time{store.EventSignIn: t0.Add(time.Hour)},
	})
	s.ok("DeleteExpired", err)
	return errors.Join(s.errs...)
}
