package storetest

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/usherkit/usher/store"
)

// t0 is the time of the cases. It has microseconds, which a store must keep.
var t0 = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

// env is a running case: its store, and the ids of what it has stored.
type env struct {
	*testing.T
	store.Store
	ctx context.Context

	n                int
	users, sessionID []string
	tokens           [][]byte
}

// ok fails the case unless err is nil.
func (e *env) ok(err error) {
	e.Helper()
	if err != nil {
		e.Fatalf("unexpected error: %v", err)
	}
}

// wantErr fails the case unless err is the named error.
func (e *env) wantErr(err, want error) {
	e.Helper()
	if !errors.Is(err, want) {
		e.Fatalf("got error %v, want %v", err, want)
	}
}

// wantUnnamedErr fails the case unless err is an error that package store does not declare.
func (e *env) wantUnnamedErr(err error) {
	e.Helper()
	if err == nil {
		e.Fatal("got no error")
	}
	for _, named := range []error{store.ErrNotFound, store.ErrConflict, store.ErrLoginIDTaken} {
		if errors.Is(err, named) {
			e.Fatalf("got the named error %v", err)
		}
	}
}

// wantEqual fails the case unless two values are equal. A nil list equals an empty one.
func (e *env) wantEqual(what string, got, want any) {
	e.Helper()
	if g, w := normal(e.T, got), normal(e.T, want); !reflect.DeepEqual(g, w) {
		e.Fatalf("%s:\n got %s\nwant %s", what, text(g), text(w))
	}
}

// wantIDs fails the case unless two lists have the same ids, in any order.
func (e *env) wantIDs(what string, got []string, want ...string) {
	e.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		e.Fatalf("%s: got %q, want %q", what, got, want)
	}
}

// sessionIDs returns the sessions of events.
func sessionIDs(events []store.Event) (ids []string) {
	for _, e := range events {
		ids = append(ids, e.SessionID)
	}
	return ids
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func normal(t *testing.T, v any) any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return prune(out)
}

// prune removes empty values.
func prune(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, one := range v {
			if one = prune(one); one == nil {
				delete(v, k)
			} else {
				v[k] = one
			}
		}
		if len(v) == 0 {
			return nil
		}
	case []any:
		for i := range v {
			v[i] = prune(v[i])
		}
		if len(v) == 0 {
			return nil
		}
	case string:
		if v == "" {
			return nil
		}
	}
	return v
}

// snapshot returns everything that the methods of the store return for this case.
func (e *env) snapshot() any {
	e.Helper()
	out := map[string]any{}
	for _, id := range e.users {
		a, err := e.Account(e.ctx, id)
		out["user "+id] = mustRead(e, a, err)
	}
	for _, id := range e.sessionID {
		s, err := e.Session(e.ctx, id)
		out["session "+id] = mustRead(e, s, err)
	}
	for _, hash := range e.tokens {
		t, err := e.OneTimeToken(e.ctx, hash, t0)
		out[fmt.Sprintf("token %x", hash)] = mustRead(e, t, err)
	}
	revocations, err := e.Revocations(e.ctx, 0)
	out["revocations"] = mustRead(e, revocations, err)
	mail, err := e.EmailCount(e.ctx)
	out["mail"] = mustRead(e, mail, err)
	events, err := e.events(store.EventQuery{Limit: 1000})
	out["events"] = mustRead(e, events, err)
	keys, err := e.SigningKeys(e.ctx)
	out["keys"] = mustRead(e, keys, err)
	return out
}

func mustRead(e *env, v any, err error) any {
	e.Helper()
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	e.ok(err)
	return v
}

// wantUnchanged runs step, fails the case if it changes the store, and returns its error.
func (e *env) wantUnchanged(step func() error) error {
	e.Helper()
	before := e.snapshot()
	err := step()
	e.wantEqual("the store after a step that failed", e.snapshot(), before)
	return err
}

// next returns the next number for the ids of a case.
func (e *env) next() int {
	e.n++
	return e.n
}

func hash(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:]
}

// newCreation returns a sign-up with only the user and its password.
func (e *env) newCreation(name string) store.UserCreation {
	id := "user-" + name
	e.users = append(e.users, id)
	return store.UserCreation{
		User: store.User{
			ID:            id,
			LoginIDs:      []string{name + "@Example.test"},
			Email:         name + "@Example.test",
			EmailVerified: true,
			Name:          "Name of " + name,
			Language:      "de",
			Status:        store.StatusEnabled,
			CreatedAt:     t0,
			UpdatedAt:     t0,
		},
		Canonical: []string{name + "@example.test"},
		Password:  store.Password{Hash: "hash-1", State: store.PasswordActive, Version: 1, ChangedAt: t0},
	}
}

// create stores a user.
func (e *env) create(c store.UserCreation) {
	e.Helper()
	_, err := e.CreateUser(e.ctx, c)
	e.ok(err)
}

// createUser is create for a new user with that name.
func (e *env) createUser(name string) store.Account {
	e.Helper()
	c := e.newCreation(name)
	e.create(c)
	return store.Account{User: c.User, Password: c.Password}
}

