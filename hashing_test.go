package usher_test

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

// account returns the stored account of a canonical login id.
func (k *kit) account(canonical string) store.Account {
	k.t.Helper()
	a, err := k.store.AccountByLoginID(ctx, canonical)
	if err != nil {
		k.t.Fatalf("AccountByLoginID(%s): %v", canonical, err)
	}
	return a
}

// setHash writes a hash into the row of a user.
func (k *kit) setHash(canonical, hash string) {
	k.t.Helper()
	a := k.account(canonical)
	_, err := k.store.ChangePassword(ctx, store.PasswordChange{
		UserID: a.User.ID, IfVersion: a.Password.Version, Hash: hash, State: store.PasswordActive, At: k.clock.now(),
	})
	if err != nil {
		k.t.Fatal(err)
	}
}

// withCosts returns a change that sets the costs of Argon2id.
func withCosts(memory, time uint32, threads uint8) func(*usher.Config) {
	return func(c *usher.Config) {
		c.Hashing.Params = password.Params{Memory: memory, Time: time, Threads: threads}
	}
}

// withPeppers returns a change that sets the peppers, newest first. The key of each is
// derived from its id.
func withPeppers(ids ...string) func(*usher.Config) {
	return func(c *usher.Config) {
		for _, id := range ids {
			c.Hashing.Peppers = append(c.Hashing.Peppers, password.Pepper{ID: id, Key: []byte(strings.Repeat(id, 16))})
		}
	}
}

func TestHA01_TheDefaultIsArgon2idAt64MiB(t *testing.T) {
	k := newKit(t, withCosts(0, 0, 0))
	k.signUp("ann@example.com")
	if hash := k.account("ann@example.com").Password.Hash; !strings.HasPrefix(hash, "$argon2id$v=19$m=65536,t=3,p=1$") {
		t.Errorf("stored as %.40s…", hash)
	}
}

func TestHA01_NothingUnderTheFloor(t *testing.T) {
	wantConfigError(t, "Hashing", withCosts(8192, 1, 1))
	wantConfigError(t, "Hashing", withCosts(19456, 1, 1))
	newKit(t, withCosts(19456, 2, 1))
}

func TestHA02_SaltsAndTags(t *testing.T) {
	k := newKit(t)
	k.signUp("ann@example.com")
	k.signUp("bob@example.com")
	ann := strings.Split(k.account("ann@example.com").Password.Hash, "$")
	bob := strings.Split(k.account("bob@example.com").Password.Hash, "$")
	for i, size := range map[int]int{4: 16, 5: 32} {
		if ann[i] == bob[i] {
			t.Errorf("field %d is the same for two users with one password", i)
		}
		if raw, err := base64.RawStdEncoding.DecodeString(ann[i]); err != nil || len(raw) != size {
			t.Errorf("field %d has %d bytes, %v, want %d", i, len(raw), err, size)
		}
	}
}

func TestHA03_RehashesAtTheFirstSignInWithNewCosts(t *testing.T) {
	store, clock := memory.New(), newClock()
	newKitOn(t, store, clock, withCosts(19456, 2, 1)).signUp("ann@example.com")
	k := newKitOn(t, store, clock, withCosts(19456, 3, 1))
	before := k.account("ann@example.com").Password

	wantErr(t, k.trySignIn("ann@example.com", otherPassword, home), usher.ErrInvalidCredentials)
	if got := k.account("ann@example.com").Password; got.Hash != before.Hash {
		t.Error("a wrong password has changed the stored hash")
	}
	k.events.reset()
	k.signIn("ann@example.com", goodPassword, home)
	after := k.account("ann@example.com").Password
	if !strings.HasPrefix(after.Hash, "$argon2id$v=19$m=19456,t=3,p=1$") || after.Version != before.Version {
		t.Errorf("stored as %.40s…, version %d, want t=3 and version %d", after.Hash, after.Version, before.Version)
	}
	if got, want := k.events.take(), "authn_login_success session_created authn_password_rehash authn_login_newdevice"; got != want {
		t.Errorf("events are %q, want %q", got, want)
	}
	k.signIn("ann@example.com", goodPassword, home)
	if got := k.account("ann@example.com").Password; got.Hash != after.Hash {
		t.Error("the second sign-in has hashed once more")
	}
}

