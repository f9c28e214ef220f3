package usher_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store/memory"
)

// byCode sets the password by a code.
func (k *kit) byCode(loginID string, code usher.Secret, c usher.Client) error {
	_, err := k.ResetPassword(ctx, usher.ResetPasswordParams{LoginID: loginID, Code: code, NewPassword: goodPassword}, c)
	return err
}

// resetEmail requests a reset of a verified user and returns the email.
func (k *kit) resetEmail(loginID string, c usher.Client) usher.Message {
	k.t.Helper()
	k.inbox() // emails are sent concurrently: an earlier one could arrive after this one
	k.requestReset(loginID, c)
	m := k.lastEmail(usher.MessageResetPassword)
	if m.Code == "" {
		k.t.Fatal("the email has no code")
	}
	return m
}

// wrongCode returns a code that differs from all of the emails so far.
func (k *kit) wrongCode() usher.Secret {
	k.t.Helper()
	for n := 0; ; n++ {
		code := usher.Secret(fmt.Sprintf("%06d", n))
		if !slices.ContainsFunc(k.inbox(), func(m usher.Message) bool { return m.Code == code }) {
			return code
		}
	}
}

// A reader of the database who has no secret cannot find out a code by trying all of them.
func TestCO03_CodesAreStoredUnderAKeyedHash(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.importUser(ann)
	m := k.resetEmail(ann, home)
	k.wantAbsent("a code", m.Code)
	raw := tokenIn(t, m)
	stored := usher.Must(k.store.OneTimeToken(ctx, hashed(raw), k.clock.now()))
	for _, text := range []usher.Secret{m.Code, raw + m.Code, m.Code + raw} {
		if bytes.Equal(stored.CodeHash, hashed(text)) {
			t.Error("the code is stored under a hash without a key")
		}
	}
	if len(stored.CodeHash) != 32 {
		t.Fatalf("a hash of %d bytes", len(stored.CodeHash))
	}
	newer := newKitOn(t, k.store, k.clock, func(c *usher.Config) { c.Secret, c.OldSecrets = secret2, []usher.Secret{secret} })
	if err := newer.byCode(ann, m.Code, home); err != nil {
		t.Fatalf("with a new secret beside the old one: %v", err)
	}
}

func TestCO04_ACodeLivesTenMinutesAndDiesWithItsLink(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.ResetLifetime = time.Hour })
	k.importUser(ann)
	m := k.resetEmail(ann, home)
	if want := k.clock.now().Add(10 * time.Minute); !m.CodeExpiresAt.Equal(want) {
		t.Errorf("the email says that the code expires at %s, want %s", m.CodeExpiresAt, want)
	}
	k.clock.add(10*time.Minute - time.Second)
	in := usher.ResetPasswordParams{LoginID: ann, Code: m.Code, NewPassword: "short"}
	_, err := k.ResetPassword(ctx, in, home)
	wantPolicy(t, err, "too_short") // nothing is spent
	k.clock.add(time.Second)
	wantErr(t, k.byCode(ann, m.Code, home), usher.ErrInvalidCode)
	if _, err := k.ResetLink(ctx, tokenIn(t, m), home); err != nil {
		t.Fatalf("the link after the end of the code: %v", err)
	}

	byLink, byCode := k.resetEmail(ann, home), k.resetEmail(ann, home)
	if err := k.byCode(ann, byCode.Code, home); err != nil {
		t.Fatal(err)
	}
	for _, dead := range []usher.Message{byLink, byCode} {
		wantErr(t, k.byCode(ann, dead.Code, home), usher.ErrInvalidCode)
		_, err := k.ResetLink(ctx, tokenIn(t, dead), home)
		wantErr(t, err, usher.ErrInvalidToken)
	}
	k.clock.add(time.Hour)
	m = k.resetEmail(ann, home)
	if _, err := k.ResetPassword(ctx, usher.ResetPasswordParams{Token: tokenIn(t, m), NewPassword: otherPassword}, home); err != nil {
		t.Fatal(err)
	}
	wantErr(t, k.byCode(ann, m.Code, home), usher.ErrInvalidCode)
	k.clock.add(time.Hour)
	m = k.resetEmail(ann, home)
	if err := k.Operator("test").Disable(ctx, k.account("ann@example.com").User.ID); err != nil {
		t.Fatal(err)
	}
	wantErr(t, k.byCode(ann, m.Code, home), usher.ErrInvalidCode)
}

