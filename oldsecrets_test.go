package usher_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store/memory"
)

// withSecrets sets the secret, and older ones.
func withSecrets(now usher.Secret, old ...usher.Secret) func(*usher.Config) {
	return func(c *usher.Config) { c.Secret, c.OldSecrets = now, old }
}

// What was made under the old secret still works after a change of secrets.
func TestOldSecretsStillOpen(t *testing.T) {
	t.Parallel()
	before := newKit(t)
	a := before.signUpVerified(ann)
	b := usher.Must(before.RefreshSession(ctx, a.Tokens.Refresh, home))
	if err := before.Close(ctx); err != nil {
		t.Fatal(err)
	}
	before.forget(ann, home) // stays in the outbox: nobody sends

	k := newKitOn(t, before.store, before.clock, withSecrets(secret2, secret))
	if events := usher.Must(k.Events(ctx, usher.EventQuery{Name: usher.EventKeysRotated, Limit: 1})); events[0].Reason != "new_secret" {
		t.Fatalf("the event is %+v", events[0])
	}
	if !k.alive(a) || !k.alive(b) {
		t.Fatal("session tokens")
	}
	again := usher.Must(k.RefreshSession(ctx, a.Tokens.Refresh, home))
	if again.Tokens.Refresh != b.Tokens.Refresh {
		t.Fatal("the repetition of a refresh gave another successor")
	}
	c := usher.Must(k.RefreshSession(ctx, b.Tokens.Refresh, home))
	if raw := tokenIn(t, k.lastMail(usher.MessageResetPassword)); second(k.CheckReset(ctx, raw, home)) != nil {
		t.Fatal("the mail in the outbox")
	}
	client := home
	client.Device = a.Device
	k.events.reset()
	k.signIn(ann, goodPassword, client)
	k.wantEvents("authn_login_success session_created")

	// The start sealed the keys anew: the old secret is needed no longer.
	k.Close(ctx)
	last := newKitOn(t, before.store, before.clock, withSecrets(secret2))
	if !last.alive(c) {
		t.Fatal("without the old secret")
	}
	usher.Must(last.RefreshSession(ctx, c.Tokens.Refresh, home))
}

func TestWrongSecretNamesTheSetting(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	cfg := k.cfg
	cfg.Secret = secret2
	_, err := usher.New(ctx, k.store, cfg)
	if err == nil || !strings.Contains(err.Error(), "Config.OldSecrets") {
		t.Fatalf("the error is %v", err)
	}
	if strings.Contains(err.Error(), secret.Reveal()) || strings.Contains(err.Error(), secret2.Reveal()) {
		t.Fatal("the error holds a secret")
	}
}

// During a change of secrets the machines have them in different order: each
// understands the other, and they do not seal the keys in turns.
func TestSecretsInDifferentOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		k := machine(t, store, withSecrets(secret, secret2))
		other := machine(t, store, withSecrets(secret2, secret))
		version := usher.Must(store.SigningKeys(ctx)).Version
		a := k.signUpVerified(ann)
		for _, order := range [][]*kit{{k, other}, {other, k}} {
			b := usher.Must(order[0].RefreshSession(ctx, a.Tokens.Refresh, home))
			time.Sleep(5 * time.Second) // the bubble's clock
			again := usher.Must(order[1].RefreshSession(ctx, a.Tokens.Refresh, home))
			if again.Tokens.Refresh != b.Tokens.Refresh || !order[0].alive(again) {
				t.Fatal("the repetition of a refresh gave another successor on the other machine")
			}
			a = again
		}
		client := home
		client.Device = a.Device
		time.Sleep(10 * time.Minute)
		if got := usher.Must(store.SigningKeys(ctx)).Version; got != version {
			t.Fatalf("the keys were sealed anew %d times", got-version)
		}
	})
}

// A machine that does not know the newest secret yet loses no mail, however
// often it is the one that takes it.
func TestMailUnderAnUnknownSecretIsLeftToOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		old := machine(t, store, withSecrets(secret))
		k := machine(t, store, withSecrets(secret2, secret))
		k.Close(ctx) // it made the mail, and the other one takes it
		k.signUp(ann)
		time.Sleep(3 * time.Minute) // the bubble's clock
		old.Close(ctx)
		k = machine(t, store, withSecrets(secret2, secret))
		time.Sleep(5 * time.Minute)
		if got := kinds(k.inbox()); got != "verify_email" || len(old.inbox()) != 0 {
			t.Fatalf("mails are %q", got)
		}
		if n := k.events.count(usher.EventMailGivenUp) + old.events.count(usher.EventMailGivenUp); n != 0 {
			t.Fatal("given up")
		}
	})
}

// A successor that was made under a secret unknown here is no theft and ends
// nothing.
func TestSuccessorUnderAnUnknownSecret(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	next := newKitOn(t, k.store, k.clock, withSecrets(secret2, secret))
	b := usher.Must(next.RefreshSession(ctx, a.Tokens.Refresh, home))
	_, err := k.RefreshSession(ctx, a.Tokens.Refresh, home)
	wantErr(t, err, usher.ErrUnavailable)
	if !next.alive(b) {
		t.Fatal("the session ended")
	}
}
