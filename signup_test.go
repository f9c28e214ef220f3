package usher_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store/memory"
	"github.com/usherkit/usher/token"
)

func TestSU01_OneCanonicalForm(t *testing.T) {
	k := newKit(t)
	a := k.signUp("User@EXAMPLE.com")
	if a.User.LoginID() != "User@EXAMPLE.com" || a.User.Email != "User@EXAMPLE.com" {
		t.Errorf("kept as %q and %q, want as typed", a.User.LoginID(), a.User.Email)
	}
	if to := k.lastEmail(usher.MessageVerifyEmail).To; to != "User@EXAMPLE.com" {
		t.Errorf("the email goes to %q, want as typed", to)
	}
	for _, id := range []string{"user@example.com", "USER@example.COM", "User@EXAMPLE.com"} {
		if b := k.signIn(id, goodPassword, home); b.User.ID != a.User.ID {
			t.Errorf("%s is another account", id)
		}
		wantErr(t, k.trySignUp(id, goodPassword), usher.ErrLoginIDTaken)
	}
	for _, id := range []string{"u.ser@example.com", "user+x@example.com", "user"} {
		wantErr(t, k.trySignIn(id, goodPassword, home), usher.ErrInvalidCredentials)
		if b := k.signUp(id); b.User.ID == a.User.ID {
			t.Errorf("%s is the same account", id)
		}
	}
}

func TestSU01_DomainsAsALabels(t *testing.T) {
	k := newKit(t)
	a := k.signUp("ann@Bücher.example")
	for _, id := range []string{"ann@xn--bcher-kva.example", "ann@BÜCHER.example", "ann@bu\u0308cher.example"} {
		if b := k.signIn(id, goodPassword, home); b.User.ID != a.User.ID {
			t.Errorf("%s is another account", id)
		}
	}
}

func TestSU01_NonASCIILocalPartsOnlyByChoice(t *testing.T) {
	wantField(t, newKit(t).trySignUp("rené@example.com", goodPassword), "loginId")
	k := newKit(t, func(c *usher.Config) { c.UnicodeLoginIDs = true })
	a := k.signUp("ren\u00e9@example.com")
	if b := k.signIn("rene\u0301@EXAMPLE.com", goodPassword, home); b.User.ID != a.User.ID {
		t.Error("the decomposed form is another account")
	}
	wantErr(t, k.trySignIn("rene@example.com", goodPassword, home), usher.ErrInvalidCredentials)
}

func TestSU02_LookAlikesNeverReachTheAccount(t *testing.T) {
	for _, unicode := range []bool{false, true} {
		k := newKit(t, func(c *usher.Config) { c.UnicodeLoginIDs = unicode; c.Limits.FreeFailures = 100 })
		mike := k.signUpVerified("mike@example.org")
		for i, id := range []string{
			"m\u0131ke@example.org",       // dotless i
			"MI\u212aE@example.org",       // Kelvin sign
			"\uff4dike@example.org",       // full-width m
			"mike@ex\u0430mple.org",       // Cyrillic a
			"mike@example\u3002org",       // ideographic full stop
			"mike@exam\u00adple.org",      // soft hyphen
			"mike@exam\u200bple.org",      // zero-width space
			"mike@e\u24e7ample.org",       // circled x
			"mike@example.or\u210a",       // script g
			"mi\u200bke@example.org",      // zero-width space
			"mike\u00a0@example.org",      // no-break space
			"mike@example.org.",           // the root
			"mike@\uff45\uff58ample.org",  // full-width domain
			"mike@ex\u0061\u0308mple.org", // umlaut
			"mike\u0000@example.org", "Mike@example.org\u2028",
		} {
			err := k.trySignIn(id, goodPassword, nth(i))
			var f *usher.FieldError
			if !errors.As(err, &f) && !errors.Is(err, usher.ErrInvalidCredentials) {
				t.Errorf("sign-in as %+q: %v", id, err)
			}
			if err := k.SendPasswordReset(ctx, usher.SendPasswordResetParams{LoginID: id}, nth(i)); err != nil && !errors.As(err, &f) {
				t.Errorf("reset of %+q: %v", id, err)
			}
			if b, err := k.SignUp(ctx, usher.SignUpParams{LoginID: id, Password: otherPassword}, nth(i)); err == nil && b.User.ID == mike.User.ID {
				t.Errorf("sign-up as %+q gave the account", id)
			} else if errors.Is(err, usher.ErrLoginIDTaken) {
				t.Errorf("%+q is the same login id", id)
			}
		}
		for _, m := range k.inbox() {
			if m.To == "mike@example.org" {
				t.Errorf("a %s email went to the first account", m.Kind)
			}
		}
	}
}

