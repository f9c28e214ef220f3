package usher_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/testhash"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/memory"
)

// Each known browser of each user has a counter of its own.
func TestSI04_FailuresOfAKnownBrowserDelayNoOther(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	known := func(a *usher.Authentication, address string) usher.Client {
		c := from(address)
		c.Device = a.Device
		return c
	}
	first := known(k.signUp(ann), "203.0.113.9")
	second := known(k.signIn(ann, goodPassword, from("203.0.113.10")), "203.0.113.10")
	other := known(k.signUp("bob@example.com"), "203.0.113.11")
	k.clock.add(time.Minute)
	for range 5 {
		k.failSignIn(ann, first)
	}
	wantLimit(t, k.trySignIn(ann, goodPassword, first))
	k.failSignIn(ann, second)
	k.failSignIn("bob@example.com", other)
	k.signIn(ann, goodPassword, second)
	k.signIn("bob@example.com", goodPassword, other)
}

// A browser is known for 180 days after its last sign-in.
func TestSI09_ABrowserIsKnownFor180Days(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	c := home
	c.Device = k.signUp(ann).Device
	for days, known := range map[time.Duration]bool{180 * 24 * time.Hour: true, 180*24*time.Hour + time.Second: false} {
		later := newKitOn(t, k.store, newClock())
		later.clock.add(days)
		later.signIn(ann, goodPassword, c)
		if n := later.events.count(usher.EventSignInNewDevice); (n == 0) != known {
			t.Errorf("after %s the browser is known: %t", days, n == 0)
		}
	}
}

// The counters of made-up login ids expire. Only the failures of a
// user over all networks count until a success.
func TestLM04_CountersOfMadeUpLoginIDsExpireWithinADay(t *testing.T) {
	t.Parallel()
	spy := &limitSpy{Store: memory.New()}
	k := newKitOn(t, spy, newClock())
	k.signUp(ann)
	for loginID, forEver := range map[string]int{"made-up@example.com": 0, ann: 1} {
		k.failSignIn(loginID, home)
		n := 0
		for _, l := range spy.last {
			if l.Window == 0 {
				n++
			} else if l.Window > 24*time.Hour {
				t.Errorf("%s: a counter of %s", loginID, l.Window)
			}
		}
		if n != forEver || len(spy.last) < 3 {
			t.Errorf("%s: %d of %d counters have no end, want %d", loginID, n, len(spy.last), forEver)
		}
	}
}

// An address is one address in every spelling that reaches its mailbox.
func TestML04_SpellingsOfAnAddressShareItsLimit(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	for i, address := range []string{"victim@example.com", "Victim@Example.COM", "VICTIM@example.com", "victim@EXAMPLE.com"} {
		for n := range 2 {
			in := usher.SignUpParams{LoginID: fmt.Sprintf("mallory-%d-%d", i, n), Email: address, Password: goodPassword}
			if _, err := k.SignUp(ctx, in, nth(10*i+n)); err != nil {
				wantLimit(t, err)
			}
		}
	}
	if n := len(k.inbox()); n > 5 || n < 4 {
		t.Errorf("%d emails within an hour, want at most 5", n)
	}
}

// brokenReset is a store that may fail to count, clear or release, or to create a user.
type brokenReset struct {
	store.Store
	take, clear, release, create error
	calls                        int // of the first three
}

func (s *brokenReset) TakeLimits(ctx context.Context, now time.Time, limits []store.Limit) (store.LimitResult, error) {
	s.calls++
	if s.take != nil {
		return store.LimitResult{}, s.take
	}
	return s.Store.TakeLimits(ctx, now, limits)
}

func (s *brokenReset) CreateUser(ctx context.Context, c store.UserCreation) ([]store.Event, error) {
	if s.create != nil {
		return nil, s.create
	}
	return s.Store.CreateUser(ctx, c)
}

func (s *brokenReset) ClearLimits(ctx context.Context, keys []string) error {
	s.calls++
	if s.clear != nil {
		return s.clear
	}
	return s.Store.ClearLimits(ctx, keys)
}

func (s *brokenReset) ReleaseLimits(ctx context.Context, keys []string) error {
	s.calls++
	if s.release != nil {
		return s.release
	}
	return s.Store.ReleaseLimits(ctx, keys)
}

