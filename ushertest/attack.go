package ushertest

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/usherkit/usher"
)

// Routes describes the routes of the program, beside the mount of Usher, to [App.Attack].
type Routes struct {
	// Protected are the routes that need a session, as patterns of http.ServeMux with a
	// method, such as "GET /orders/{id}". A wildcard becomes "1". Required.
	Protected []string
	// Roles are the roles that the user of the attack needs for these routes. Defaults to
	// none.
	Roles []string
	// SameAnswer are requests whose answer must not reveal whether a user exists, such as
	// one to a sign-up form of the program. Each is called with the login id of a user, and
	// with one that is free. Defaults to those of the mount: sign-in and reset, and with
	// ConfirmFirst sign-up.
	SameAnswer []func(loginID string) *http.Request
}

// Attack runs attacks on how the program has mounted the handlers and protected its routes,
// and fails the test for each that succeeds. They find:
//
//   - a mount that answers elsewhere than at Config.Path, and emailed links to pages that the
//     program does not have;
//   - routes of Routes.Protected that answer without a session, under another spelling of
//     their path, or with a token that is forged, expired, revoked or of another kind;
//   - answers to a signed-in user that caches may keep;
//   - requests of other sites that change something with the user's cookies;
//   - cookies without Secure or HttpOnly;
//   - redirects to an address that the request names;
//   - addresses of clients that a header of the request forges;
//   - answers that reveal whether a user exists.
//
// It calls the program without a network, creates users, and signs them in and out, so it
// needs an App of its own. It attacks only the mount and the routes in Routes, and a program
// without findings can still have faults.
func (a *App) Attack(routes Routes) {
	a.t.Helper()
	for _, f := range a.findings(routes) {
		a.t.Errorf("ushertest: %s", f)
	}
}

// findings returns what the attacks find.
func (a *App) findings(routes Routes) []string {
	a.t.Helper()
	if len(routes.Protected) == 0 {
		a.t.Fatalf("ushertest: Routes.Protected is empty: name the routes that need a session, such as %q", "GET /dashboard")
	}
	x := &attack{app: a, roles: routes.Roles}
	if !x.findMount() {
		return x.found
	}
	for _, pattern := range routes.Protected {
		method, path, ok := strings.Cut(pattern, " ")
		if !ok || !strings.HasPrefix(path, "/") {
			a.t.Fatalf("ushertest: Routes.Protected: %q is not a method and a path, such as %q", pattern, "GET /dashboard")
		}
		x.attackRoute(route{pattern, method, wildcard.ReplaceAllString(path, "1")})
	}
	x.attackCookies()
	x.attackReturnTo()
	x.attackAddress()
	x.attackAnswers(routes.SameAnswer)
	return x.found
}

// attack is one run of the attacks.
type attack struct {
	app   *App
	roles []string
	// cookies means that the mount keeps the tokens in cookies.
	cookies bool
	found   []string
}

const attackedUser = "ushertest.attacked@example.com"

func (x *attack) report(format string, args ...any) {
	x.found = append(x.found, fmt.Sprintf(format, args...))
}

// findMount reports whether the mount is where it should be.
func (x *attack) findMount() bool {
	path := x.app.cfg.Path
	x.app.User(attackedUser, x.roles...)
	if keys := x.do(x.request("GET", path+"/keys")); keys.Code != http.StatusOK || !strings.Contains(keys.Body.String(), `"keys"`) {
		x.report("mount: GET %s/keys answers %d instead of the key set. Config.Path is where the program mounts the handlers", path, keys.Code)
		return false
	}
	in := x.signIn()
	if in.Code != http.StatusOK {
		x.report("mount: POST %s/signin answers %d to the right password: %s", path, in.Code, in.Body)
		return false
	}
	x.cookies = len(in.Result().Cookies()) > 0 && !strings.Contains(in.Body.String(), `"sessionToken"`)
	x.findLinks()
	return true
}

// findLinks checks that emailed links of the default Mailer lead to a page of the program.
func (x *attack) findLinks() {
	if x.app.cfg.Service.Mailer != usher.Mailer(x.app.Mailbox) {
		return
	}
	x.do(x.post(x.app.cfg.Path+"/password/reset", map[string]string{"loginId": attackedUser}))
	link := x.app.Mailbox.Next(attackedUser, usher.MessageResetPassword).Link.Reveal()
	path, ours := strings.CutPrefix(link, x.app.URL)
	if !ours {
		return
	}
	if got := x.do(x.request("GET", path)); got.Code >= 400 {
		page, _, _ := strings.Cut(path, "?")
		x.report("links: the link to set a password leads to %s, which answers %d. Set usher.Config.Links, or handlers.Config.Pages", page, got.Code)
	}
}
