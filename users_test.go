package usher_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/store/memory"
)

// importMany imports users with the login ids of the format and the numbers below n.
func (k *kit) importMany(format string, n int) (ids []string) {
	k.t.Helper()
	for i := range n {
		u, err := k.Operator("test").ImportUser(ctx, usher.ImportUserParams{LoginIDs: []string{fmt.Sprintf(format, i)}})
		if err != nil {
			k.t.Fatal(err)
		}
		ids = append(ids, u.ID)
	}
	return ids
}

func userIDs(users []usher.User) (ids []string) {
	for _, u := range users {
		ids = append(ids, u.ID)
	}
	return ids
}

func TestAD01_UsersAreFoundByTheBeginningOfWhatIdentifiesThem(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	o := k.Operator("test")
	name, disabled := "Zoe Ost", k.importMany("disabled%d@example.com", 1)[0]
	usher.Must(o.UpdateUser(ctx, disabled, usher.UpdateUserParams{Roles: &[]string{"staff"}, Profile: usher.Profile{Name: &name}}))
	if err := o.Disable(ctx, disabled); err != nil {
		t.Fatal(err)
	}
	k.clock.add(time.Second)
	since := k.clock.now()
	k.importMany("ann%d@example.com", 3)
	for _, c := range []struct {
		q    usher.UserQuery
		want int
	}{
		{usher.UserQuery{}, 4},
		{usher.UserQuery{Search: "ANN"}, 3},
		{usher.UserQuery{Search: "ann1"}, 1},
		{usher.UserQuery{Search: "zoe o"}, 1},
		{usher.UserQuery{Search: "ann_@"}, 0},
		{usher.UserQuery{Search: "ann%"}, 0},
		{usher.UserQuery{Status: usher.StatusDisabled}, 1},
		{usher.UserQuery{Role: "staff"}, 1},
		{usher.UserQuery{Role: "staff", Status: usher.StatusEnabled}, 0},
		{usher.UserQuery{CreatedSince: since}, 3},
		{usher.UserQuery{Limit: 2}, 2},
		{usher.UserQuery{Limit: -1}, 4},
	} {
		c.q.Count = true
		page := usher.Must(o.Users(ctx, c.q))
		all := c.want
		if c.q.Limit > 0 {
			all = 4
		}
		if len(page.Users) != c.want || page.Count != all || page.More || (page.Next != "") != (all > c.want) {
			t.Errorf("%+v: %d users, %d counted, more %v, next %q", c.q, len(page.Users), page.Count, page.More, page.Next)
		}
	}
	for field, q := range map[string]usher.UserQuery{
		"search": {Search: strings.Repeat("a", 255)}, "role": {Role: strings.Repeat("ä", 201)}, "status": {Status: "gone"},
	} {
		_, err := o.Users(ctx, q)
		wantField(t, err, field)
	}
	for field, q := range map[string]usher.UserQuery{"search": {Search: "\xff"}, "role": {Role: "a\x00"}} {
		_, err := o.Users(ctx, q)
		wantField(t, err, field)
	}
}

// The ids are random, and all users have one time of creation.
func TestAD03_EveryUserComesOnceWhileOthersComeAndGo(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	o := k.Operator("test")
	want := k.importMany("user%d@example.com", 500)
	gone := k.importMany("gone%d@example.com", 60)
	var got []string
	q := usher.UserQuery{Limit: 7}
	for n := 0; ; n++ {
		page := usher.Must(o.Users(ctx, q))
		got = append(got, userIDs(page.Users)...)
		if page.Next == "" {
			break
		}
		q.Cursor = page.Next
		k.importMany(fmt.Sprintf("new%d-%%d@example.com", n), 1)
		name := fmt.Sprint("name ", n)
		usher.Must(o.UpdateUser(ctx, want[n], usher.UpdateUserParams{Profile: usher.Profile{Name: &name}}))
		if n < len(gone) {
			if err := o.Delete(ctx, gone[n]); err != nil {
				t.Fatal(err)
			}
		}
	}
	seen := map[string]int{}
	for _, id := range got {
		seen[id]++
	}
	for _, id := range want {
		if seen[id] != 1 {
			t.Fatalf("a user came %d times", seen[id])
		}
	}
}

