package handlers_test

import (
	"context"
	"sync"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

type ctx = context.Context

// faults is a store that does what it is told at each call, or at one of them.
type faults struct {
	*memory.Store
	mu    sync.Mutex
	calls int
	at    int // the call that is hit; 0 hits each
	do    func(ctx) error
	// tidying is what happens to calls whose failure changes nothing.
	tidying error
}

func newFaults() *faults { return &faults{Store: memory.New()} }

// fail makes every call fail, or none.
func (f *faults) fail(err error) {
	if err == nil {
		f.arm(0, nil)
		return
	}
	f.arm(0, func(ctx) error { return err })
}

// arm makes the nth call from now on do that, or each if n is 0.
func (f *faults) arm(n int, do func(ctx) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls, f.at, f.do = 0, n, do
}

// hit is called at the start of each call of a request.
func (f *faults) hit(c ctx) error {
	f.mu.Lock()
	f.calls++
	do := f.do
	if f.at != 0 && f.calls != f.at {
		do = nil
	}
	f.mu.Unlock()
	if do == nil {
		return nil
	}
	return do(c)
}

// made is how many calls there were since arm.
func (f *faults) made() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

func (f *faults) CreateUser(c ctx, in store.UserCreation) error {
	if err := f.hit(c); err != nil {
		return err
	}
	return f.Store.CreateUser(c, in)
}

func (f *faults) Account(c ctx, id string) (store.Account, error) {
	if err := f.hit(c); err != nil {
		return store.Account{}, err
	}
	return f.Store.Account(c, id)
}

func (f *faults) AccountByLoginID(c ctx, id string) (store.Account, error) {
	if err := f.hit(c); err != nil {
		return store.Account{}, err
	}
	return f.Store.AccountByLoginID(c, id)
}

func (f *faults) UpdateUser(c ctx, u store.UserUpdate) (usher.User, []string, error) {
	if err := f.hit(c); err != nil {
		return usher.User{}, nil, err
	}
	return f.Store.UpdateUser(c, u)
}

func (f *faults) ChangePassword(c ctx, p store.PasswordChange) ([]string, error) {
	if err := f.hit(c); err != nil {
		return nil, err
	}
	return f.Store.ChangePassword(c, p)
}

func (f *faults) StartSession(c ctx, s store.SessionStart) ([]string, error) {
	if err := f.hit(c); err != nil {
		return nil, err
	}
	return f.Store.StartSession(c, s)
}

func (f *faults) Session(c ctx, id string) (store.SessionRecord, error) {
	if err := f.hit(c); err != nil {
		return store.SessionRecord{}, err
	}
	return f.Store.Session(c, id)
}

func (f *faults) UserSessions(c ctx, id string, now time.Time) ([]usher.Session, error) {
	if err := f.hit(c); err != nil {
		return nil, err
	}
	return f.Store.UserSessions(c, id, now)
}

func (f *faults) SwapRefresh(c ctx, s store.RefreshSwap) (store.RefreshResult, error) {
	if err := f.hit(c); err != nil {
		return store.RefreshResult{}, err
	}
	return f.Store.SwapRefresh(c, s)
}

func (f *faults) EndSession(c ctx, user, id string, end store.SessionEnd, fx store.Effects) error {
	if err := f.hit(c); err != nil {
		return err
	}
	return f.Store.EndSession(c, user, id, end, fx)
}

func (f *faults) EndUserSessions(c ctx, user string, end store.SessionEnd, fx store.Effects) ([]string, error) {
	if err := f.hit(c); err != nil {
		return nil, err
	}
	return f.Store.EndUserSessions(c, user, end, fx)
}

func (f *faults) AddOneTimeToken(c ctx, a store.TokenAddition) error {
	if err := f.hit(c); err != nil {
		return err
	}
	return f.Store.AddOneTimeToken(c, a)
}

func (f *faults) OneTimeToken(c ctx, hash []byte, now time.Time) (store.OneTimeToken, error) {
	if err := f.hit(c); err != nil {
		return store.OneTimeToken{}, err
	}
	return f.Store.OneTimeToken(c, hash, now)
}

func (f *faults) UserTokens(c ctx, user string, p store.Purpose, now time.Time) ([]store.OneTimeToken, error) {
	if err := f.hit(c); err != nil {
		return nil, err
	}
	return f.Store.UserTokens(c, user, p, now)
}

func (f *faults) DropTokens(c ctx, user string, p store.Purpose, now time.Time, fx store.Effects) error {
	if err := f.hit(c); err != nil {
		return err
	}
	return f.Store.DropTokens(c, user, p, now, fx)
}

func (f *faults) ResetPassword(c ctx, s store.TokenSpend, p store.PasswordChange) ([]string, error) {
	if err := f.hit(c); err != nil {
		return nil, err
	}
	return f.Store.ResetPassword(c, s, p)
}

func (f *faults) StartResetSession(c ctx, s store.TokenSpend, session store.SessionRecord, end store.SessionEnd, fx store.Effects) ([]string, error) {
	if err := f.hit(c); err != nil {
		return nil, err
	}
	return f.Store.StartResetSession(c, s, session, end, fx)
}

func (f *faults) VerifyEmail(c ctx, s store.TokenSpend, fx store.Effects) (usher.User, error) {
	if err := f.hit(c); err != nil {
		return usher.User{}, err
	}
	return f.Store.VerifyEmail(c, s, fx)
}

func (f *faults) ChangeEmail(c ctx, s store.TokenSpend, old, new string, fx store.Effects) (usher.User, error) {
	if err := f.hit(c); err != nil {
		return usher.User{}, err
	}
	return f.Store.ChangeEmail(c, s, old, new, fx)
}

func (f *faults) TakeLimits(c ctx, now time.Time, l []store.Limit) (store.LimitResult, error) {
	if err := f.hit(c); err != nil {
		return store.LimitResult{}, err
	}
	return f.Store.TakeLimits(c, now, l)
}

func (f *faults) GiveBackLimits(c ctx, keys []string) error {
	if f.tidying != nil {
		return f.tidying
	}
	return f.Store.GiveBackLimits(c, keys)
}

func (f *faults) ClearLimits(c ctx, keys []string) error {
	if f.tidying != nil {
		return f.tidying
	}
	return f.Store.ClearLimits(c, keys)
}

func (f *faults) MailCount(c ctx) (int, error) {
	if err := f.hit(c); err != nil {
		return 0, err
	}
	return f.Store.MailCount(c)
}

func (f *faults) Record(c ctx, fx store.Effects) error {
	if err := f.hit(c); err != nil {
		return err
	}
	return f.Store.Record(c, fx)
}

var _ store.Store = (*faults)(nil)
