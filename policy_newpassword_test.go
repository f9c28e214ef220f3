package usher_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
)

// trySignUp signs up from home and returns the error.
func (k *kit) trySignUp(loginID string, pw usher.Secret) error {
	_, err := k.SignUp(ctx, usher.SignUpParams{LoginID: loginID, Password: pw}, home)
	return err
}

// trySignIn signs in and returns the error.
func (k *kit) trySignIn(loginID string, pw usher.Secret, c usher.Client) error {
	_, err := k.SignIn(ctx, usher.SignInParams{LoginID: loginID, Password: pw}, c)
	return err
}

// method is a method of the Service that takes a password.
type method struct {
	name, field string
	call        func(pw usher.Secret) error
}

// settingMethods returns all methods that set a password, for a user that it
// creates.
func settingMethods(k *kit) []method {
	a := k.signUpVerified("ann@example.com")
	claims, err := k.ValidateSession(ctx, a.Tokens.Session)
	if err != nil {
		k.t.Fatal(err)
	}
	link := k.resetToken("ann@example.com", usher.MessageResetPassword)
	return []method{
		{"SignUp", "password", func(pw usher.Secret) error { return k.trySignUp("new@example.com", pw) }},
		{"UpdatePassword", "newPassword", func(pw usher.Secret) error {
			_, err := k.UpdatePassword(ctx, claims, usher.UpdatePasswordParams{NewPassword: pw}, home)
			return err
		}},
		{"ReplacePassword", "newPassword", func(pw usher.Secret) error {
			_, err := k.ReplacePassword(ctx, usher.ReplacePasswordParams{
				LoginID: "ann@example.com", OldPassword: goodPassword, NewPassword: pw,
			}, home)
			return err
		}},
		{"ResetPassword", "newPassword", func(pw usher.Secret) error {
			_, err := k.ResetPassword(ctx, usher.ResetPasswordParams{Token: link, NewPassword: pw}, home)
			return err
		}},
		{"SetPassword", "password", func(pw usher.Secret) error {
			return k.Operator("test").SetPassword(ctx, a.User.ID, pw, false)
		}},
		{"ImportUser", "password", func(pw usher.Secret) error {
			_, err := k.Operator("test").ImportUser(ctx, usher.ImportUserParams{LoginIDs: []string{"new@example.com"}, Password: pw})
			return err
		}},
	}
}

// checkingMethods returns all methods that check a password, for the user that
// settingMethods created.
func checkingMethods(k *kit) []method {
	a := k.signIn("ann@example.com", goodPassword, home)
	claims, err := k.ValidateSession(ctx, a.Tokens.Session)
	if err != nil {
		k.t.Fatal(err)
	}
	return []method{
		{"SignIn", "password", func(pw usher.Secret) error { return k.trySignIn("ann@example.com", pw, home) }},
		{"ReplacePassword, old", "oldPassword", func(pw usher.Secret) error {
			_, err := k.ReplacePassword(ctx, usher.ReplacePasswordParams{
				LoginID: "ann@example.com", OldPassword: pw, NewPassword: otherPassword,
			}, home)
			return err
		}},
		{"UpdatePassword, current", "currentPassword", func(pw usher.Secret) error {
			_, err := k.UpdatePassword(ctx, claims, usher.UpdatePasswordParams{NewPassword: otherPassword, CurrentPassword: pw}, home)
			return err
		}},
		{"ChangeEmail", "currentPassword", func(pw usher.Secret) error {
			return k.ChangeEmail(ctx, claims, usher.ChangeEmailParams{NewEmail: "ann@example.net", CurrentPassword: pw}, home)
		}},
	}
}

func TestPW01_AtLeast15Characters(t *testing.T) {
	k := newKit(t)
	err := k.trySignUp("ann@example.com", "vast otter sin")
	wantPolicy(t, err, password.CodeTooShort)
	var p *password.PolicyError
	if errors.As(err, &p); p.Violations[0].Limit != 15 {
		t.Errorf("the limit named is %d, want 15", p.Violations[0].Limit)
	}
	if err := k.trySignUp("ann@example.com", "vast otter sing"); err != nil {
		t.Errorf("15 characters: %v", err)
	}
}

func TestPW01_NoMinimumUnder8(t *testing.T) {
	wantConfigError(t, "Password", func(c *usher.Config) { c.Password.MinLength = 7 })
}

func TestPW02_CountsCodePointsAfterNFC(t *testing.T) {
	k := newKit(t)
	for _, c := range []struct {
		name string
		pw   usher.Secret
		ok   bool
	}{
		{"15 letters of 2 bytes", "éàüöñçßøåêîôûœæ", true},
		{"14 emoji of 4 bytes", "😀🐶🍕🚀🎸🌲🔑🐳🎲🧭🪁🥁🦊🍀", false},
		{"8 times e and an accent", usher.Secret(strings.Repeat("e\u0301", 8)), false},
		{"8 different letters, each with an accent", "a\u0301e\u0301i\u0301o\u0301u\u0301y\u0301n\u0301s\u0301", false},
	} {
		err := k.trySignUp("ann@example.com", c.pw)
		switch {
		case c.ok && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case !c.ok:
			wantPolicy(t, err, password.CodeTooShort)
		}
	}
}