func TestAD05_AnOperatorSeesAndEndsSessions(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	o := k.Operator("ops:test")
	first := k.signUp(ann)
	second := k.signIn(ann, goodPassword, home)
	bob := k.signUp("bob@example.com")
	list := usher.Must(o.Sessions(ctx, first.User.ID))
	if len(list) != 2 {
		t.Fatalf("%d sessions, want 2", len(list))
	}
	wantErr(t, o.EndSession(ctx, first.User.ID, bob.Session.ID), usher.ErrNotFound)
	if _, err := o.Sessions(ctx, "unknown"); err != usher.ErrNotFound {
		t.Errorf("the sessions of no user: %v", err)
	}
	k.events.reset()
	if err := o.EndSession(ctx, first.User.ID, first.Session.ID); err != nil {
		t.Fatal(err)
	}
	k.wantEvents("session_ended:revoked")
	k.wantEnded(first)
	wantErr(t, o.EndSession(ctx, first.User.ID, first.Session.ID), usher.ErrNotFound)
	if !k.isLive(second) || !k.isLive(bob) {
		t.Error("another session has ended")
	}
	e := usher.Must(o.Events(ctx, usher.EventQuery{Name: usher.EventSessionEnded})).Events
	if len(e) != 1 || e[0].Actor != "ops:test" || e[0].UserID != first.User.ID || e[0].SessionID != first.Session.ID {
		t.Errorf("events are %+v", e)
	}
}

func TestAD06_NewLoginIDsReplaceTheOldOnes(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	o := k.Operator("ops:test")
	a := k.signUpVerified(ann)
	k.importMany("taken%d", 1)
	reset := k.resetToken(ann, usher.MessageResetPassword)
	k.wantEmails("reset_password")
	k.events.reset()
	for field, ids := range map[string][]string{"loginIds": {}, "loginId": {"a b"}} {
		_, err := o.SetLoginIDs(ctx, a.User.ID, ids)
		wantField(t, err, field)
	}
	_, err := o.SetLoginIDs(ctx, a.User.ID, []string{"x", "X "})
	wantField(t, err, "loginIds")
	if _, err := o.SetLoginIDs(ctx, "unknown", []string{"x"}); err != usher.ErrNotFound {
		t.Errorf("no user: %v", err)
	}
	if _, err := o.SetLoginIDs(ctx, a.User.ID, []string{"new", "TAKEN0"}); err != usher.ErrLoginIDTaken || !k.isLive(a) {
		t.Errorf("a taken login id: %v", err)
	}
	k.wantEmails("")
	k.wantEvents("")

	u := usher.Must(o.SetLoginIDs(ctx, a.User.ID, []string{" New ", ann}))
	if u.LoginID() != "New" || len(u.LoginIDs) != 2 || u.Email != ann || !u.EmailVerified {
		t.Errorf("the user is %+v", u)
	}
	k.wantEvents("user_updated:login_ids session_ended:login_ids_changed")
	if m := k.wantEmails("login_ids_changed")[0]; m.To != ann {
		t.Errorf("the notice went to %s", m.To)
	}
	k.wantEnded(a)
	if _, err := k.ResetLink(ctx, reset, home); err != usher.ErrInvalidToken {
		t.Errorf("an earlier link: %v", err)
	}
	k.signIn("NEW", goodPassword, home)
	usher.Must(o.SetLoginIDs(ctx, a.User.ID, []string{"other"}))
	wantErr(t, k.trySignIn(ann, goodPassword, home), usher.ErrInvalidCredentials)
	k.signUp(ann) // it is free
}