// A link of one minute has no code of ten.
func TestCO04_ACodeEndsWithAShorterLink(t *testing.T) {
	t.Parallel()
	k := newKit(t, func(c *usher.Config) { c.ResetLifetime = time.Minute })
	k.importUser(ann)
	m := k.resetEmail(ann, home)
	if !m.CodeExpiresAt.Equal(m.ExpiresAt) {
		t.Errorf("the code expires at %s, the link at %s", m.CodeExpiresAt, m.ExpiresAt)
	}
	k.clock.add(time.Minute)
	wantErr(t, k.byCode(ann, m.Code, home), usher.ErrInvalidCode)
}

func TestCO05_OneOfSixtyFourWinsByCodeOrByLink(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.importUser(ann)
	m := k.resetEmail(ann, home)
	instances := []*kit{k, k.secondInstance()}
	var won atomic.Int64
	var winner atomic.Pointer[usher.Secret]
	concurrently(64, func(i int) {
		in := usher.ResetPasswordParams{NewPassword: usher.Secret(fmt.Sprintf("password number %d of many", i)), LoginID: ann, Code: m.Code}
		if i%4 > 1 {
			in.Token, in.LoginID, in.Code = tokenIn(t, m), "", ""
		}
		_, err := instances[i%2].ResetPassword(ctx, in, nth(i))
		var limit *usher.LimitError
		switch {
		case err == nil:
			won.Add(1)
			winner.Store(&in.NewPassword)
		case !errors.Is(err, usher.ErrInvalidToken) && !errors.Is(err, usher.ErrInvalidCode) && !errors.As(err, &limit):
			t.Errorf("a loser got %v", err)
		}
	})
	if won.Load() != 1 {
		t.Fatalf("%d have won", won.Load())
	}
	k.signIn(ann, *winner.Load(), home)
}

// A slow email does not kill the codes before it, and a code works in every browser and
// instance, however it is typed.
func TestCO06_EarlierCodesWork(t *testing.T) {
	t.Parallel()
	for i, typed := range []func(code string) string{
		func(code string) string { return code[:3] + " " + code[3:] },
		func(code string) string { return "\u00a0" + code[:2] + "-" + code[2:] + "\n" },
		func(code string) string {
			return strings.Map(func(r rune) rune { return r - '0' + '０' }, code)
		},
	} {
		k := newKit(t)
		k.importUser(ann)
		var all []usher.Message
		for range 3 {
			all = append(all, k.resetEmail(ann, home))
			k.clock.add(20 * time.Second)
		}
		code := usher.Secret(typed(all[i].Code.Reveal()))
		if err := k.secondInstance().byCode(" "+strings.ToUpper(ann), code, nth(i)); err != nil {
			t.Errorf("the code of email %d: %v", i, err)
		}
	}
}

// What cannot be a code is refused without a look-up, and is no guess.
func TestCO02_AnInputThatIsNoCodeIsNoGuess(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.importUser(ann)
	m := k.resetEmail(ann, home)
	for range 15 {
		for _, code := range []usher.Secret{"12345", "1234567", "12345x", " ", usher.Secret(strings.Repeat("1", 5000))} {
			wantField(t, k.byCode(ann, code, home), "code")
			wantField(t, k.byCode("nobody@example.com", code, home), "code")
		}
	}
	wantField(t, k.byCode("", m.Code, home), "loginId")
	wantField(t, k.byCode(ann, "", home), "code")
	both := usher.ResetPasswordParams{Token: tokenIn(t, m), LoginID: ann, Code: m.Code, NewPassword: goodPassword}
	_, err := k.ResetPassword(ctx, both, home)
	wantField(t, err, "code")
	if err := k.byCode(ann, m.Code, home); err != nil {
		t.Fatal(err)
	}
}