func TestSU03_SignUpNeverChangesAnAccount(t *testing.T) {
	for _, verified := range []bool{false, true} {
		k := newKit(t)
		if verified {
			k.signUpVerified("ann@example.com")
		} else {
			k.signUp("ann@example.com")
		}
		before := k.account("ann@example.com")
		k.emailKinds()
		k.events.reset()
		mails := k.emailKinds()

		name := "Mallory"
		_, err := k.SignUp(ctx, usher.SignUpParams{
			LoginID: "ANN@example.com", Password: otherPassword, Profile: usher.Profile{Name: &name},
		}, home)
		wantErr(t, err, usher.ErrLoginIDTaken)
		if got, want := k.events.take(), "user_create_fail:login_id_taken"; got != want {
			t.Errorf("events are %q, want %q", got, want)
		}
		if after := k.account("ann@example.com"); !reflect.DeepEqual(after, before) {
			t.Errorf("the account has changed:\n%+v\n%+v", before, after)
		}
		if got := k.emailKinds(); got != mails {
			t.Errorf("emails are %q, want %q", got, mails)
		}
		k.signIn("ann@example.com", goodPassword, home)
		wantErr(t, k.trySignIn("ann@example.com", otherPassword, home), usher.ErrInvalidCredentials)
	}
}

// Sign-ups for a taken login id must not use up the emails that its owner may get: a
// reset must stay possible.
func TestSU03_RefusedSignUpsDoNotUseUpTheOwnersMails(t *testing.T) {
	k := newKit(t)
	k.signUpVerified("ann@example.com")
	for range 8 {
		wantErr(t, k.trySignUp("ann@example.com", otherPassword), usher.ErrLoginIDTaken)
	}
	for range 3 { // as many as an account gets in an hour
		k.resetToken("ann@example.com", usher.MessageResetPassword)
	}
	if got, want := k.emailKinds(), "reset_password reset_password reset_password"; got != want {
		t.Errorf("emails are %q, want %q", got, want)
	}
}

func TestSU04_OnlyNamedFieldsAreTaken(t *testing.T) {
	var fields []string
	for _, v := range []any{usher.SignUpParams{}, usher.Profile{}} {
		for _, f := range reflect.VisibleFields(reflect.TypeOf(v)) {
			fields = append(fields, f.Name)
		}
	}
	want := []string{
		"LoginID", "Password", "Email", "Profile", "Fields",
		"Name", "GivenName", "MiddleName", "FamilyName", "Phone", "Picture",
	}
	if !slices.Equal(fields, want) {
		t.Errorf("sign-up takes %v, want %v", fields, want)
	}
	k := newKit(t)
	a := k.signUp("ann@example.com")
	claims, err := k.ValidateSession(ctx, a.Tokens.Session)
	if err != nil {
		t.Fatal(err)
	}
	u, _, err := k.Me(ctx, claims)
	if err != nil {
		t.Fatal(err)
	}
	if u.EmailVerified || len(u.Roles)+len(u.Permissions)+len(u.Tenants)+len(u.Attributes)+len(claims.Roles) > 0 ||
		u.Status != usher.StatusEnabled || !strings.HasPrefix(u.ID, "u") {
		t.Errorf("signed up as %+v", u)
	}
}

// The program's claims cannot replace the server's, in any spelling, and a sign-up
// that fails because of them leaves nothing behind.
func TestSU05_ReservedClaimsAreRefused(t *testing.T) {
	for _, name := range []string{
		"sub", "roles", "permissions", "tenants", "drn", "iss", "aud", "exp", "iat", "nbf", "jti", "sid",
		"amr", "auth_time", "email_verified", "typ", "SUB", "Roles", "Email_Verified", "i\u017fs",
	} {
		claims := map[string]any{}
		k := newKit(t, func(c *usher.Config) {
			c.Claims = func(context.Context, usher.User) (map[string]any, error) { return claims, nil }
		})
		claims[name] = "x"
		err := k.trySignUp("ann@example.com", goodPassword)
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Fatalf("%s: %v, want an error that names it", name, err)
		}
		if got := k.events.take(); got != "" {
			t.Errorf("%s: events are %q, want none", name, got)
		}
		delete(claims, name)
		claims["plan"] = "gold"
		a := k.signUp("ann@example.com") // the login id is free
		got, err := k.ValidateSession(ctx, a.Tokens.Session)
		if err != nil || got.Subject != a.User.ID || got.Issuer != k.cfg.BaseURL || got.EmailVerified || len(got.Roles) > 0 {
			t.Errorf("claims are %+v, %v", got, err)
		}
		if plan, _ := token.Claim[string](got, "plan"); plan != "gold" {
			t.Errorf("the program's own claim is %q", plan)
		}
	}
}

