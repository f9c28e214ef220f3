package webtest

import (
	"context"
	"sync"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

type Ctx = context.Context

// Faults is a store that runs a function at each call, or at one of them.
type Faults struct {
	*memory.Store
	Mu    sync.Mutex
	Calls int
	At    int // the number of the call at which Do runs; 0 means each call
	Do    func(Ctx) error
	// CleanupErr is the error of the calls whose failure changes no answer.
	CleanupErr error
}

func NewFaults() *Faults { return &Faults{Store: memory.New()} }

// Fail makes every call fail, or none if err is nil.
func (f *Faults) Fail(err error) {
	if err == nil {
		f.Arm(0, nil)
		return
	}
	f.Arm(0, func(Ctx) error { return err })
}

// Arm makes the nth call from now on run do, or each call if n is 0.
func (f *Faults) Arm(n int, do func(Ctx) error) {
	f.Mu.Lock()
	defer f.Mu.Unlock()
	f.Calls, f.At, f.Do = 0, n, do
}

// BeforeCall runs Do if it is due. Each method calls it first.
func (f *Faults) BeforeCall(c Ctx) error {
	f.Mu.Lock()
	f.Calls++
	do := f.Do
	if f.At != 0 && f.Calls != f.At {
		do = nil
	}
	f.Mu.Unlock()
	if do == nil {
		return nil
	}
	return do(c)
}

// CallCount returns the number of calls since Arm.
func (f *Faults) CallCount() int {
	f.Mu.Lock()
	defer f.Mu.Unlock()
	return f.Calls
}

func (f *Faults) CreateUser(c Ctx, in store.UserCreation) ([]store.Event, error) {
	if err := f.BeforeCall(c); err != nil {
		return nil, err
	}
	return f.Store.CreateUser(c, in)
}

func (f *Faults) Account(c Ctx, id string) (store.Account, error) {
	if err := f.BeforeCall(c); err != nil {
		return store.Account{}, err
	}
	return f.Store.Account(c, id)
}

func (f *Faults) AccountByLoginID(c Ctx, id string) (store.Account, error) {
	if err := f.BeforeCall(c); err != nil {
		return store.Account{}, err
	}
	return f.Store.AccountByLoginID(c, id)
}

func (f *Faults) UpdateUser(c Ctx, u store.UserUpdate) (usher.User, []store.Event, error) {
	if err := f.BeforeCall(c); err != nil {
		return usher.User{}, nil, err
	}
	return f.Store.UpdateUser(c, u)
}

func (f *Faults) DeleteUser(c Ctx, d store.UserDeletion) ([]store.Event, error) {
	if err := f.BeforeCall(c); err != nil {
		return nil, err
	}
	return f.Store.DeleteUser(c, d)
}

func (f *Faults) ClaimUser(c Ctx, claim store.UserClaim) (usher.User, []store.Event, error) {
	if err := f.BeforeCall(c); err != nil {
		return usher.User{}, nil, err
	}
	return f.Store.ClaimUser(c, claim)
}

func (f *Faults) ChangePassword(c Ctx, p store.PasswordChange) ([]store.Event, error) {
	if err := f.BeforeCall(c); err != nil {
		return nil, err
	}
	return f.Store.ChangePassword(c, p)
}

func (f *Faults) StartSession(c Ctx, s store.SessionStart) ([]store.Event, error) {
	if err := f.BeforeCall(c); err != nil {
		return nil, err
	}
	return f.Store.StartSession(c, s)
}

func (f *Faults) Session(c Ctx, id string) (store.SessionRecord, error) {
	if err := f.BeforeCall(c); err != nil {
		return store.SessionRecord{}, err
	}
	return f.Store.Session(c, id)
}

func (f *Faults) UserSessions(c Ctx, id string, now time.Time) ([]usher.Session, error) {
	if err := f.BeforeCall(c); err != nil {
		return nil, err
	}
	return f.Store.UserSessions(c, id, now)
}

func (f *Faults) SwapRefresh(c Ctx, s store.RefreshSwap) (store.RefreshResult, error) {
	if err := f.BeforeCall(c); err != nil {
		return store.RefreshResult{}, err
	}
	return f.Store.SwapRefresh(c, s)
}

func (f *Faults) EndSession(c Ctx, user, id string, end store.SessionEnd, fx store.Effects) error {
	if err := f.BeforeCall(c); err != nil {
		return err
	}
	return f.Store.EndSession(c, user, id, end, fx)
}

func (f *Faults) EndUserSessions(c Ctx, user string, end store.SessionEnd, fx store.Effects) ([]store.Event, error) {
	if err := f.BeforeCall(c); err != nil {
		return nil, err
	}
	return f.Store.EndUserSessions(c, user, end, fx)
}

func (f *Faults) AddOneTimeToken(c Ctx, a store.TokenAddition) error {
	if err := f.BeforeCall(c); err != nil {
		return err
	}
	return f.Store.AddOneTimeToken(c, a)
}

func (f *Faults) OneTimeToken(c Ctx, hash []byte, now time.Time) (store.OneTimeToken, error) {
	if err := f.BeforeCall(c); err != nil {
		return store.OneTimeToken{}, err
	}
	return f.Store.OneTimeToken(c, hash, now)
}

func (f *Faults) UserTokens(c Ctx, user string, p []store.Purpose, now time.Time) ([]store.OneTimeToken, error) {
	if err := f.BeforeCall(c); err != nil {
		return nil, err
	}
	return f.Store.UserTokens(c, user, p, now)
}

func (f *Faults) DropTokens(c Ctx, user string, p store.Purpose, now time.Time, fx store.Effects) error {
	if err := f.BeforeCall(c); err != nil {
		return err
	}
	return f.Store.DropTokens(c, user, p, now, fx)
}

func (f *Faults) ResetPassword(c Ctx, s store.TokenSpend, p store.PasswordChange) ([]store.Event, error) {
	if err := f.BeforeCall(c); err != nil {
		return nil, err
	}
	return f.Store.ResetPassword(c, s, p)
}

func (f *Faults) StartResetSession(c Ctx, s store.TokenSpend, session store.SessionRecord, end store.SessionEnd, fx store.Effects) ([]store.Event, error) {
	if err := f.BeforeCall(c); err != nil {
		return nil, err
	}
	return f.Store.StartResetSession(c, s, session, end, fx)
}

func (f *Faults) VerifyEmail(c Ctx, s store.TokenSpend, fx store.Effects) (usher.User, error) {
	if err := f.BeforeCall(c); err != nil {
		return usher.User{}, err
	}
	return f.Store.VerifyEmail(c, s, fx)
}

func (f *Faults) ChangeEmail(c Ctx, s store.TokenSpend, old, new string, fx store.Effects) (usher.User, error) {
	if err := f.BeforeCall(c); err != nil {
		return usher.User{}, err
	}
	return f.Store.ChangeEmail(c, s, old, new, fx)
}

func (f *Faults) AccountByAddress(c Ctx, canonical string) (store.Account, error) {
	if err := f.BeforeCall(c); err != nil {
		return store.Account{}, err
	}
	return f.Store.AccountByAddress(c, canonical)
}

func (f *Faults) PutInvitation(c Ctx, i store.Invitation, replaced store.Event, fx store.Effects) ([]store.Event, error) {
	if err := f.BeforeCall(c); err != nil {
		return nil, err
	}
	return f.Store.PutInvitation(c, i, replaced, fx)
}

func (f *Faults) Invitation(c Ctx, hash []byte, now time.Time) (store.Invitation, error) {
	if err := f.BeforeCall(c); err != nil {
		return store.Invitation{}, err
	}
	return f.Store.Invitation(c, hash, now)
}

func (f *Faults) InvitationOf(c Ctx, canonical string, now time.Time) (store.Invitation, error) {
	if err := f.BeforeCall(c); err != nil {
		return store.Invitation{}, err
	}
	return f.Store.InvitationOf(c, canonical, now)
}

func (f *Faults) Invitations(c Ctx, after string, limit int, now time.Time) ([]store.Invitation, error) {
	if err := f.BeforeCall(c); err != nil {
		return nil, err
	}
	return f.Store.Invitations(c, after, limit, now)
}

func (f *Faults) SavePasswordSettings(c Ctx, p store.PasswordSettings, fx store.Effects) error {
	if err := f.BeforeCall(c); err != nil {
		return err
	}
	return f.Store.SavePasswordSettings(c, p, fx)
}

func (f *Faults) WithdrawInvitation(c Ctx, hash []byte, now time.Time, fx store.Effects) error {
	if err := f.BeforeCall(c); err != nil {
		return err
	}
	return f.Store.WithdrawInvitation(c, hash, now, fx)
}

func (f *Faults) AcceptInvitation(c Ctx, a store.InvitationAcceptance) (usher.User, error) {
	if err := f.BeforeCall(c); err != nil {
		return usher.User{}, err
	}
	return f.Store.AcceptInvitation(c, a)
}

func (f *Faults) TakeLimits(c Ctx, now time.Time, l []store.Limit) (store.LimitResult, error) {
	if err := f.BeforeCall(c); err != nil {
		return store.LimitResult{}, err
	}
	return f.Store.TakeLimits(c, now, l)
}

func (f *Faults) ReleaseLimits(c Ctx, keys []string) error {
	if f.CleanupErr != nil {
		return f.CleanupErr
	}
	return f.Store.ReleaseLimits(c, keys)
}

func (f *Faults) ClearLimits(c Ctx, keys []string) error {
	if f.CleanupErr != nil {
		return f.CleanupErr
	}
	return f.Store.ClearLimits(c, keys)
}

func (f *Faults) SignIns(c Ctx, userIDs []string, limit int) ([]store.SignIn, error) {
	if err := f.BeforeCall(c); err != nil {
		return nil, err
	}
	return f.Store.SignIns(c, userIDs, limit)
}

func (f *Faults) Users(c Ctx, q store.UserQuery) (store.UserPage, error) {
	if err := f.BeforeCall(c); err != nil {
		return store.UserPage{}, err
	}
	return f.Store.Users(c, q)
}

func (f *Faults) EmailCount(c Ctx) (int, error) {
	if err := f.BeforeCall(c); err != nil {
		return 0, err
	}
	return f.Store.EmailCount(c)
}

func (f *Faults) Record(c Ctx, fx store.Effects) error {
	if err := f.BeforeCall(c); err != nil {
		return err
	}
	return f.Store.Record(c, fx)
}

var _ store.Store = (*Faults)(nil)