// All day long an attacker requests codes and guesses, from 50 networks. Ten guesses are
// judged, and the same number for a login id without a user. The owner still signs in, and
// gets a new password by the link, and by a code in a known browser.
func TestCO07_TenGuessesADayOverAllCodes(t *testing.T) {
	t.Parallel()
	answers := map[string]string{}
	for _, id := range []string{ann, "nobody@example.com"} {
		k := newKit(t)
		owner := home
		k.importUser(ann)
		m := k.resetEmail(ann, home)
		result := usher.Must(k.Service.ResetPassword(ctx, usher.ResetPasswordParams{Token: tokenIn(t, m), NewPassword: goodPassword}, home))
		owner.Device = result.Device
		k.clock.add(time.Hour)

		other := k.secondInstance()
		var log strings.Builder
		judged := 0
		for i := range 300 { // 20 hours
			k.inbox()
			k.requestReset(id, nth(i%50))
			sent := map[usher.Secret]bool{}
			for _, m := range k.inbox() {
				sent[m.Code] = true
			}
			guess := usher.Secret("000000")
			for n := 1; sent[guess]; n++ {
				guess = usher.Secret(fmt.Sprintf("%06d", n))
			}
			err := []*kit{k, other}[i%2].byCode(id, guess, nth(i%50))
			var limit *usher.LimitError
			switch {
			case errors.Is(err, usher.ErrInvalidCode):
				judged++
			case !errors.As(err, &limit):
				t.Fatalf("guess %d: %v", i, err)
			}
			fmt.Fprintln(&log, err)
			k.clock.add(4 * time.Minute)
		}
		if judged != 10 {
			t.Errorf("%s: %d guesses were judged, want 10", id, judged)
		}
		answers[id] = log.String()
		if id != ann {
			continue
		}
		k.signIn(ann, goodPassword, nth(77))
		k.clock.add(11 * time.Minute) // no link is open any more
		known := k.resetEmail(ann, owner)
		wantLimit(t, k.byCode(ann, known.Code, nth(78)))
		if err := k.byCode(ann, known.Code, owner); err != nil {
			t.Errorf("in the known browser: %v", err)
		}
		k.clock.add(time.Hour)
		link := k.resetEmail(ann, nth(79))
		wantLimit(t, k.byCode(ann, link.Code, nth(79)))
		in := usher.ResetPasswordParams{Token: tokenIn(t, link), NewPassword: otherPassword}
		if _, err := k.ResetPassword(ctx, in, nth(79)); err != nil {
			t.Errorf("by the link: %v", err)
		}
	}
	if answers[ann] != answers["nobody@example.com"] {
		t.Errorf("the answers differ:\n%s\nfor nobody:\n%s", answers[ann], answers["nobody@example.com"])
	}
}

// A second login id gives no further guesses, and neither does a code for another purpose.
func TestCO07_OneLimitForAllLoginIDsAndPurposes(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	if _, err := k.Operator("test").ImportUser(ctx, usher.ImportUserParams{LoginIDs: []string{ann, "ann"}, Email: ann}); err != nil {
		t.Fatal(err)
	}
	wrong := k.wrongCode()
	for i := range 10 {
		var err error
		if id := []string{ann, "ann"}[i%2]; i < 5 {
			err = k.byCode(id, wrong, nth(i))
		} else {
			_, err = k.VerifyEmail(ctx, nil, usher.VerifyEmailParams{LoginID: id, Code: wrong, Password: goodPassword}, nth(i))
		}
		wantErr(t, err, usher.ErrInvalidCode)
	}
	k.requestReset(ann, home)
	code := k.lastEmail(usher.MessageConfirmAndReset).Code
	for i := range 5 { // not judged, and it looks as if the login ids were of two users
		for j, id := range []string{ann, "ann"} {
			wantErr(t, k.byCode(id, code, nth(20+2*i+j)), usher.ErrInvalidCode)
		}
	}
	for i, id := range []string{ann, "ann"} {
		wantLimit(t, k.byCode(id, code, nth(40+i)))
	}
}