func TestPW03_AcceptsEveryPrintableCharacterAndLength(t *testing.T) {
	const marks = ` !"#$%&'()*+,-./:;<=>?@[\]^_{|}~` + "`密码"
	k := newKit(t)
	for i, size := range []int{64, 256} {
		id := []string{"ann@example.com", "bob@example.com"}[i]
		runes := []rune(marks)
		for r := '\u0430'; len(runes) < size; r++ {
			runes = append(runes, r)
		}
		pw := usher.Secret(runes[:size])
		if err := k.trySignUp(id, pw); err != nil {
			t.Fatalf("%d characters: %v", size, err)
		}
		k.signIn(id, pw, home)
		wantErr(t, k.trySignIn(id, pw[:len(pw)-2], home), usher.ErrInvalidCredentials)
	}
}

// Every method refuses a string that cannot be a password before anything is hashed.
func TestPW04_PW08_RefusesBeforeHashing(t *testing.T) {
	k := newKit(t)
	methods := append(settingMethods(k), checkingMethods(k)...)
	for _, m := range methods {
		for _, bad := range []struct {
			name, code string
			pw         usher.Secret
		}{
			{"1 MiB", "too_long", usher.Secret(strings.Repeat("vast otter sings", 1<<16))},
			{"257 characters", "too_long", usher.Secret(strings.Repeat("密", 257))},
			{"not UTF-8", "invalid", goodPassword + "\xff"},
			{"half a surrogate pair", "invalid", goodPassword + "\xed\xa0\x80"},
		} {
			before, begin := k.Hashes(), time.Now()
			err := m.call(bad.pw)
			took := time.Since(begin)
			wantField(t, err, m.field)
			var f *usher.FieldError
			if errors.As(err, &f); f.Code != bad.code {
				t.Errorf("%s, %s: code %q, want %q", m.name, bad.name, f.Code, bad.code)
			}
			if n := k.Hashes() - before; n != 0 {
				t.Errorf("%s, %s: %d hashes", m.name, bad.name, n)
			}
			if took > 50*time.Millisecond {
				t.Errorf("%s, %s: took %s", m.name, bad.name, took)
			}
		}
		// Without a current password other rules apply, and a user imported without
		// a password needs a reset.
		if m.field != "currentPassword" && m.name != "ImportUser" {
			wantField(t, m.call(""), m.field)
		}
	}
}

func TestPW05_PW06_PW07_TheWholePasswordAsTyped(t *testing.T) {
	long := usher.Secret(strings.Repeat("vast otter sings low and ", 4)[:80])
	for _, c := range []struct {
		name string
		set  usher.Secret
		yes  []usher.Secret
		no   []usher.Secret
	}{
		{"PW05 beyond 72 bytes", long, nil, []usher.Secret{long[:72], long[:79]}},
		{"PW05 beyond a NUL", "correct horse\x00AAAA", nil, []usher.Secret{"correct horse\x00BBBB", "correct horse"}},
		{"PW05 beyond a newline", "correct horse\nAAAA", nil, []usher.Secret{"correct horse\nBBBB"}},
		{"PW06 spaces and case", "  Vast otter  sings low ", nil, []usher.Secret{
			"Vast otter  sings low", "  Vast otter sings low ", "  vast otter  sings low ",
		}},
		{"PW07 NFC", "caf\u00e9 otter sings", []usher.Secret{"cafe\u0301 otter sings"}, []usher.Secret{"cafe otter sings"}},
		{"PW07 only NFC", "\ufb01ne otter sings low", nil, []usher.Secret{"fine otter sings low"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := newKit(t)
			if err := k.trySignUp("ann@example.com", c.set); err != nil {
				t.Fatal(err)
			}
			for _, pw := range c.no {
				wantErr(t, k.trySignIn("ann@example.com", pw, home), usher.ErrInvalidCredentials)
			}
			for _, pw := range append(c.yes, c.set) {
				k.signIn("ann@example.com", pw, home)
			}
		})
	}
}

func TestPW09_RefusesCommonPasswordsAndContextWords(t *testing.T) {
	k := newKit(t, func(c *usher.Config) {
		c.BaseURL = "https://login.ottershop.example"
		c.Password.Words = []string{"Sea Otter Shop"}
		c.Limits.SignUps = 100
	})
	name := "Vasilisa Petrovna"
	for _, pw := range []usher.Secret{
		"passwordpassword", "PassWordPassWord", "123456789012345",
		"vasilisa.petrovna@example.com", "VASILISA.PETROVNA@EXAMPLE.COM",
		"vasilisa.petrovna", usher.Secret(name), "vasilisa petrovnavasilisa petrovna",
		"sea otter shopsea otter shop", "ottershopottershop", "login.ottershop.example",
	} {
		_, err := k.SignUp(ctx, usher.SignUpParams{
			LoginID: "vasilisa.petrovna@example.com", Password: pw, Profile: usher.Profile{Name: &name},
		}, home)
		wantPolicy(t, err, password.CodeCommon)
		if !strings.Contains(err.Error(), "commonly used") {
			t.Errorf("the error does not say so: %v", err)
		}
	}
	if err := k.trySignUp("vasilisa.petrovna@example.com", "password of the blue otter"); err != nil {
		t.Errorf("a password that contains a common word: %v", err)
	}
}