// newSession returns a session of that user. It is not stored yet.
func (e *env) newSession(userID string) store.SessionRecord {
	id := fmt.Sprintf("session-%d", e.next())
	e.sessionID = append(e.sessionID, id)
	return store.SessionRecord{
		Session: store.Session{
			ID:              id,
			UserID:          userID,
			Kind:            store.SessionFull,
			CreatedAt:       t0,
			LastSeenAt:      t0,
			IdleExpiresAt:   t0.Add(time.Hour),
			ExpiresAt:       t0.Add(24 * time.Hour),
			EndsWithBrowser: true,
			Tenant:          "acme",
			AMR:             []string{"pwd"},
			UserAgent:       "Agent/1",
			Address:         "192.0.2.1",
		},
		Refresh: store.RefreshState{Current: hash(id + " refresh 1"), RotatedAt: t0},
	}
}

// signIn starts a session.
func (e *env) signIn(userID string) store.SessionRecord {
	e.Helper()
	s := e.newSession(userID)
	_, err := e.StartSession(e.ctx, store.SessionStart{Session: s, IfPasswordVersion: e.version(userID), Max: 100})
	e.ok(err)
	return s
}

func (e *env) version(userID string) int64 {
	e.Helper()
	a, err := e.Account(e.ctx, userID)
	e.ok(err)
	return a.Password.Version
}

// newToken returns a one-time token that is valid for the user. It is not stored yet.
func (e *env) newToken(a store.Account, p store.Purpose) store.OneTimeToken {
	h := hash(fmt.Sprintf("token-%d", e.next()))
	e.tokens = append(e.tokens, h)
	return store.OneTimeToken{
		Hash:            h,
		UserID:          a.User.ID,
		Purpose:         p,
		Email:           a.User.Email,
		PasswordVersion: a.Password.Version,
		CreatedAt:       t0,
		ExpiresAt:       t0.Add(10 * time.Minute),
	}
}

// openToken stores a one-time token.
func (e *env) openToken(a store.Account, p store.Purpose) store.OneTimeToken {
	e.Helper()
	t := e.newToken(a, p)
	if p == store.PurposeChangeEmail {
		t.NewEmail = "New@Example.test"
	}
	e.ok(e.AddOneTimeToken(e.ctx, store.TokenAddition{Token: t, MaxOpen: 100}))
	return t
}

func tokenSpend(t store.OneTimeToken) store.TokenSpend {
	return store.TokenSpend{Hash: t.Hash, Purposes: []store.Purpose{t.Purpose}, Now: t0.Add(time.Minute)}
}

// effects returns one event and one email.
func (e *env) effects() store.Effects {
	n := e.next()
	return store.Effects{
		Events: []store.Event{{
			ID: fmt.Sprintf("event-%d", n), At: t0.Add(time.Duration(n)), Name: store.EventSignIn,
			UserID: "someone", SessionID: "some session", Address: "192.0.2.7", UserAgent: "Agent/7",
			RequestID: "request-7", Reason: "because",
		}},
		Emails: []store.QueuedEmail{{
			ID: fmt.Sprintf("mail-%d", n), Sealed: []byte{0, 255, byte(n)}, CreatedAt: t0, NotBefore: t0,
		}},
	}
}

// wantEffects fails the case unless exactly these effects are in the store.
func (e *env) wantEffects(all ...store.Effects) {
	e.Helper()
	var events, mail []string
	for _, fx := range all {
		for _, ev := range fx.Events {
			events = append(events, ev.ID)
		}
		for _, q := range fx.Emails {
			mail = append(mail, q.ID)
		}
	}
	gotEvents, err := e.events(store.EventQuery{Limit: 1000})
	e.ok(err)
	var ids []string
	for _, ev := range gotEvents {
		ids = append(ids, ev.ID)
	}
	e.wantIDs("events", ids, events...)
	n, err := e.EmailCount(e.ctx)
	e.ok(err)
	if n != len(mail) {
		e.Fatalf("%d messages in the outbox, want %d", n, len(mail))
	}
}

// wantEnded fails the case unless exactly these sessions were revoked, in any
// order, and are gone.
func (e *env) wantEnded(until time.Time, ids ...string) {
	e.Helper()
	revocations, err := e.Revocations(e.ctx, 0)
	e.ok(err)
	var got []string
	for _, r := range revocations {
		got = append(got, r.SessionID)
		if !r.Until.Equal(until) {
			e.Fatalf("revocation until %v, want %v", r.Until, until)
		}
	}
	e.wantIDs("revocations", got, ids...)
	for _, id := range ids {
		_, err := e.Session(e.ctx, id)
		e.wantErr(err, store.ErrNotFound)
	}
}

// wantLive fails the case unless these sessions have not ended.
func (e *env) wantLive(ids ...string) {
	e.Helper()
	for _, id := range ids {
		_, err := e.Session(e.ctx, id)
		e.ok(err)
	}
}

func ptr[T any](v T) *T { return &v }

// events reads one page of events.
func (e *env) events(q store.EventQuery) ([]store.Event, error) {
	page, err := e.Events(e.ctx, q)
	return page.Events, err
}