// Wrong codes from one network are limited over all accounts, and right ones do not count.
func TestCO07_ANetworkGuessesTwentyTimesAnHour(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	k.importUser(ann)
	for i := range 20 {
		wantErr(t, k.byCode(fmt.Sprintf("u%d@example.com", i), "123456", nth(1)), usher.ErrInvalidCode)
	}
	m := k.resetEmail(ann, nth(2))
	if l := wantLimit(t, k.byCode(ann, m.Code, nth(1))); l.Limit != "network_codes" || l.RetryAfter > time.Hour {
		t.Errorf("the limit is %+v", l)
	}
	in := usher.ResetPasswordParams{LoginID: ann, Code: m.Code, NewPassword: "short"}
	for range 30 {
		_, err := k.ResetPassword(ctx, in, nth(2))
		wantPolicy(t, err, "too_short")
	}
	if err := k.byCode(ann, m.Code, nth(2)); err != nil {
		t.Fatal(err)
	}
}

// A wrong code for a user and a code for an unknown login id cost the same calls of the store, one
// minute and the next, until the limit.
func TestCO08_AWrongCodeCostsTheSameCallsForAnUnknownUser(t *testing.T) {
	t.Parallel()
	trips := map[string][]int64{}
	for _, id := range []string{ann, "nobody@example.com"} {
		f := &faulty{Store: memory.New()}
		k := newKitOn(t, f, newClock())
		k.importUser(ann)
		k.requestReset(id, home)
		wrong := k.wrongCode()
		for range 12 {
			f.calls.Store(0)
			in := usher.ResetPasswordParams{LoginID: id, Code: wrong, NewPassword: goodPassword}
			_, _ = k.ResetPassword(countedContext(ctx), in, home)
			verify := usher.VerifyEmailParams{LoginID: id, Code: wrong, Password: goodPassword}
			_, _ = k.VerifyEmail(countedContext(ctx), nil, verify, home)
			trips[id] = append(trips[id], f.calls.Load())
		}
	}
	if a, b := trips[ann], trips["nobody@example.com"]; !slices.Equal(a, b) || a[0] < 6 {
		t.Errorf("calls for a user %v, for nobody %v", a, b)
	}
}

// An outage is no guess.
func TestCO07_AnOutageIsNoGuess(t *testing.T) {
	t.Parallel()
	f := &faulty{Store: memory.New(), mode: "fail", at: 2}
	k := newKitOn(t, f, newClock())
	k.importUser(ann)
	m := k.resetEmail(ann, home)
	in := usher.ResetPasswordParams{LoginID: ann, Code: m.Code, NewPassword: goodPassword}
	for range 15 {
		f.calls.Store(0)
		_, err := k.ResetPassword(countedContext(ctx), in, home)
		wantErr(t, err, usher.ErrUnavailable)
	}
	if !slices.Contains(f.hit, "UserTokens") || slices.ContainsFunc(f.hit, func(s string) bool { return s != "UserTokens" }) {
		t.Fatalf("the fault hit %v", f.hit)
	}
	if err := k.byCode(ann, m.Code, home); err != nil {
		t.Fatal(err)
	}
}

// All accounts that want an address have together the guesses of one.
func TestCO07_AccountsWithOneTargetCountTogether(t *testing.T) {
	t.Parallel()
	for wrong, right := range map[int]error{9: nil, 10: usher.ErrInvalidCode} {
		k := newKit(t)
		var attackers []*usher.Authentication
		for _, id := range []string{ann, "bob@example.com", "carl@example.com"} {
			a := k.signUpVerified(id)
			if err := k.ChangeEmail(ctx, k.claims(a), usher.ChangeEmailParams{NewEmail: "Victim@example.com", CurrentPassword: goodPassword}, home); err != nil {
				t.Fatal(err)
			}
			attackers = append(attackers, a)
		}
		m := k.lastEmail(usher.MessageChangeEmail)
		by := func(a *usher.Authentication, code usher.Secret) error {
			return errOf(k.VerifyEmail(ctx, k.claims(a), usher.VerifyEmailParams{Code: code}, home))
		}
		guess := k.wrongCode()
		for i := range wrong {
			wantErr(t, by(attackers[i%3], guess), usher.ErrInvalidCode)
		}
		if err := by(attackers[2], m.Code); !errors.Is(err, right) {
			t.Errorf("the right code after %d wrong ones: %v", wrong, err)
		}
		if right != nil {
			usher.Must(k.VerifyEmail(ctx, k.claims(attackers[2]), usher.VerifyEmailParams{Token: tokenIn(t, m)}, home))
		}
	}
}