func TestSU06_MalformedLoginIDs(t *testing.T) {
	k := newKit(t)
	a := k.signUp("ann@example.com")
	claims, err := k.ValidateSession(ctx, a.Tokens.Session)
	if err != nil {
		t.Fatal(err)
	}
	k.events.reset()
	hashes := k.Hashes()
	for _, id := range []string{
		"", strings.Repeat("a", 250) + "@b.c", strings.Repeat("a", 65) + "@example.com",
		"a\x00@b.c", "a\r@b.c", "a@b.c\n", "a\t@b.c", "a@b\r\nBcc:x@y.z",
		`"A" <a@b.c>`, `"a b"@b.c`, "a(x)@b.c", "a@b.c,d@e.f", "a@b.c d@e.f", "a@b.c;d@e.f", "a@b@c", "@b.c", "a@",
		"a@[127.0.0.1]", "a@b..c", "a@-b.c", "a@b_c.d", ".a@b.c", "a.@b.c", "a..b@b.c", "a@b.c\xff", "a\ufffd@b.c", "<a@b.c>",
		"a b", "a@" + strings.Repeat("b", 64) + ".c",
	} {
		for _, m := range []struct {
			name, field string
			err         error
		}{
			{"SignUp", "loginId", k.trySignUp(id, goodPassword)},
			{"SignIn", "loginId", k.trySignIn(id, goodPassword, home)},
			{"ReplacePassword", "loginId", k.replace(id, goodPassword, otherPassword)},
			{"SendPasswordReset", "loginId", k.SendPasswordReset(ctx, usher.SendPasswordResetParams{LoginID: id}, home)},
			{"ChangeEmail", "newEmail", k.ChangeEmail(ctx, claims, usher.ChangeEmailParams{NewEmail: id, CurrentPassword: goodPassword}, home)},
			{"ImportUser", "loginId", errOf(k.Operator("test").ImportUser(ctx, usher.ImportUserParams{LoginIDs: []string{id}}))},
			{"UserByLoginID", "loginId", errOf(k.Operator("test").UserByLoginID(ctx, id))},
		} {
			var f *usher.FieldError
			if !errors.As(m.err, &f) || f.Field != m.field {
				t.Errorf("%s with %+.40q: %v, want a *FieldError for %s", m.name, id, m.err, m.field)
			}
		}
	}
	if got := k.events.take(); got != "" || k.Hashes() != hashes {
		t.Errorf("events are %q, %d hashes, want none", got, k.Hashes()-hashes)
	}
}

func TestSU07_RandomIDsAndNoDefaultAccounts(t *testing.T) {
	k := newKit(t)
	wantErr(t, k.trySignIn("admin", "admin", home), usher.ErrInvalidCredentials)
	if u, err := k.Operator("test").UserByLoginID(ctx, "admin"); !errors.Is(err, usher.ErrNotFound) {
		t.Errorf("there is %+v, %v", u, err)
	}
	// An import makes ids as a sign-up does, without the cost of a hash.
	ids := []string{k.signUp("ann@example.com").User.ID}
	for i := range 1000 {
		u, err := k.Operator("test").ImportUser(ctx, usher.ImportUserParams{LoginIDs: []string{fmt.Sprintf("u%d@example.com", i)}})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, u.ID)
	}
	rises := 0
	for i, id := range ids {
		if len(id) != len("u")+22 { // 128 bits in base64
			t.Fatalf("id %q", id)
		}
		if i > 0 && id > ids[i-1] {
			rises++
		}
	}
	if rises < 400 || rises > 600 {
		t.Errorf("%d of 1000 ids are above the one before, want about half", rises)
	}
	slices.Sort(ids)
	if n := len(slices.Compact(ids)); n != 1001 {
		t.Errorf("%d different ids of 1001", n)
	}
}