func TestHA04_APepperIsNeededAndRotates(t *testing.T) {
	store, clock := memory.New(), newClock()
	newKitOn(t, store, clock, withPeppers("p1")).signUp("ann@example.com")

	thief := newKitOn(t, store, clock, withPeppers("p2"))
	wantErr(t, thief.trySignIn("ann@example.com", goodPassword, home), usher.ErrInvalidCredentials)
	if got, want := thief.events.take(), "authn_password_damaged authn_login_fail:damaged_hash"; got != want {
		t.Errorf("events are %q, want %q", got, want)
	}
	bare := newKitOn(t, store, clock)
	wantErr(t, bare.trySignIn("ann@example.com", goodPassword, home), usher.ErrInvalidCredentials)

	k := newKitOn(t, store, clock, withPeppers("p2", "p1"))
	if hash := k.account("ann@example.com").Password.Hash; !strings.Contains(hash, "keyid=p1") {
		t.Fatalf("stored as %.60s…, want keyid=p1", hash)
	}
	k.signIn("ann@example.com", goodPassword, home)
	if hash := k.account("ann@example.com").Password.Hash; !strings.Contains(hash, "keyid=p2") {
		t.Errorf("stored as %.60s…, want keyid=p2", hash)
	}
	thief.signIn("ann@example.com", goodPassword, home)
}

func TestHA05_ADamagedHashFailsClosed(t *testing.T) {
	for _, c := range []struct{ name, hash, events string }{
		{"garbage", "$argon2id$garbage", "authn_password_damaged authn_login_fail:damaged_hash"},
		{"text", "x", "authn_password_damaged authn_login_fail:damaged_hash"},
		{"4 TiB", "$argon2id$v=19$m=4294967295,t=3,p=4$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
			"authn_password_damaged authn_login_fail:damaged_hash"},
		{"no tag", "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$", "authn_password_damaged authn_login_fail:damaged_hash"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newKit(t)
			k.signUp("ann@example.com")
			k.setHash("ann@example.com", c.hash)
			k.events.reset()
			hashes := k.Hashes()
			if err := k.trySignIn("ann@example.com", goodPassword, home); err != usher.ErrInvalidCredentials {
				t.Errorf("error is %v, want the one of every failure", err)
			}
			if got := k.events.take(); got != c.events {
				t.Errorf("events are %q, want %q", got, c.events)
			}
			if n := k.Hashes() - hashes; n != 1 {
				t.Errorf("%d hashes, want one as for other accounts", n)
			}
		})
	}
}