// stubBreaches is a list of leaked passwords that answers with an error.
type stubBreaches struct{ err error }

func (s stubBreaches) Breached(context.Context, [20]byte) (bool, error) { return false, s.err }

func TestPW10_DecidesWithoutTheListOfLeakedPasswords(t *testing.T) {
	calls := 0
	k := newKit(t, func(c *usher.Config) {
		c.Password.Breached = stubBreaches{errors.New("out of reach")}
		c.Password.OnBreachError = func(error) { calls++ }
	})
	wantPolicy(t, k.trySignUp("ann@example.com", "passwordpassword"), password.CodeCommon)
	if err := k.trySignUp("ann@example.com", goodPassword); err != nil {
		t.Fatal(err)
	}
	if got, want := k.events.take(), "authn_password_breach_check_fail user_created session_created"; got != want {
		t.Errorf("events are %q, want %q", got, want)
	}
	if calls != 1 {
		t.Errorf("OnBreachError was called %d times, want once", calls)
	}
}

func TestPW11_NoHintsAndNoQuestions(t *testing.T) {
	for _, v := range []any{
		usher.SignUpParams{}, usher.Profile{}, usher.User{}, store.Password{}, usher.ImportUserParams{}, usher.UpdateUserParams{}, store.UserCreation{},
	} {
		for _, f := range reflect.VisibleFields(reflect.TypeOf(v)) {
			name := strings.ToLower(f.Name)
			if strings.Contains(name, "hint") || strings.Contains(name, "question") || strings.Contains(name, "answer") {
				t.Errorf("%T has a field %s", v, f.Name)
			}
		}
	}
}

// hangingUp are clients that hang up during the look-up.
type hangingUp struct {
	asked  int
	cancel func()
}

func (h *hangingUp) Breached(context.Context, [20]byte) (bool, error) {
	h.asked++
	h.cancel()
	return false, nil
}

// Nor can a client that hangs up after the look-up, before a password is hashed.
func TestSU08_LookUpsForClientsThatHangUpAreLimited(t *testing.T) {
	leaked := &hangingUp{}
	k := newKit(t, func(c *usher.Config) { c.Password.Breached = leaked })
	for i := range 15 {
		var gone context.Context
		gone, leaked.cancel = context.WithCancel(ctx)
		_, _ = k.SignUp(gone, usher.SignUpParams{LoginID: ann, Password: usher.Secret(fmt.Sprintf("a long password %d", i))}, home)
	}
	if leaked.asked != 10 || k.Hashes() != 0 {
		t.Errorf("asked %d times, %d hashes, want 10 and none", leaked.asked, k.Hashes())
	}
}

// Neither links that do not exist nor the requests of a known browser fill the audit
// table. The hook gets every event.
func TestLM06_RefusedLinksAndRequestsDoNotFillTheAuditTable(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	known := home
	known.Device = k.signUp(ann).Device
	k.events.reset()
	for i := range 30 {
		_, err := k.ResetPassword(ctx, usher.ResetPasswordParams{Token: "no such link", NewPassword: otherPassword}, home)
		wantErr(t, err, usher.ErrInvalidToken)
		err = k.SendPasswordReset(ctx, usher.SendPasswordResetParams{LoginID: ann}, known)
		if i < 10 && err != nil {
			t.Fatal(err)
		} else if i >= 10 {
			wantLimit(t, err)
		}
	}
	for name, most := range map[usher.EventName]int{usher.EventTokenRefused: 1, usher.EventResetRequested: 10} {
		if n := len(usher.Must(k.Operator("test").Events(ctx, usher.EventQuery{Name: name})).Events); n == 0 || n > most {
			t.Errorf("%d rows of %s, want at most %d", n, name, most)
		}
	}
	if n := strings.Count(k.events.take(), "authn_token_refused"); n != 30 {
		t.Errorf("the hook got %d events of refused links, want 30", n)
	}
}

// A user who is signed in, or has an emailed link, cannot cause them without end either.
func TestSU08_LookUpsForChangesAreLimited(t *testing.T) {
	t.Parallel()
	leaked := &leakedPasswords{}
	k := newKit(t, func(c *usher.Config) { c.Password.Breached = leaked })
	claims := k.claims(k.signUp(ann))
	leaked.found, leaked.asked = true, 0
	for i := range 40 {
		in := usher.UpdatePasswordParams{NewPassword: usher.Secret(fmt.Sprintf("leaked by others %d", i))}
		_, err := k.UpdatePassword(ctx, claims, in, home)
		if i < 30 {
			wantPolicy(t, err, password.CodeBreached)
		} else {
			wantLimit(t, err)
		}
	}
	if leaked.asked != 30 {
		t.Errorf("asked %d times, want 30", leaked.asked)
	}
}
