package usher_test

import (
	"crypto/elliptic"
	"encoding/base64"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
	"github.com/usherkit/usher/token"
)

func TestSE06_SignOutHoldsHereAtOnceAndElsewhereInASecond(t *testing.T) {
	t.Parallel()
	for name, out := range map[string]func(k *kit, a *usher.Authentication) error{
		"session token": func(k *kit, a *usher.Authentication) error { return k.SignOut(ctx, k.claims(a), home) },
		"refresh token": func(k *kit, a *usher.Authentication) error { return k.SignOutToken(ctx, a.Tokens.Refresh, home) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k, other := twoMachines(t)
				a, b := k.signUp(ann), k.signUp("bob@example.com")
				k.inbox()
				if !other.alive(a) {
					t.Fatal("not valid elsewhere")
				}
				k.events.reset()
				if err := out(k, a); err != nil {
					t.Fatal(err)
				}
				k.wantEvents("authn_logout")
				k.wantNoUse(a)
				_, err := other.RefreshSession(ctx, a.Tokens.Refresh, home)
				wantErr(t, err, usher.ErrInvalidSession)
				time.Sleep(1100 * time.Millisecond) // the bubble's clock
				_, err = other.ValidateSession(ctx, a.Tokens.Session.Reveal())
				wantErr(t, err, token.ErrRevoked)
				if !k.alive(b) || !other.alive(b) {
					t.Fatal("another session ended")
				}
				// Once more is no error and no second event but for the refused refresh.
				k.events.reset()
				if err := k.SignOutToken(ctx, a.Tokens.Refresh, home); err != nil {
					t.Fatal(err)
				}
				k.wantEvents("")
			})
		})
	}
}

// A machine that starts afterwards knows of it before it serves.
func TestSE06_AMachineThatStartsLater(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUp(ann)
	if err := k.SignOut(ctx, k.claims(a), home); err != nil {
		t.Fatal(err)
	}
	_, err := k.twin().ValidateSession(ctx, a.Tokens.Session.Reveal())
	wantErr(t, err, token.ErrRevoked)
}

// A step on another machine may show only after a later one: its revocation is
// found all the same, at the next poll.
func TestSE06_RevocationsThatShowOutOfOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := &aging{Store: memory.New()}
		k := machine(t, st)
		var all []*usher.Authentication
		for i := range 4 {
			all = append(all, k.signUp(fmt.Sprintf("u%d@example.com", i)))
		}
		time.Sleep(47 * time.Second) // the bubble's clock
		late := []store.Revocation{k.revocation(11, all[0]), k.revocation(13, all[1]), k.revocation(12, all[2]), k.revocation(10, all[3])}
		for i := range late {
			list := slices.Clone(late[:i+1])
			slices.SortFunc(list, func(a, b store.Revocation) int { return int(a.ID - b.ID) })
			st.set(false, list...)
			time.Sleep(1100 * time.Millisecond)
			for j, a := range all {
				if k.alive(a) != (j > i) {
					t.Fatalf("after revocation %d, session %d is alive: %v", late[i].ID, j, k.alive(a))
				}
			}
			time.Sleep(7 * time.Second)
		}
	})
}

// Revocation goes by session, not by the bytes of a token.
func TestSE07_OtherBytesOfTheSameTokenStayRevoked(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUp(ann)
	raw := a.Tokens.Session.Reveal()
	twisted := otherSignature(t, raw)
	if _, err := k.ValidateSession(ctx, twisted); err != nil {
		t.Fatalf("the twisted signature must verify, or this test proves nothing: %v", err)
	}
	if err := k.SignOut(ctx, k.claims(a), home); err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string]string{"same": raw, "s' = n - s": twisted} {
		_, err := k.ValidateSession(ctx, raw)
		t.Run(name, func(t *testing.T) { wantErr(t, err, token.ErrRevoked) })
	}
	// The 86 characters of an ES256 signature end in four unused bits.
	spare := raw[:len(raw)-1] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", raw[len(raw)-1])^1])
	_, err := k.ValidateSession(ctx, spare)
	wantErr(t, err, token.ErrInvalid)
	_, err = k.RefreshSession(ctx, usher.Secret(otherSignature(t, a.Tokens.Refresh.Reveal())), home)
	wantErr(t, err, usher.ErrInvalidSession)
}

// otherSignature returns the token under the other valid ES256 signature.
func otherSignature(t *testing.T, raw string) string {
	t.Helper()
	i := strings.LastIndexByte(raw, '.')
	sig, err := base64.RawURLEncoding.DecodeString(raw[i+1:])
	if err != nil || len(sig) != 64 {
		t.Fatal("not an ES256 signature")
	}
	s := new(big.Int).SetBytes(sig[32:])
	s.Sub(elliptic.P256().Params().N, s).FillBytes(sig[32:])
	return raw[:i+1] + base64.RawURLEncoding.EncodeToString(sig)
}

// Rows that mean nothing any more are removed, and a revocation is kept as long
// as a token of its session may live.
func TestExpiredRowsAreRemoved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		k := machine(t, store, func(c *usher.Config) { c.Sessions.Idle = 15 * time.Minute })
		a := k.signUp(ann)
		b := k.signIn(ann, goodPassword, home)
		k.inbox()
		if err := k.SignOut(ctx, k.claims(a), home); err != nil {
			t.Fatal(err)
		}
		revoked := func() int { return len(usher.Must(store.Revocations(ctx, 0))) }
		time.Sleep(10 * time.Minute) // the bubble's clock
		if revoked() != 1 {
			t.Fatal("a revocation went while a token of it may live")
		}
		time.Sleep(6 * time.Minute)
		if _, err := store.Session(ctx, b.Session.ID); err == nil {
			t.Fatal("an idle session is still there")
		}
		time.Sleep(time.Hour)
		if revoked() != 0 {
			t.Fatal("the revocation is still there")
		}
		if n := len(usher.Must(k.Events(ctx, usher.EventQuery{}))); n == 0 {
			t.Fatal("the audit trail went too")
		}
	})
}
