package storetest

import (
	"fmt"
	"time"

	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

// refreshSwap returns an exchange of the n-th refresh token of a session, ten minutes after t0.
func refreshSwap(s store.SessionRecord, n int) store.RefreshSwap {
	name := func(n int) []byte { return hash(s.ID + " refresh " + string(rune('0'+n))) }
	return store.RefreshSwap{
		SessionID: s.ID, Presented: name(n), Next: name(n + 1), Again: hash(s.ID + " again"),
		Now: t0.Add(10 * time.Minute), Idle: time.Hour, Grace: 10 * time.Second,
		UserAgent: "Agent/2", Address: "192.0.2.2", RevokedUntil: t0.Add(30 * time.Minute),
	}
}

// swap exchanges a refresh token later than in.Now, and fails the case unless it has that
// outcome.
func (e *env) swap(in store.RefreshSwap, after time.Duration, want store.RefreshOutcome) store.RefreshResult {
	e.Helper()
	in.Now = in.Now.Add(after)
	got, err := e.SwapRefresh(e.ctx, in)
	e.ok(err)
	if got.Outcome != want {
		e.Fatalf("outcome %d, want %d", got.Outcome, want)
	}
	return got
}

// manyChildren exchanges the first refresh token of a session every ten seconds until it
// has n children, and returns their hashes.
func (e *env) manyChildren(s store.SessionRecord, n int) (children [][]byte) {
	e.Helper()
	for i := range n {
		in := refreshSwap(s, 1)
		in.Again = hash(fmt.Sprint(s.ID, " child ", i))
		got := e.swap(in, time.Duration(i)*in.Grace, store.RefreshSwapped)
		children = append(children, got.Token)
	}
	return children
}

var refreshCases = []testCase{
	{"exchanges the current token", func(e *env) {
		a := e.createUser("anna")
		s := e.signIn(a.User.ID)
		in := refreshSwap(s, 1)
		in.Swapped, in.Reused = e.effects(), e.effects()
		got, err := e.SwapRefresh(e.ctx, in)
		e.ok(err)
		want := s
		want.Refresh.Previous, want.Refresh.Current = in.Presented, in.Next
		want.LastSeenAt, want.Refresh.RotatedAt, want.IdleExpiresAt = in.Now, in.Now, in.Now.Add(time.Hour)
		want.UserAgent, want.Address = "Agent/2", "192.0.2.2"
		e.wantEqual("result", got, store.RefreshResult{Outcome: store.RefreshSwapped, Token: in.Next, Session: want, User: a.User})
		stored, err := e.Session(e.ctx, s.ID)
		e.ok(err)
		e.wantEqual("session", stored, want)
		e.wantEffects(in.Swapped)
	}},
	{"keeps the user agent and address if the new ones are empty", func(e *env) {
		s := e.signIn(e.createUser("anna").User.ID)
		in := refreshSwap(s, 1)
		in.UserAgent, in.Address = "", ""
		got, err := e.SwapRefresh(e.ctx, in)
		e.ok(err)
		e.wantEqual("device", []string{got.Session.UserAgent, got.Session.Address}, []string{s.UserAgent, s.Address})
	}},
	{"IdleExpiresAt never exceeds ExpiresAt", func(e *env) {
		s := e.signIn(e.createUser("anna").User.ID)
		in := refreshSwap(s, 1)
		in.Idle = 48 * time.Hour
		got, err := e.SwapRefresh(e.ctx, in)
		e.ok(err)
		if !got.Session.IdleExpiresAt.Equal(s.ExpiresAt) || !got.Session.ExpiresAt.Equal(s.ExpiresAt) {
			e.Fatalf("idle %v, absolute %v, want %v", got.Session.IdleExpiresAt, got.Session.ExpiresAt, s.ExpiresAt)
		}
	}},
	{"the previous token is a replay within the grace time", func(e *env) {
		a := e.createUser("anna")
		s := e.signIn(a.User.ID)
		first, err := e.SwapRefresh(e.ctx, refreshSwap(s, 1))
		e.ok(err)
		in := refreshSwap(s, 1)
		in.Now, in.Swapped, in.Reused = in.Now.Add(9*time.Second), e.effects(), e.effects()
		got, err := e.SwapRefresh(e.ctx, in)
		e.ok(err)
		e.wantEqual("result", got, store.RefreshResult{Outcome: store.RefreshReplayed, Token: in.Next, Session: first.Session, User: a.User})
		stored, err := e.Session(e.ctx, s.ID)
		e.ok(err)
		e.wantEqual("session", stored, first.Session)
		e.wantEffects()
	}},
	{"after the grace time the previous token gets a further child", func(e *env) {
		a := e.createUser("anna")
		s := e.signIn(a.User.ID)
		first, err := e.SwapRefresh(e.ctx, refreshSwap(s, 1))
		e.ok(err)
		in := refreshSwap(s, 1)
		in.Now, in.Swapped, in.Reused = in.Now.Add(10*time.Second), e.effects(), e.effects()
		got, err := e.SwapRefresh(e.ctx, in)
		e.ok(err)
		want := first.Session
		want.Refresh.Siblings, want.Refresh.Current = [][]byte{in.Next}, in.Again
		want.LastSeenAt, want.Refresh.RotatedAt, want.IdleExpiresAt = in.Now, in.Now, in.Now.Add(time.Hour)
		e.wantEqual("result", got, store.RefreshResult{Outcome: store.RefreshSwapped, Token: in.Again, Session: want, User: a.User})
		stored, err := e.Session(e.ctx, s.ID)
		e.ok(err)
		e.wantEqual("session", stored, want)
		e.wantEffects(in.Swapped)
	}},
	{"a child that is presented ends its siblings, and a sibling ends the session", func(e *env) {
		a := e.createUser("anna")
		s, keep := e.signIn(a.User.ID), e.signIn(a.User.ID)
		children := e.manyChildren(s, 3)
		in := refreshSwap(s, 1)
		in.Presented, in.Next = children[1], hash("grandchild")
		got := e.swap(in, time.Minute, store.RefreshSwapped)
		e.wantEqual("state", got.Session.Refresh, store.RefreshState{
			Current: in.Next, Previous: in.Presented, RotatedAt: in.Now.Add(time.Minute),
		})
		in.Presented, in.Next, in.Swapped, in.Reused = children[2], hash("x"), e.effects(), e.effects()
		ended := e.swap(in, time.Minute, store.RefreshReused)
		e.wantEqual("result", ended, store.RefreshResult{Outcome: store.RefreshReused, Session: got.Session, User: a.User})
		e.wantEnded(in.RevokedUntil, s.ID)
		e.wantLive(keep.ID)
		e.wantEffects(in.Reused)
		_, err := e.SwapRefresh(e.ctx, refreshSwap(s, 1))
		e.wantErr(err, store.ErrNotFound)
	}},
	{"the first and the last child may be presented too", func(e *env) {
		a := e.createUser("anna")
		for _, n := range []int{0, 2} {
			s := e.signIn(a.User.ID)
			in := refreshSwap(s, 1)
			in.Presented, in.Next = e.manyChildren(s, 3)[n], hash("grandchild")
			e.swap(in, time.Minute, store.RefreshSwapped)
		}
	}},
	{"within the grace time older tokens get the newest one, after it they end the session", func(e *env) {
		a := e.createUser("anna")
		s := e.signIn(a.User.ID)
		for n := 1; n <= 3; n++ {
			e.swap(refreshSwap(s, n), time.Duration(n)*time.Second, store.RefreshSwapped)
		}
		stored, err := e.Session(e.ctx, s.ID)
		e.ok(err)
		newest := refreshSwap(s, 3).Next
		for n, until := range []time.Duration{11, 12} {
			in := refreshSwap(s, n+1)
			in.Next = hash("not issued")
			got := e.swap(in, until*time.Second-time.Microsecond, store.RefreshReplayed)
			e.wantEqual("result", got, store.RefreshResult{Outcome: store.RefreshReplayed, Token: newest, Session: stored, User: a.User})
		}
		e.swap(refreshSwap(s, 2), 12*time.Second, store.RefreshReused)
	}},
	{"of many children the newest 8 stay valid", func(e *env) {
		a := e.createUser("anna")
		for n, want := range map[int]store.RefreshOutcome{1: store.RefreshReused, 2: store.RefreshSwapped, 9: store.RefreshSwapped} {
			s := e.signIn(a.User.ID)
			in := refreshSwap(s, 1)
			in.Presented, in.Next = e.manyChildren(s, 10)[n], hash("grandchild")
			e.swap(in, time.Hour/2, want)
		}
	}},
	{"a parent of 8 children gets a child of its own each time", func(e *env) {
		s := e.signIn(e.createUser("anna").User.ID)
		e.manyChildren(s, 7)
		in := refreshSwap(s, 1)
		e.swap(in, 61*time.Second, store.RefreshReplayed)
		for i := range 2 {
			in.Again = hash(fmt.Sprint("own ", i))
			got := e.swap(in, 71*time.Second, store.RefreshSwapped)
			e.wantEqual("token", got.Token, in.Again)
		}
		// Nor does its grace time outlast its last child.
		in.Presented, in.Next = in.Again, hash("grandchild")
		e.swap(in, 72*time.Second, store.RefreshSwapped)
		e.swap(refreshSwap(s, 1), 73*time.Second, store.RefreshReused)
	}},
	{"without Next a token is validated and stays", func(e *env) {
		s := e.signIn(e.createUser("anna").User.ID)
		validate := func(n int, after time.Duration, want store.RefreshOutcome) {
			in := refreshSwap(s, n)
			in.Next, in.Again, in.Swapped = nil, nil, e.effects()
			before, err := e.Session(e.ctx, s.ID)
			e.ok(err)
			got := e.swap(in, after, want)
			e.wantEqual("session", got.Session, before)
			if want == store.RefreshReplayed {
				e.wantEqual("token", got.Token, in.Presented)
			}
		}
		validate(1, 0, store.RefreshReplayed)
		e.swap(refreshSwap(s, 1), 0, store.RefreshSwapped)
		validate(1, time.Minute, store.RefreshReplayed)
		validate(2, time.Minute, store.RefreshReplayed)
		e.swap(refreshSwap(s, 2), 5*time.Second, store.RefreshSwapped)
		validate(1, 9*time.Second, store.RefreshReplayed)
		validate(3, time.Minute, store.RefreshReplayed)
		e.wantEffects()
		validate(1, time.Minute, store.RefreshReused)
		e.wantEnded(refreshSwap(s, 1).RevokedUntil, s.ID)
	}},
	{"without a previous token nothing is a replay", func(e *env) {
		s := e.signIn(e.createUser("anna").User.ID)
		in := refreshSwap(s, 1)
		in.Presented, in.Now = nil, t0.Add(time.Second) // within the grace time
		got, err := e.SwapRefresh(e.ctx, in)
		e.ok(err)
		if got.Outcome != store.RefreshReused {
			e.Fatalf("outcome %d", got.Outcome)
		}
	}},
	{"equal tokens change only the times", func(e *env) {
		s := e.signIn(e.createUser("anna").User.ID)
		in := refreshSwap(s, 1)
		in.Next = in.Presented
		for range 3 {
			in.Now = in.Now.Add(20 * time.Minute)
			got, err := e.SwapRefresh(e.ctx, in)
			e.ok(err)
			if got.Outcome != store.RefreshSwapped || !got.Session.LastSeenAt.Equal(in.Now) ||
				!got.Session.IdleExpiresAt.Equal(in.Now.Add(time.Hour)) {
				e.Fatalf("got %+v", got)
			}
			e.wantEqual("hash", got.Session.Refresh.Current, in.Presented)
		}
	}},
	{"equal tokens keep an exchanged token and its children", func(e *env) {
		s := e.signIn(e.createUser("anna").User.ID)
		first := e.swap(refreshSwap(s, 1), 0, store.RefreshSwapped)
		in := refreshSwap(s, 1)
		in.Next = in.Presented
		got := e.swap(in, time.Second, store.RefreshReplayed)
		e.wantEqual("token", got.Token, first.Token)
		for i := range 2 {
			got = e.swap(in, time.Duration(i+1)*time.Minute, store.RefreshSwapped)
			e.wantEqual("token", got.Token, in.Presented)
			e.wantEqual("state", got.Session.Refresh, first.Session.Refresh)
		}
		e.swap(refreshSwap(s, 2), 3*time.Minute, store.RefreshSwapped)
		e.swap(in, 3*time.Minute, store.RefreshReused)
	}},
	{"a child that is kept ends its parent after the grace time", func(e *env) {
		a := e.createUser("anna")
		for _, kept := range [][]time.Duration{{5}, {5, 10}, {60}} {
			s := e.signIn(a.User.ID)
			for n := 1; n <= 2; n++ {
				e.swap(refreshSwap(s, n), 0, store.RefreshSwapped)
			}
			keep := refreshSwap(s, 3)
			keep.Next = keep.Presented
			for _, after := range kept {
				e.swap(keep, after*time.Second, store.RefreshSwapped)
				for n := 1; n <= 2 && after == 5; n++ {
					got := e.swap(refreshSwap(s, n), 9*time.Second, store.RefreshReplayed)
					e.wantEqual("token", got.Token, keep.Presented)
				}
			}
			e.swap(refreshSwap(s, 2), time.Minute, store.RefreshReused)
		}
	}},
	{"returns ErrNotFound for an ended or expired session, or a disabled user", func(e *env) {
		a := e.createUser("anna")
		s := e.signIn(a.User.ID)
		late := refreshSwap(s, 1)
		late.Now = s.IdleExpiresAt.Add(time.Second)
		e.wantErr(e.wantUnchanged(func() error { _, err := e.SwapRefresh(e.ctx, late); return err }), store.ErrNotFound)
		_, err := e.SwapRefresh(e.ctx, store.RefreshSwap{SessionID: "none", Now: t0})
		e.wantErr(err, store.ErrNotFound)

		dead := e.newSession(a.User.ID)
		dead.ExpiresAt = t0.Add(time.Second) // earlier than IdleExpiresAt
		_, err = e.StartSession(e.ctx, sessionStart(dead))
		e.ok(err)
		e.wantErr(e.wantUnchanged(func() error { _, err := e.SwapRefresh(e.ctx, refreshSwap(dead, 1)); return err }), store.ErrNotFound)

		_, _, err = e.UpdateUser(e.ctx, store.UserUpdate{UserID: a.User.ID, At: t0, Status: ptr(store.StatusDisabled)})
		e.ok(err)
		e.wantErr(e.wantUnchanged(func() error { _, err := e.SwapRefresh(e.ctx, refreshSwap(s, 1)); return err }), store.ErrNotFound)
	}},
	{"reads the user in the same transaction", func(e *env) {
		a := e.createUser("anna")
		s := e.signIn(a.User.ID)
		_, _, err := e.UpdateUser(e.ctx, store.UserUpdate{UserID: a.User.ID, At: t0, Roles: ptr([]string{"new"})})
		e.ok(err)
		got, err := e.SwapRefresh(e.ctx, refreshSwap(s, 1))
		e.ok(err)
		e.wantIDs("roles", got.User.Roles, "new")
	}},
	{"selects a tenant of the user, also by a replay, and later exchanges keep it", func(e *env) {
		a := e.inTenants("anna", "acme", "globex")
		s := e.signIn(a.User.ID)
		in := refreshSwap(s, 1)
		in.Tenant, in.Swapped = ptr("globex"), e.effects()
		first := e.swap(in, 0, store.RefreshSwapped)
		e.wantEqual("tenant", first.Session.Tenant, "globex")
		e.wantEqual("token", first.Token, in.Next)
		selected := in.Swapped

		in.Swapped = e.effects()
		again := e.swap(in, time.Second, store.RefreshReplayed)
		e.wantEqual("session", again.Session, first.Session)
		in.Tenant = ptr("acme")
		other := e.swap(in, 2*time.Second, store.RefreshSwapped)
		want := first.Session
		want.Tenant = "acme"
		e.wantEqual("result", other, store.RefreshResult{Outcome: store.RefreshSwapped, Token: in.Next, Session: want, User: a.User})
		next := refreshSwap(s, 2)
		next.Swapped = e.effects()
		e.wantEqual("tenant", e.swap(next, time.Minute, store.RefreshSwapped).Session.Tenant, "acme")
		last := refreshSwap(s, 3)
		last.Tenant, last.Swapped = ptr(""), e.effects()
		e.wantEqual("tenant", e.swap(last, 2*time.Minute, store.RefreshSwapped).Session.Tenant, "")
		stored, err := e.Session(e.ctx, s.ID)
		e.ok(err)
		e.wantEqual("stored tenant", stored.Tenant, "")
		e.wantEffects(selected, in.Swapped, next.Swapped, last.Swapped)
	}},
	{"selects no tenant that the user is not in", func(e *env) {
		a := e.inTenants("anna", "acme")
		s := e.signIn(a.User.ID)
		e.swap(refreshSwap(s, 1), 0, store.RefreshSwapped)
		before, err := e.Session(e.ctx, s.ID)
		e.ok(err)
		for n := 1; n <= 2; n++ { // the exchanged token within the grace time, and the newest one
			in := refreshSwap(s, n)
			in.Tenant, in.Swapped, in.Reused = ptr("globex"), e.effects(), e.effects()
			got := e.swap(in, time.Second, store.RefreshNotInTenant)
			e.wantEqual("result", got, store.RefreshResult{Outcome: store.RefreshNotInTenant, Session: before, User: a.User})
		}
		stored, err := e.Session(e.ctx, s.ID)
		e.ok(err)
		e.wantEqual("session", stored, before)
		e.wantEffects()
		e.swap(refreshSwap(s, 2), time.Second, store.RefreshSwapped)
		in := refreshSwap(s, 1)
		in.Tenant, in.Reused = ptr("globex"), e.effects()
		e.swap(in, time.Minute, store.RefreshReused)
		e.wantEnded(in.RevokedUntil, s.ID)
	}},
}

// inTenants creates a user who is in the tenants.
func (e *env) inTenants(name string, ids ...string) store.Account {
	e.Helper()
	a := e.createUser(name)
	tenants := map[string]token.Tenant{}
	for _, id := range ids {
		tenants[id] = token.Tenant{}
	}
	u, _, err := e.UpdateUser(e.ctx, store.UserUpdate{UserID: a.User.ID, At: t0, Tenants: &tenants})
	e.ok(err)
	a.User = u
	return a
}