// A right password that starts no session, such as an expired one, clears and releases what was
// counted. If the store fails to do so, the log says so and the answer stays the same.
func TestSI05_ARightPasswordCountsNoFailureWhateverFollows(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	broken := &brokenReset{Store: memory.New()}
	k := newKitOn(t, broken, newClock(), func(c *usher.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	if err := k.Operator("test").ExpirePassword(ctx, k.signUp(ann).User.ID); err != nil {
		t.Fatal(err)
	}
	log.Reset()
	for range 25 { // a network may fail twenty times
		wantErr(t, k.trySignIn(ann, goodPassword, home), usher.ErrPasswordExpired)
	}
	for range 4 {
		k.failSignIn(ann, home)
	}
	wantErr(t, k.trySignIn(ann, goodPassword, home), usher.ErrPasswordExpired)
	k.failSignIn(ann, home)
	if text := log.String(); strings.Contains(text, "could not be") {
		t.Errorf("the log is\n%s", text)
	}
	for name, set := range map[string]*error{"cleared": &broken.clear, "released": &broken.release} {
		log.Reset()
		*set = errors.New("the disk is full")
		wantErr(t, k.trySignIn(ann, goodPassword, home), usher.ErrPasswordExpired)
		*set = nil
		if n := strings.Count(log.String(), "could not be "); n != 1 || !strings.Contains(log.String(), "could not be "+name) {
			t.Errorf("a counter that is not %s: the log is\n%s", name, log.String())
		}
	}
	// A sign-up during an outage releases its counters, too.
	broken.create, broken.release = errors.New("the disk is full"), nil
	for _, release := range []error{nil, broken.create} {
		log.Reset()
		broken.release = release
		_, err := k.SignUp(ctx, usher.SignUpParams{LoginID: "bob@example.com", Password: goodPassword}, home)
		wantErr(t, err, usher.ErrUnavailable)
		if logged := strings.Contains(log.String(), "could not be released"); logged != (release != nil) {
			t.Errorf("release fails with %v: the log is\n%s", release, log.String())
		}
	}
}

// An attempt that cannot be counted is not made.
func TestSI07_WithoutACounterNothingIsHashed(t *testing.T) {
	t.Parallel()
	broken := &brokenReset{Store: memory.New()}
	k := newKitOn(t, broken, newClock())
	k.signUp(ann)
	broken.take = errors.New("the disk is full")
	before := k.Hashes()
	wantErr(t, k.trySignIn(ann, goodPassword, home), usher.ErrUnavailable)
	if n := k.Hashes() - before; n != 0 {
		t.Errorf("%d hashes", n)
	}
}

func TestInsecureNoThrottleCountsNothing(t *testing.T) {
	t.Parallel()
	spy := &brokenReset{Store: memory.New()}
	k := newKitOn(t, spy, newClock(), func(c *usher.Config) { c.InsecureNoThrottle, c.BaseURL = true, "https://localhost" })
	id := k.signUp(ann).User.ID
	k.signIn(ann, goodPassword, home)
	k.failSignIn(ann, home)
	if err := k.Operator("test").ExpirePassword(ctx, id); err != nil {
		t.Fatal(err)
	}
	wantErr(t, k.trySignIn(ann, goodPassword, home), usher.ErrPasswordExpired)
	spy.create = errors.New("the disk is full")
	_, err := k.SignUp(ctx, usher.SignUpParams{LoginID: "bob@example.com", Password: goodPassword}, home)
	wantErr(t, err, usher.ErrUnavailable)
	if spy.calls != 0 {
		t.Errorf("%d calls of the store", spy.calls)
	}
}

// The operator learns which user cannot sign in because of a damaged hash.
func TestHA05_ADamagedHashIsLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	k := newKit(t, func(c *usher.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	id := k.signUp(ann).User.ID
	k.setHash("ann@example.com", "$argon2id$garbage")
	wantErr(t, k.trySignIn(ann, goodPassword, home), usher.ErrInvalidCredentials)
	if text := log.String(); strings.Count(text, "level=ERROR") != 1 || !strings.Contains(text, "damaged") || !strings.Contains(text, id) || strings.Contains(text, "garbage") {
		t.Errorf("the log is\n%s", text)
	}
}

// The notice of a change that an outage prevented does not count.
func TestML04_AnOutageUsesUpNoNoticeOfAChangeOfAddress(t *testing.T) {
	t.Parallel()
	st := &conflictingStore{Store: memory.New()}
	k := newKitOn(t, st, newClock())
	claims := k.claims(k.signUp(ann))
	k.wantEmails("verify_email")
	in := usher.ChangeEmailParams{NewEmail: "new@example.com", CurrentPassword: goodPassword}
	st.down = true
	for range 12 {
		wantErr(t, k.ChangeEmail(ctx, claims, in, home), usher.ErrUnavailable)
	}
	st.down = false
	if err := k.ChangeEmail(ctx, claims, in, home); err != nil {
		t.Fatal(err)
	}
	k.wantEmails("change_email email_changing")
}

// failingHook is a store whose hook fails with an error of the program's database, which a
// client may cause by its input.
type failingHook struct{ *memory.Store }

func (failingHook) CreateUser(context.Context, store.UserCreation) ([]store.Event, error) {
	return nil, errors.New("hook: violates foreign key constraint")
}

// An input with which the hook fails is no refusal, and is limited all the same.
func TestSF04_SignUpsWithWhichTheHookFailsAreLimited(t *testing.T) {
	for _, confirmFirst := range []bool{false, true} {
		k := newKitOn(t, failingHook{memory.New()}, newClock(), func(c *usher.Config) { c.ConfirmFirst = confirmFirst })
		for range 30 {
			wantErr(t, k.trySignUp(ann, goodPassword), usher.ErrUnavailable)
		}
		hashes := k.Hashes()
		if l := wantLimit(t, k.trySignUp(ann, goodPassword)); l.Limit != "sign_up_requests" || k.Hashes() != hashes {
			t.Errorf("the limit is %s, %d hashes", l.Limit, k.Hashes()-hashes)
		}
	}
}

// An outage of what the program asks spends no sign-ups of the network.
func TestSF04_AnOutageSpendsNoSignUps(t *testing.T) {
	for name, change := range map[string]func(c *usher.Config, down func() error){
		"the rule": func(c *usher.Config, down func() error) {
			c.SignUpRule = func(context.Context, usher.User) error { return down() }
		},
		"a field": func(c *usher.Config, down func() error) {
			c.SignUpFields = []usher.SignUpField{{Name: "terms", Checkbox: true, Check: func(context.Context, any) error { return down() }}}
		},
	} {
		var outage error
		k := newKit(t, func(c *usher.Config) { change(c, func() error { return outage }) })
		in := usher.SignUpParams{LoginID: ann, Password: goodPassword}
		if name == "a field" {
			in.Fields = usher.Fields{"terms": true}
		}
		outage = errors.New("out of reach")
		for range 15 {
			if _, err := k.SignUp(ctx, in, home); err == nil || errors.As(err, new(*usher.LimitError)) {
				t.Fatalf("%s: %v", name, err)
			}
		}
		outage = nil
		if _, err := k.SignUp(ctx, in, home); err != nil {
			t.Errorf("after an outage of %s: %v", name, err)
		}
	}
}

// busyAfterCount is a store that fills the hashing slot when it has counted a change of a
// password.
type busyAfterCount struct {
	store.Store
	fill func()
}

func (b *busyAfterCount) TakeLimits(ctx context.Context, now time.Time, l []store.Limit) (store.LimitResult, error) {
	r, err := b.Store.TakeLimits(ctx, now, l)
	if fill := b.fill; fill != nil && len(l) == 1 && l[0].Max == 5 {
		b.fill = nil
		fill()
	}
	return r, err
}

// A change that is refused because the hashing queue is full uses up none of the five
// changes of a link.
func TestSI10_ABusyQueueUsesUpNoChange(t *testing.T) {
	t.Run("without a rule against reuse", func(t *testing.T) { refuseChangesByQueue(t, 0) })
	t.Run("with it", func(t *testing.T) { refuseChangesByQueue(t, 3) })
}

func refuseChangesByQueue(t *testing.T, reuse int) {
	synctest.Test(t, func(t *testing.T) {
		st := &busyAfterCount{Store: memory.New()}
		k := newKitOn(t, st, newClock(), func(c *usher.Config) {
			c.Hashing.Slots, c.Hashing.QueueWait, c.Password.ReuseAmount = 1, time.Second, reuse
		})
		k.signUpVerified(ann)
		reset := usher.ResetPasswordParams{Token: k.resetToken(ann, usher.MessageResetPassword), NewPassword: otherPassword}
		for refused := range 6 {
			var release func()
			st.fill = func() {
				release = testhash.Hold(t)
				hashes := k.Hashes()
				go func() { _ = k.trySignIn(mallory, otherPassword, nth(refused)) }()
				if synctest.Wait(); k.Hashes() == hashes {
					t.Error("the sign-in does not occupy the slot")
					release()
				}
			}
			_, err := k.ResetPassword(ctx, reset, home)
			release()
			if l := wantLimit(t, err); l.Limit != "hashing" {
				t.Fatalf("after %d refusals by the queue: %v", refused, err)
			}
			synctest.Wait()
		}
		if _, err := k.ResetPassword(ctx, reset, home); err != nil {
			t.Errorf("with a free slot, after six refusals by the queue: %v", err)
		}
	})
}

// A sign-in that is refused although the password is right counts back one failure of its
// network, and no more. Otherwise an attacker with a leaked password of an own account could
// guess at other accounts without end.
func TestSI03_ARightPasswordReleasesNoFailureOfOthers(t *testing.T) {
	t.Parallel()
	k, _, _ := leakedKit(t, usher.BreachedReplaced)
	judged := 0
	for i := range 60 {
		switch err := k.trySignIn(fmt.Sprintf("victim%d@example.com", i), otherPassword, nth(1)); {
		case errors.Is(err, usher.ErrInvalidCredentials):
			judged++
		default:
			wantLimit(t, err)
		}
		in := usher.ReplacePasswordParams{LoginID: ann, OldPassword: goodPassword, NewPassword: thirdPassword}
		_, _ = k.ReplacePassword(ctx, in, nth(1))
	}
	if judged != 20 {
		t.Errorf("%d guesses of one network were judged, want 20", judged)
	}
}