// A row without a hash means a user without a password, whatever the state of the
// row is.
func TestHA05_AnEmptyHashFailsClosed(t *testing.T) {
	k := newKit(t)
	u := usher.User{ID: "u1", LoginIDs: []string{"ann@example.com"}, Status: usher.StatusEnabled}
	_, err := k.store.CreateUser(ctx, store.UserCreation{
		User: u, Canonical: u.LoginIDs, Password: store.Password{State: store.PasswordActive, Version: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.trySignIn("ann@example.com", goodPassword, home); err != usher.ErrInvalidCredentials {
		t.Errorf("error is %v, want the one of every failure", err)
	}
	if got, want := k.events.take(), "authn_login_fail:no_password"; got != want {
		t.Errorf("events are %q, want %q", got, want)
	}
}

func TestHA06_CostlyHashesAreNotImported(t *testing.T) {
	k := newKit(t)
	salt, tag := make([]byte, 16), make([]byte, 32)
	list := []usher.ImportUserParams{
		{LoginIDs: []string{"a@example.com"}, Hash: &password.Foreign{Bcrypt: &password.Bcrypt{
			Hash: "$2a$31$" + strings.Repeat("a", 53)}}},
		{LoginIDs: []string{"b@example.com"}, Hash: &password.Foreign{Argon2: &password.Argon2{
			Hash: tag, Salt: salt, Iterations: 3, Memory: 256*1024 + 1, Threads: 1}}},
		{LoginIDs: []string{"c@example.com"}, Hash: &password.Foreign{Argon2: &password.Argon2{
			Hash: tag, Salt: salt, Iterations: 11, Memory: 65536, Threads: 1}}},
		{LoginIDs: []string{"d@example.com"}, Hash: &password.Foreign{PBKDF2: &password.PBKDF2{
			Type: "sha256", Hash: tag, Salt: salt, Iterations: 2_000_001}}},
		{LoginIDs: []string{"good@example.com"}},
		{LoginIDs: []string{"e@example.com"}, Hash: &password.Foreign{Scrypt: &password.Scrypt{
			Hash: tag, Salt: salt, N: 1 << 20, R: 8, P: 1}}},
	}
	for _, in := range list {
		_, err := k.Operator("test").ImportUser(ctx, in)
		var refused *password.ImportError
		if good := in.Hash == nil; good != (err == nil) || !good && !errors.As(err, &refused) {
			t.Errorf("%s: %v", in.LoginIDs[0], err)
		}
		if _, err := k.Operator("test").UserByLoginID(ctx, in.LoginIDs[0]); (err == nil) != (in.Hash == nil) {
			t.Errorf("%s: error is %v", in.LoginIDs[0], err)
		}
	}
	if got, want := k.events.take(), "user_imported"; got != want {
		t.Errorf("events are %q, want %q", got, want)
	}
	page := usher.Must(k.Operator("test").Events(ctx, usher.EventQuery{Name: usher.EventUserImported}))
	if len(page.Events) != 1 || page.Events[0].Actor != "test" {
		t.Errorf("stored %+v, want one event with the operator as its actor", page.Events)
	}
}

func TestHA07_BcryptGivesWayToTheWholePassword(t *testing.T) {
	k := newKit(t)
	long := strings.Repeat("vast otter sings low and ", 4)[:80]
	hash, err := bcrypt.GenerateFromPassword([]byte(long[:72]), bcrypt.MinCost+1)
	if err != nil {
		t.Fatal(err)
	}
	_, err = k.Operator("test").ImportUser(ctx, usher.ImportUserParams{
		LoginIDs: []string{"ann@example.com"}, Hash: &password.Foreign{Bcrypt: &password.Bcrypt{Hash: string(hash)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	k.signIn("ann@example.com", usher.Secret(long), home)
	if hash := k.account("ann@example.com").Password.Hash; !strings.HasPrefix(hash, "$argon2id$") {
		t.Errorf("stored as %.20s…, want Argon2id", hash)
	}
	wantErr(t, k.trySignIn("ann@example.com", usher.Secret(long[:72]), home), usher.ErrInvalidCredentials)
	k.signIn("ann@example.com", usher.Secret(long), home)
}

func TestHA08_FastHashesAreNeverStoredBare(t *testing.T) {
	k := newKit(t)
	sum := md5.Sum([]byte("salt" + goodPassword))
	digest := hex.EncodeToString(sum[:])
	_, err := k.Operator("test").ImportUser(ctx, usher.ImportUserParams{
		LoginIDs: []string{"ann@example.com"},
		Hash:     &password.Foreign{MD5: &password.MD5{Hash: digest, Salt: []byte("salt")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	stored := k.account("ann@example.com").Password.Hash
	if strings.Contains(stored, digest) || strings.Contains(stored, base64.RawStdEncoding.EncodeToString(sum[:])) {
		t.Error("the digest is in the row")
	}
	if !strings.Contains(stored, "$argon2id$") {
		t.Errorf("stored as %.40s…, want it wrapped in Argon2id", stored)
	}
	wantErr(t, k.trySignIn("ann@example.com", usher.Secret(digest), home), usher.ErrInvalidCredentials)
	k.signIn("ann@example.com", goodPassword, home)
	if hash := k.account("ann@example.com").Password.Hash; !strings.HasPrefix(hash, "$argon2id$v=19$") {
		t.Errorf("stored as %.40s… after the first sign-in, want plain Argon2id", hash)
	}
	k.signIn("ann@example.com", goodPassword, home)
}

// An expired password in another Unicode normal form is the same password.
func TestPO04_AnExpiredPasswordDoesNotComeBackInAnotherForm(t *testing.T) {
	const composed, apart = "café otter sings low", "cafe\u0301 otter sings low"
	k := newKit(t)
	a := k.signUp("ann@example.com")
	if err := k.Operator("test").SetPassword(ctx, a.User.ID, composed, true); err != nil {
		t.Fatal(err)
	}
	wantPolicy(t, k.replace("ann@example.com", composed, apart), password.CodeReused)
	wantPolicy(t, k.replace("ann@example.com", apart, composed), password.CodeReused)
	if err := k.replace("ann@example.com", apart, thirdPassword); err != nil {
		t.Fatal(err)
	}
}

// After a compromise the attacker has the password, a session, a known browser and
// perhaps a pending change of address. Only the mailbox counts.
func TestPO07_AfterACompromiseOnlyTheMailboxCounts(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	thief := usher.Must(k.SignIn(ctx, usher.SignInParams{LoginID: ann, Password: goodPassword}, home))
	in := usher.ChangeEmailParams{NewEmail: "thief@evil.test", CurrentPassword: goodPassword}
	if err := k.ChangeEmail(ctx, k.claims(thief), in, home); err != nil {
		t.Fatal(err)
	}
	var moved usher.Secret
	for _, m := range k.wantEmails("change_email email_changing") { // in any order
		if m.Kind == usher.MessageChangeEmail {
			moved = tokenIn(t, m)
		}
	}
	k.clock.add(time.Second)
	if err := k.Operator("ops:bob").RequireReset(ctx, a.User.ID); err != nil {
		t.Fatal(err)
	}
	if k.isLive(a) || k.isLive(thief) {
		t.Error("a session goes on")
	}
	known := home
	known.Device = thief.Device
	wantErr(t, k.trySignIn(ann, goodPassword, known), usher.ErrInvalidCredentials)
	wantErr(t, k.replace(ann, goodPassword, otherPassword), usher.ErrInvalidCredentials)
	_, err := k.confirm(moved, known)
	wantErr(t, err, usher.ErrInvalidToken)

	raw := k.resetToken(ann, usher.MessageResetPassword)
	_, err = k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: goodPassword}, nth(1))
	wantPolicy(t, err, password.CodeReused)
	usher.Must(k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: otherPassword}, nth(1)))
	k.signIn(ann, otherPassword, home)
	// The browser that the thief made known is an unknown one.
	for i := range 5 {
		wantErr(t, k.trySignIn(ann, usher.Secret(fmt.Sprint("a wrong password ", i)), known), usher.ErrInvalidCredentials)
	}
	wantLimit(t, k.trySignIn(ann, otherPassword, home)) // they counted for the network
	wantErr(t, k.Operator("ops:bob").RequireReset(ctx, "nobody"), usher.ErrNotFound)
}

// A temporary password that was not replaced within a week is like a wrong one, in each
// place that takes it.
func TestPO08_ATemporaryPasswordExpires(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUp(ann)
	link := tokenIn(t, k.wantEmails("verify_email")[0])
	if err := k.Operator("test").SetPassword(ctx, a.User.ID, otherPassword, true); err != nil {
		t.Fatal(err)
	}
	k.inbox() // the notice is delivered before its lease expires by the clock
	k.clock.add(7*24*time.Hour - time.Second)
	wantErr(t, k.trySignIn(ann, otherPassword, home), usher.ErrPasswordExpired)
	k.clock.add(time.Second)
	k.events.reset()
	before := k.Hashes()
	wantErr(t, k.trySignIn(ann, otherPassword, home), usher.ErrInvalidCredentials)
	wantErr(t, k.replace(ann, otherPassword, thirdPassword), usher.ErrInvalidCredentials)
	k.wantEvents("authn_login_fail:temporary_expired authn_login_fail:temporary_expired")
	if n := k.Hashes() - before; n != 2 {
		t.Errorf("%d hashes, want one for each attempt", n)
	}
	_, err := k.VerifyEmail(ctx, nil, usher.VerifyEmailParams{Token: link, Password: otherPassword}, home)
	wantErr(t, err, usher.ErrInvalidToken)
	raw := k.resetToken(ann, usher.MessageConfirmAndReset)
	usher.Must(k.ResetPassword(ctx, usher.ResetPasswordParams{Token: raw, NewPassword: thirdPassword}, home))
	k.wantPassword(ann, thirdPassword, otherPassword)
}

// Neither a further act of an operator nor an export and import gives a temporary password
// more time.
func TestPO08_ATemporaryPasswordGetsNoMoreTime(t *testing.T) {
	t.Parallel()
	for name, age := range map[string]time.Duration{"live": time.Hour, "expired": 8 * 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t)
			o, id := k.Operator("test"), k.signUp(ann).User.ID
			if err := o.SetPassword(ctx, id, otherPassword, true); err != nil {
				t.Fatal(err)
			}
			k.clock.add(age)
			if err := o.ExpirePassword(ctx, id); err != nil {
				t.Fatal(err)
			}
			other := newKitOn(t, memory.New(), k.clock)
			var lines bytes.Buffer
			if err := o.Export(ctx, &lines); err != nil {
				t.Fatal(err)
			}
			if r, refused, err := other.importLines(usher.ImportParams{Users: &lines}); err != nil || r.Imported != 1 {
				t.Fatalf("%+v %v %s", r, err, refused)
			}
			k.clock.add(7*24*time.Hour - time.Minute)
			for where, k := range map[string]*kit{"here": k, "elsewhere": other} {
				if err := k.trySignIn(ann, otherPassword, home); !errors.Is(err, usher.ErrInvalidCredentials) {
					t.Errorf("%s: a sign-in with the password: %v", where, err)
				}
				if err := k.replace(ann, otherPassword, thirdPassword); !errors.Is(err, usher.ErrInvalidCredentials) {
					t.Errorf("%s: it is replaced: %v", where, err)
				}
			}
		})
	}
}

// withRealHash sets the cheapest hash that programs may use, for tests in which requests
// must overlap while one of them hashes.
func withRealHash(c *usher.Config) {
	c.Hashing.Params = password.Params{Memory: 19456, Time: 2, Threads: 1}
}