func TestAD04_ACursorServesItsOwnConditionsOnly(t *testing.T) {
	t.Parallel()
	st, clock := memory.New(), newClock()
	k := newKitOn(t, st, clock)
	o := k.Operator("test")
	all := k.importMany("ann%d@example.com", 5)
	q := usher.UserQuery{Search: "ann", Limit: 2}
	first := usher.Must(o.Users(ctx, q))
	cursor := first.Next
	if strings.Contains(cursor, "ann") || strings.ContainsAny(cursor, "+/=&?") {
		t.Errorf("the cursor %q reveals a login id, or has to be escaped in a URL", cursor)
	}
	for name, bad := range map[string]usher.UserQuery{
		"another search": {Search: "an", Cursor: cursor}, "another status": {Search: "ann", Status: usher.StatusEnabled, Cursor: cursor},
		"another role": {Search: "ann", Role: "a", Cursor: cursor}, "since": {Search: "ann", CreatedSince: clock.now(), Cursor: cursor},
		"half": {Search: "ann", Cursor: cursor[:len(cursor)/2]}, "longer": {Search: "ann", Cursor: cursor + "A"},
		"none": {Search: "ann", Cursor: "!"},
	} {
		if _, err := o.Users(ctx, bad); err == nil {
			t.Errorf("%s: the cursor is accepted", name)
		} else {
			wantField(t, err, "cursor")
		}
	}
	// A day later, on another instance with a new secret, with another limit.
	clock.add(24 * time.Hour)
	other := newKitOn(t, st, clock, func(c *usher.Config) { c.Secret, c.OldSecrets = secret2, []usher.Secret{secret} })
	rest := usher.Must(other.Operator("test").Users(ctx, usher.UserQuery{Search: "ANN", Cursor: cursor, Limit: 100, Count: true}))
	got := append(userIDs(first.Users), userIDs(rest.Users)...)
	slices.Sort(got)
	slices.Sort(all)
	if !slices.Equal(got, all) || rest.Count != 5 {
		t.Errorf("got %q and the count %d, want %q", got, rest.Count, all)
	}
}

// The recipe of docs/users.md.
func TestAD11_OneOfManyInstancesAddsTheFirstAdministrator(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	other := k.secondInstance()
	concurrently(64, func(i int) {
		service := []*kit{k, other}[i%2].Service
		_, err := service.Operator("setup").ImportUser(ctx, usher.ImportUserParams{
			LoginIDs: []string{"admin@example.com"}, EmailVerified: true, Roles: []string{"admin"},
		})
		if err == nil {
			err = service.SendPasswordReset(ctx, usher.SendPasswordResetParams{LoginID: "admin@example.com"}, usher.Client{})
		} else if errors.Is(err, usher.ErrLoginIDTaken) {
			err = nil
		}
		if err != nil {
			t.Error(err)
		}
	})
	k.inbox()
	sent := append(k.mail.all, other.mail.all...)
	if len(sent) != 1 || sent[0].Kind != usher.MessageResetPassword {
		t.Fatalf("emails are %s", kinds(sent))
	}
	_, err := k.ResetPassword(ctx, usher.ResetPasswordParams{Token: tokenIn(t, sent[0]), NewPassword: goodPassword}, home)
	if err != nil {
		t.Fatal(err)
	}
	if a := k.signIn("admin@example.com", goodPassword, home); len(a.User.Roles) != 1 {
		t.Errorf("the roles are %q", a.User.Roles)
	}
}

func TestAD18_TheSignInsOfAUser(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	a := k.signUpVerified(ann)
	k.inTenants(a.User.ID, twoTenants)
	bob := k.signUp("bob@example.com")
	k.clock.add(time.Minute)
	b := usher.Must(k.StartSession(ctx, a.User.ID, usher.Proof{Methods: []string{"otp", "hwk"}, At: k.clock.now()}, from("198.51.100.7")))
	b = usher.Must(k.SelectTenant(ctx, b.Tokens.Refresh, "globex", home))
	k.clock.add(time.Minute)
	c := k.signIn(ann, goodPassword, nth(1))
	usher.Must(k.Operator("test").Impersonate(ctx, a.User.ID, nth(2)))
	_, err := k.SignIn(ctx, usher.SignInParams{LoginID: ann, Password: otherPassword}, nth(3))
	wantErr(t, err, usher.ErrInvalidCredentials)

	history := func(list []usher.SignInRecord) (text []string) {
		for _, r := range list {
			text = append(text, strings.Join([]string{strings.Join(r.Methods, "+"), r.Address, r.Tenant}, " "))
		}
		return text
	}
	want := []string{"pwd 10.0.1.1 ", "otp+hwk 198.51.100.7 globex", "pwd 192.0.2.1 "}
	got := usher.Must(k.SignInHistory(ctx, k.claims(c), 10))
	if !slices.Equal(history(got), want) {
		t.Errorf("the sign-ins are %q, want %q", history(got), want)
	}
	if r := got[1]; r.UserID != a.User.ID || r.SessionID != b.Session.ID || !r.At.Equal(b.Session.CreatedAt) || r.UserAgent != "test" {
		t.Errorf("a record is %+v", r)
	}
	for limit, n := range map[int]int{-1: 1, 0: 1, 1: 1, 2: 2, 1000: 3} {
		if got := usher.Must(k.SignInHistory(ctx, k.claims(c), limit)); len(got) != n {
			t.Errorf("limit %d: %d sign-ins, want %d", limit, len(got), n)
		}
	}
	o := k.Operator("test")
	all := usher.Must(o.SignInHistory(ctx, []string{bob.User.ID, a.User.ID, a.User.ID, "nobody"}, 10))
	if len(all) != 4 || all[0].At.Before(all[3].At) {
		t.Errorf("the sign-ins of two users are %q", history(all))
	}
	var refused *usher.FieldError
	for _, ids := range [][]string{strings.Split(strings.Repeat("x ", 50)+strings.Repeat("y ", 50), " "), {"\x00"}, {"\xff"}} {
		if len(ids) > 100 {
			for i := range ids {
				ids[i] += strings.Repeat("z", i)
			}
		}
		if _, err := o.SignInHistory(ctx, ids, 1); !errors.As(err, &refused) || refused.Field != "userIds" {
			t.Errorf("%d ids: %v", len(ids), err)
		}
	}
	claims := k.claims(c)
	if err := k.SignOut(ctx, claims, home); err != nil {
		t.Fatal(err)
	}
	_, err = k.SignInHistory(ctx, claims, 1)
	wantErr(t, err, usher.ErrInvalidSession)
}

