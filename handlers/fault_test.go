package handlers_test

import (
	"context"
	"sync"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/storetest"
)

type ctx = context.Context

// faults is a store that does what it is told at each call, or at one of them.
type faults struct {
	*storetest.Memory
	mu    sync.Mutex
	calls int
	at    int // the call that is hit; 0 hits each
	do    func(ctx) error
	// tidying is what happens to calls whose failure changes nothing.
	tidying error
}

func newFaults() *faults { return &faults{Memory: storetest.NewMemory()} }

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

func (f *faults) CreateUser(c ctx, in usher.UserCreation) error {
	if err := f.hit(c); err != nil {
		return err
	}
	return f.Memory.CreateUser(c, in)
}

func (f *faults) Account(c ctx, id string) (usher.Account, error) {
	if err := f.hit(c); err != nil {
		return usher.Account{}, err
	}
	return f.Memory.Account(c, id)
}

func (f *faults) AccountByLoginID(c ctx, id string) (usher.Account, error) {
	if err := f.hit(c); err != nil {
		return usher.Account{}, err
	}
	return f.Memory.AccountByLoginID(c, id)
}

func (f *faults) UpdateUser(c ctx, u usher.UserUpdate) (usher.User, []string, error) {
	if err := f.hit(c); err != nil {
		return usher.User{}, nil, err
	}
	return f.Memory.UpdateUser(c, u)
}

func (f *faults) ChangePassword(c ctx, p usher.PasswordChange) ([]string, error) {
	if err := f.hit(c); err != nil {
		return nil, err
	}
	return f.Memory.ChangePassword(c, p)
}

func (f *faults) StartSession(c ctx, s usher.SessionStart) ([]string, error) {
	if err := f.hit(c); err != nil {
		return nil, err
	}
	return f.Memory.StartSession(c, s)
}

func (f *faults) Session(c ctx, id string) (usher.Session, error) {
	if err := f.hit(c); err != nil {
		return usher.Session{}, err
	}
	return f.Memory.Session(c, id)
}

func (f *faults) UserSessions(c ctx, id string, now time.Time) ([]usher.Session, error) {
	if err := f.hit(c); err != nil {
		return nil, err
	}
	return f.Memory.UserSessions(c, id, now)
}

func (f *faults) SwapRefresh(c ctx, s usher.RefreshSwap) (usher.RefreshResult, error) {
	if err := f.hit(c); err != nil {
		return usher.RefreshResult{}, err
	}
	return f.Memory.SwapRefresh(c, s)
}

func (f *faults) EndSession(c ctx, user, id string, end usher.SessionEnd, fx usher.Effects) error {
	if err := f.hit(c); err != nil {
		return err
	}
	return f.Memory.EndSession(c, user, id, end, fx)
}

func (f *faults) EndUserSessions(c ctx, user string, end usher.SessionEnd, fx usher.Effects) ([]string, error) {
	if err := f.hit(c); err != nil {
		return nil, err
	}
	return f.Memory.EndUserSessions(c, user, end, fx)
}

func (f *faults) AddOneTimeToken(c ctx, a usher.TokenAddition) error {
	if err := f.hit(c); err != nil {
		return err
	}
	return f.Memory.AddOneTimeToken(c, a)
}

func (f *faults) OneTimeToken(c ctx, hash []byte, now time.Time) (usher.OneTimeToken, error) {
	if err := f.hit(c); err != nil {
		return usher.OneTimeToken{}, err
	}
	return f.Memory.OneTimeToken(c, hash, now)
}

func (f *faults) UserTokens(c ctx, user string, p usher.Purpose, now time.Time) ([]usher.OneTimeToken, error) {
	if err := f.hit(c); err != nil {
		return nil, err
	}
	return f.Memory.UserTokens(c, user, p, now)
}

func (f *faults) DropTokens(c ctx, user string, p usher.Purpose, now time.Time, fx usher.Effects) error {
	if err := f.hit(c); err != nil {
		return err
	}
	return f.Memory.DropTokens(c, user, p, now, fx)
}

func (f *faults) ResetPassword(c ctx, s usher.TokenSpend, p usher.PasswordChange) ([]string, error) {
	if err := f.hit(c); err != nil {
		return nil, err
	}
	return f.Memory.ResetPassword(c, s, p)
}

func (f *faults) StartResetSession(c ctx, s usher.TokenSpend, session usher.Session, end usher.SessionEnd, fx usher.Effects) ([]string, error) {
	if err := f.hit(c); err != nil {
		return nil, err
	}
	return f.Memory.StartResetSession(c, s, session, end, fx)
}

func (f *faults) VerifyEmail(c ctx, s usher.TokenSpend, fx usher.Effects) (usher.User, error) {
	if err := f.hit(c); err != nil {
		return usher.User{}, err
	}
	return f.Memory.VerifyEmail(c, s, fx)
}

func (f *faults) ChangeEmail(c ctx, s usher.TokenSpend, old, new string, fx usher.Effects) (usher.User, error) {
	if err := f.hit(c); err != nil {
		return usher.User{}, err
	}
	return f.Memory.ChangeEmail(c, s, old, new, fx)
}

func (f *faults) TakeLimits(c ctx, now time.Time, l []usher.Limit) (usher.LimitResult, error) {
	if err := f.hit(c); err != nil {
		return usher.LimitResult{}, err
	}
	return f.Memory.TakeLimits(c, now, l)
}

func (f *faults) GiveBackLimits(c ctx, keys []string) error {
	if f.tidying != nil {
		return f.tidying
	}
	return f.Memory.GiveBackLimits(c, keys)
}

func (f *faults) ClearLimits(c ctx, keys []string) error {
	if f.tidying != nil {
		return f.tidying
	}
	return f.Memory.ClearLimits(c, keys)
}

func (f *faults) MailCount(c ctx) (int, error) {
	if err := f.hit(c); err != nil {
		return 0, err
	}
	return f.Memory.MailCount(c)
}

func (f *faults) Record(c ctx, fx usher.Effects) error {
	if err := f.hit(c); err != nil {
		return err
	}
	return f.Memory.Record(c, fx)
}

var _ usher.Store = (*faults)(nil)
