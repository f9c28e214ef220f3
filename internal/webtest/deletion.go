package webtest

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/sqlstore"
)

// Instances returns two instances on one database, with the real clock and one
// mailbox. With cookies they have pages. open opens the database once more.
func Instances(t *testing.T, m Mode, open func() store.Store, s Setup) (a, b *Kit) {
	t.Helper()
	mailbox := &Mailbox{}
	instance := func() *Kit {
		set := s
		set.Store = open()
		set.Service = func(c *usher.Config) {
			Unlimited(c)
			c.Now, c.Mailer = time.Now, mailbox
			if s.Service != nil {
				s.Service(c)
			}
		}
		set.Config = func(c *handlers.Config) {
			if c.Now, c.Timeout = time.Now, time.Minute; m == InCookies { // 64 callers hash at once
				c.Pages = &pages.Config{}
			}
			if s.Config != nil {
				s.Config(c)
			}
		}
		set.Jar = func(c *cookies.Config) { c.Now = time.Now }
		k := NewKit(t, m, set)
		k.Mailbox = mailbox
		return k
	}
	return instance(), instance()
}

// TestAccountDeletion deletes an account on one of two instances, while many requests do,
// and checks everything that could act for it afterwards. open opens the same database
// each time, in which it runs SQL statements with exec.
func TestAccountDeletion(t *testing.T, m Mode, open func(hook sqlstore.Hook) store.Store, exec func(query string), rows func(query string) int) {
	var refuse atomic.Bool
	hook := func(ctx context.Context, tx *sql.Tx, c sqlstore.Change) error {
		if c.Kind != sqlstore.UserDeleted {
			return nil
		}
		// The id is random and has no quote.
		if _, err := tx.ExecContext(ctx, fmt.Sprintf(`INSERT INTO gone (user_id) VALUES ('%s')`, c.UserID)); err != nil {
			return err
		}
		if refuse.Load() {
			return &store.Rejection{Code: "open_orders", Message: "You still have open orders."}
		}
		return nil
	}
	first := open(hook)
	exec(`CREATE TABLE gone (user_id TEXT)`)
	stores := []store.Store{first, open(hook)}
	next := 0
	a, b := Instances(t, m, func() store.Store { next++; return stores[next-1] }, Setup{})

	// The account: three devices, a stream, and everything that is pending.
	one := a.SignUpVerified(Ann)
	two := b.SignIn(Ann, GoodPassword)
	oldID := a.UserID(Ann)
	reset := a.ResetToken(Ann)
	a.Do(a.As(one, Post("/email/change", Object("newEmail", "next@example.com", "currentPassword", GoodPassword)))).Want(t, 202, "")
	change := a.MailedToken()
	invitation := a.Invite(Ann)
	streaming, ended := make(chan struct{}), make(chan time.Time, 1)
	b.Server.(*http.ServeMux).Handle("/stream", b.Handlers.RequireFunc(func(w http.ResponseWriter, r *http.Request) {
		done := r.Context().Done() // the watch begins
		close(streaming)
		select {
		case <-done:
			ended <- time.Now()
		case <-time.After(20 * time.Second):
		}
	}))
	go b.Do(b.As(two, Get("~/stream")))
	<-streaming
	third := a.Client(Ann, GoodPassword)
	second := secondProgram(t, b)
	if got := second(third); got != 200 {
		t.Fatalf("the second program answers %d before the deletion", got)
	}
	a.ClearRecords()

	// The program refuses once.
	deletion, deleted := Post("/account/delete", Object("currentPassword", GoodPassword)), func(r *Reply) bool { return r.Status == 204 }
	if m == InCookies {
		deletion = Post("~/auth/account/delete", Form("currentPassword", GoodPassword), "Content-Type", "application/x-www-form-urlencoded", "Accept", "text/html", "Sec-Fetch-Mode", "navigate")
		deleted = func(r *Reply) bool { return r.Header.Get("Location") == "/auth/signin" }
	}
	refuse.Store(true)
	if got := b.Do(b.As(two, deletion)); got.Status != 422 || !strings.Contains(string(got.Body), "You still have open orders.") {
		t.Errorf("the refusal is %d %s", got.Status, got.Body)
	}
	refuse.Store(false)
	if !a.IsSignedIn(one) || !b.IsSignedIn(two) || rows(`SELECT count(*) FROM gone`) != 0 || a.EmailKinds() != "" {
		t.Fatal("a refused deletion has an effect")
	}

	var wg sync.WaitGroup
	var won atomic.Int32
	for i := range 64 {
		k, u := a, one
		if i%2 == 1 {
			k, u = b, two
		}
		wg.Go(func() {
			switch got := k.Do(k.As(u, deletion)); {
			case deleted(got):
				won.Add(1)
			case got.Status == 303, got.Status == 401, got.Status == 429: // deleted already, or one of too many
			default:
				t.Errorf("caller %d: %d %s", i, got.Status, got.Body)
			}
		})
	}
	wg.Wait()
	end := time.Now()
	if n := rows(`SELECT count(*) FROM gone`); won.Load() != 1 || n != 1 {
		t.Fatalf("%d of 64 calls deleted the account, and the hook left %d rows", won.Load(), n)
	}
	for what, refused := range map[string]func() bool{
		"the first instance":  func() bool { return a.Do(a.As(one, Get("~/protected"))).Status == 401 },
		"the second instance": func() bool { return b.Do(b.As(two, Get("~/protected"))).Status == 401 },
		"a second program":    func() bool { return second(third) == 401 },
	} {
		for !refused() {
			if time.Since(end) > 2*time.Second {
				t.Fatalf("%s accepts the sessions 2 s after the deletion", what)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	select {
	case at := <-ended:
		if at.Sub(end) > 2*time.Second {
			t.Errorf("the stream ended %s after the deletion", at.Sub(end))
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the stream goes on")
	}
	// Attempts at the same time count as failures of each other, so notices of failures may follow.
	if kinds := strings.ReplaceAll(a.EmailKinds(), " sign_in_notice", ""); kinds != "account_deleted" {
		t.Errorf("the emails are %q", kinds)
	}

	old := map[string]Request{
		"a refresh":         a.Refresh(one),
		"a session":         a.As(two, Get("/me")),
		"a reset":           Post("/password/reset/complete", Object("token", reset, "newPassword", OtherPassword)),
		"a change of email": Post("/email/verify", Object("token", change, "password", GoodPassword)),
		"an invitation":     Post("/invitation/accept", Object("token", invitation, "newPassword", OtherPassword)),
		"a second deletion": b.As(one, Post("/account/delete", Object("currentPassword", GoodPassword))),
	}
	nothingActs := func() {
		t.Helper()
		for name, q := range old {
			if got := b.Do(q); got.Status < 400 || got.Status >= 500 {
				t.Errorf("%s of the deleted account: %d %s", name, got.Status, got.Body)
			}
		}
	}
	nothingActs()
	b.Do(Post("/signin", SignUpBody(Ann, GoodPassword))).Want(t, 401, "invalid_credentials")

	// The address is free at once, and nothing old acts on the new account.
	again := b.Do(Post("/signup", SignUpBody(Ann, OtherPassword))).Want(t, 201, "").Keep(Tokens{})
	if id := a.UserID(Ann); id == oldID {
		t.Error("the new account has the old id")
	}
	nothingActs()
	if !a.IsSignedIn(again) || !b.IsSignedIn(again) {
		t.Error("the new session has ended")
	}
	a.SignIn(Ann, OtherPassword)
}

// Client signs a user in by the Service, and returns the session as a client without cookies
// has it.
func (k *Kit) Client(loginID, pw string) Tokens {
	k.T.Helper()
	r, err := k.Service.SignIn(k.T.Context(), usher.SignInParams{LoginID: loginID, Password: usher.Secret(pw)}, usher.Client{})
	if err != nil {
		k.T.Fatal(err)
	}
	tokens := r.Authentication.Tokens
	return Tokens{Bearer: tokens.Session.Reveal(), Refresh: tokens.Refresh.Reveal(), ID: r.Authentication.Session.ID}
}

// secondProgram returns what a program answers to a session token that has only the JWK
// Set and the list of revocations of an instance.
func secondProgram(t *testing.T, k *Kit) (status func(u Tokens) int) {
	t.Helper()
	server := httptest.NewServer(k.Server)
	t.Cleanup(server.Close)
	remote, err := middleware.OpenRemote(t.Context(), middleware.RemoteConfig{
		Issuer: "https://app.example", KeysURL: server.URL + "/auth/keys", RevocationsURL: server.URL + "/auth/revocations", InsecureLoopback: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { remote.Close() })
	guard, err := middleware.New(middleware.Config{Validator: remote})
	if err != nil {
		t.Fatal(err)
	}
	program := guard.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	return func(u Tokens) int {
		r := httptest.NewRequest(http.MethodGet, "/", strings.NewReader(""))
		r.Header.Set("Authorization", "Bearer "+u.Bearer)
		w := httptest.NewRecorder()
		program.ServeHTTP(w, r)
		return w.Code
	}
}