func TestSU08_SignUpClosed(t *testing.T) {
	k := newKit(t, func(c *usher.Config) { c.SignUpClosed = true })
	if _, err := k.Operator("test").ImportUser(ctx, usher.ImportUserParams{LoginIDs: []string{"ann@example.com"}}); err != nil {
		t.Fatal(err)
	}
	k.events.reset()
	for _, id := range []string{"ann@example.com", "new@example.com", "not an address@"} {
		wantErr(t, k.trySignUp(id, goodPassword), usher.ErrSignUpClosed)
	}
	if got := k.events.take(); got != "" || k.Hashes() != 0 {
		t.Errorf("events are %q, %d hashes, want none", got, k.Hashes())
	}
}

func TestSU08_TenSignUpsPerNetworkAndHour(t *testing.T) {
	k := newKit(t)
	for range 20 { // weak passwords and malformed ids do not count as sign-ups
		wantPolicy(t, k.trySignUp("weak@example.com", "short"), password.CodeTooShort)
	}
	for i := range 10 {
		k.signUp(fmt.Sprintf("u%d@example.com", i))
	}
	k.events.reset()
	hashes := k.Hashes()
	l := wantLimit(t, k.trySignUp("u11@example.com", goodPassword))
	if l.RetryAfter != time.Hour || k.Hashes() != hashes {
		t.Errorf("wait %s, %d hashes, want an hour and none", l.RetryAfter, k.Hashes()-hashes)
	}
	if got, want := k.events.take(), "excess_rate_limit_exceeded:sign_ups"; got != want {
		t.Errorf("events are %q, want %q", got, want)
	}
	if _, err := k.SignUp(ctx, usher.SignUpParams{LoginID: "u11@example.com", Password: goodPassword}, from("198.51.100.1")); err != nil {
		t.Errorf("another network: %v", err)
	}
	k.clock.add(time.Hour)
	k.signUp("u12@example.com")
}

// A weak password is refused without a call to the store or to another server.
func TestSU08_AWeakPasswordCostsNothing(t *testing.T) {
	store := &transactionCounter{Store: memory.New()}
	leaked := &leakedPasswords{}
	k := newKitOn(t, store, newClock(), func(c *usher.Config) { c.Password.Breached = leaked })
	for range 20 {
		wantPolicy(t, k.trySignUp("ann@example.com", "passwordpassword"), password.CodeCommon)
	}
	if n := store.writes.Load(); n != 0 || leaked.asked != 0 || k.Hashes() != 0 {
		t.Errorf("%d steps that write, %d look-ups, %d hashes, want none", n, leaked.asked, k.Hashes())
	}
	k.signUp("ann@example.com")
}

// An untrusted client cannot cause an unlimited number of look-ups in the list of
// leaked passwords.
func TestSU08_LookUpsOfLeakedPasswordsAreLimited(t *testing.T) {
	leaked := &leakedPasswords{found: true}
	k := newKit(t, func(c *usher.Config) { c.Password.Breached = leaked })
	for i := range 15 {
		err := k.trySignUp("ann@example.com", usher.Secret(fmt.Sprintf("leaked by others %d", i)))
		if i < 10 {
			wantPolicy(t, err, password.CodeBreached)
		} else if l := wantLimit(t, err); l.Limit != "sign_ups" {
			t.Errorf("the limit is %s", l.Limit)
		}
	}
	if leaked.asked != 10 || k.Hashes() != 0 {
		t.Errorf("asked %d times, %d hashes, want 10 and none", leaked.asked, k.Hashes())
	}
}

// leakedPasswords is a list of leaked passwords that counts its look-ups.
type leakedPasswords struct {
	found bool
	asked int
}

func (l *leakedPasswords) Breached(context.Context, [20]byte) (bool, error) {
	l.asked++
	return l.found, nil
}

// A sign-up that fails in the program's code sends nothing, and uses up no email of the
// address.
func TestML04_AFailedSignUpUsesUpNoEmail(t *testing.T) {
	t.Parallel()
	broken := true
	k := newKit(t, func(c *usher.Config) {
		c.Claims = func(context.Context, usher.User) (map[string]any, error) {
			if broken {
				return nil, errors.New("broken")
			}
			return nil, nil
		}
	})
	for i := range 8 {
		if _, err := k.SignUp(ctx, usher.SignUpParams{LoginID: ann, Password: goodPassword}, nth(i)); err == nil {
			t.Fatal("signed up without claims")
		}
	}
	broken = false
	k.signUp(ann)
	if got := k.emailKinds(); got != "verify_email" {
		t.Errorf("emails are %q", got)
	}
}