// Ids often come from the paths of the program's own routes.
func TestFB04_TextThatNoStoreTakesIsNoOutage(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	user, o := k.signUp(ann).User.ID, k.Operator("test")
	for _, text := range []string{"a\x00b", "a\xffb"} {
		wantErr(t, o.EndSession(ctx, user, text), usher.ErrNotFound)
		for field, q := range map[string]usher.EventQuery{"userId": {UserID: text}, "name": {Name: usher.EventName(text)}, "cursor": {Cursor: text}} {
			_, err := o.Events(ctx, q)
			if refused := new(usher.FieldError); !errors.As(err, &refused) || refused.Field != field {
				t.Errorf("%s %q: %v", field, text, err)
			}
		}
	}
}

// A user who was created at the end of the calendar is on the list and in the export. Later
// times are refused, because JSON cannot hold them.
func TestAD09_UsersOfEveryTimeAreExported(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	for id, year := range map[string]int{"one": 1, "last": 9999} {
		in := usher.ImportUserParams{LoginIDs: []string{id}, CreatedAt: time.Date(year, 12, 31, 23, 59, 59, 0, time.UTC)}
		usher.Must(k.Operator("test").ImportUser(ctx, in))
	}
	for _, year := range []int{-1, 10_000, 300_000} {
		in := usher.ImportUserParams{LoginIDs: []string{"bad"}, CreatedAt: time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)}
		_, err := k.Operator("test").ImportUser(ctx, in)
		wantField(t, err, "createdAt")
	}
	var lines strings.Builder
	if err := k.Operator("test").Export(ctx, &lines); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(lines.String(), `"last"`) || strings.Count(lines.String(), "\n") != 2 {
		t.Errorf("the export is\n%s", &lines)
	}
}

// Different texts do not become equal, and a line cannot control the terminal that shows it.
func TestAD07_ALoneSurrogateIsRefusedAndTheReportHasNoControlCharacters(t *testing.T) {
	t.Parallel()
	k := newKit(t)
	lines := strings.Join([]string{
		`{"loginIds": ["a"], "password": "correct horse \ud800 staple"}`, `{"loginIds": ["b\u001b[2J\u009b\u202e"], "roles": 7}`,
		`{"loginIds": ["c"], "x\u001b[2J": 1}`, `{"loginIds": ["d"], "name": "\ud83d\ude00"}`,
	}, "\n")
	result, refused, err := k.importLines(usher.ImportParams{Users: strings.NewReader(lines)})
	const want = "1|||the line has half of a surrogate pair\n2|b[2J\u202e|roles|must not be a JSON number\n3|c|x"
	if err != nil || result.Imported != 1 || !strings.HasPrefix(refused, want) || strings.ContainsAny(refused, "\x1b\u009b") {
		t.Errorf("%+v, %v: %q", result, err, refused)
	}
}
