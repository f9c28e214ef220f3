package pages

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/visit"
	"github.com/usherkit/usher/problem"
	"github.com/usherkit/usher/token"
)

func (site *Site) signInView() *view {
	inputs := []string{"loginId", "password"}
	return &view{page: "signin", path: "/signin", inputs: inputs, required: inputs, open: site.openSignIn, send: site.sendSignIn}
}

// openSignIn redirects a signed-in user, unless the query asks for a new sign-in
// (prompt=login) or for another account (prompt=select_account). Otherwise the page says
// why it is shown, if that is known.
func (site *Site) openSignIn(x *exchange) error {
	prompt, checks := queryValue(x.r, "prompt"), queryValue(x.r, checkParam) != ""
	switch {
	case x.claims != nil && prompt == "login":
		x.page.Lead = x.page.T("signin.again")
	case x.claims != nil && prompt == "select_account":
		if user := site.otherUser(x, ""); user != "" {
			x.page.Lead = x.page.T("signin.beside", user)
		}
	case x.claims == nil && site.cookies.RecentConflict(x.r):
		x.page.Lead = x.page.T("signin.conflict")
	case x.claims != nil && checks:
		return site.redirectSignedIn(x)
	case x.claims == nil && checks && !fromOtherSite(x.r):
		if site.noCookies.Passed(site.chain.Now()) {
			site.logger.WarnContext(x.r.Context(), "pages: a browser kept no cookie after a sign-in",
				"frame", x.r.Header.Get("Sec-Fetch-Dest") == "iframe", "secure", !site.cookies.LoopbackOnly(), "request_id", problem.RequestID(x.w, x.r))
		}
		x.page.Alert = x.page.T("signin.nocookies")
	case site.signInLoops(x):
		if site.loop.Passed(site.chain.Now()) {
			_, present := site.cookies.Tokens(x.r)
			site.logger.WarnContext(x.r.Context(), "pages: a browser that has signed in was led back to the sign-in page",
				"session_cookie", present, "signed_in", x.claims != nil, "request_id", problem.RequestID(x.w, x.r))
		}
		x.page.Alert = x.page.T("signin.loop")
	case x.claims != nil:
		return site.redirectSignedIn(x)
	case x.page.ReturnTo != "":
		x.page.Lead = x.page.T("signin.reason")
	}
	return nil
}

// redirectSignedIn redirects to the page after the sign-in instead of showing the page.
func (site *Site) redirectSignedIn(x *exchange) error {
	_ = redirect(x.w, site.destination(x.page.ReturnTo))
	return errAnswered
}

const (
	// A signed-in user who opens the sign-in page is redirected to another page. If
	// that page redirects back, the browser is at the sign-in page again within
	// redirectPause. After maxRedirects of these the page is shown.
	maxRedirects  = 5
	redirectPause = 10 * time.Second
)

// signInLoops reports whether the program and the sign-in page send the browser back
// and forth. Either this browser has started a session that is live, and does not send
// it. Or it sends it, and the program refuses it.
func (site *Site) signInLoops(x *exchange) bool {
	if fromOtherSite(x.r) {
		return false
	}
	if x.claims == nil {
		user, session, ok := strings.Cut(site.cookies.Note(x.r, noteSignedIn).Reveal(), " ")
		if !ok {
			return false
		}
		_, _, err := site.service.Me(x.r.Context(), &token.Claims{Type: token.TypeSession, Subject: user, SessionID: session})
		return err == nil
	}
	if x.page.ReturnTo == "" {
		return false
	}
	var count, last int64
	_, _ = fmt.Sscan(site.cookies.Note(x.r, noteRedirects).Reveal(), &count, &last)
	now := site.chain.Now()
	if now.Sub(time.Unix(last, 0)) > redirectPause {
		count = 0
	}
	if count++; count > maxRedirects {
		return true
	}
	site.keepNote(x, noteRedirects, fmt.Sprint(count, " ", now.Unix()))
	return false
}

// fromOtherSite reports whether a link of another site led to the page. Browsers send no
// SameSite=Strict cookie with it.
func fromOtherSite(r *http.Request) bool {
	from := r.Header.Get("Sec-Fetch-Site")
	return from != "" && from != "same-origin"
}

func (site *Site) sendSignIn(x *exchange) error {
	in := usher.SignInParams{LoginID: x.in["loginId"], Password: usher.Secret(x.in["password"])}
	result, err := site.visits.Start(x.w, x.r, site.clientSigningIn(x), func(c usher.Client) (usher.Result, error) {
		return site.service.SignIn(x.r.Context(), in, c)
	})
	if err != nil {
		return site.demandNewPassword(x, err, x.page.RememberMe)
	}
	return site.redirectAfter(x, result)
}

// clientSigningIn describes a client that asks for a session.
func (site *Site) clientSigningIn(x *exchange) usher.Client {
	c := site.visits.ClientSigningIn(x.w, x.r)
	c.EndWithBrowser = !x.page.RememberMe
	return c
}

// redirectAfter redirects to the next page after a sign-in, a sign-up or a new
// password.
func (site *Site) redirectAfter(x *exchange, result usher.Result) error {
	switch result.Next {
	case usher.NextSignedIn:
		site.cookies.ClearNote(x.w, x.r, visit.NoteLoginID)
		site.cookies.ClearNote(x.w, x.r, noteNotice)
		site.keepNote(x, noteSignedIn, result.Authentication.User.ID+" "+result.Authentication.Session.ID)
		if site.mayKeepNoCookies(x.r) {
			query := url.Values{checkParam: {"1"}}
			if x.page.ReturnTo != "" {
				query.Set("return_to", x.page.ReturnTo)
			}
			return redirect(x.w, site.base+"/signin?"+query.Encode())
		}
		return redirect(x.w, site.destination(x.page.ReturnTo))
	case usher.NextConfirmEmail:
		return site.redirectToSent(x, "/signup")
	}
	return fmt.Errorf("pages: unknown next step %q", result.Next)
}

// checkParam is the query parameter with which the sign-in page checks that the browser
// has kept the session cookie.
const checkParam = "check"

// mayKeepNoCookies reports whether a form of this site came from a browser without a device
// cookie: from its first sign-in, or from a browser that keeps no cookies, which the next
// request shows. The answer to another site's redirect cannot show it, because browsers
// send no SameSite=Strict cookie with the requests that follow.
func (site *Site) mayKeepNoCookies(r *http.Request) bool {
	dest := r.Header.Get("Sec-Fetch-Dest")
	return (dest == "document" || dest == "iframe") && r.Header.Get("Sec-Fetch-Site") == "same-origin" && site.cookies.Device(r) == ""
}

// Finish redirects to the page after a sign-in by a route of the program.
func (site *Site) Finish(w http.ResponseWriter, r *http.Request, auth *usher.Authentication, returnTo string) {
	if auth.Session.Kind == usher.SessionImpersonated {
		_ = redirect(w, site.destination(returnTo))
		return
	}
	x := &exchange{w: w, r: r, page: site.newPage(r, "signin")}
	x.page.ReturnTo = returnTo
	_ = site.redirectAfter(x, usher.Result{Next: usher.NextSignedIn, Authentication: auth})
}

// demandNewPassword shows the form by which the user gets another password, if err says
// that the password is right but must be replaced. It returns any other error.
func (site *Site) demandNewPassword(x *exchange, err error, rememberMe bool) error {
	var breached *usher.BreachedPasswordError
	leaked := errors.As(err, &breached)
	name, focus, lead := "replace", "oldPassword", "breached.replace"
	switch {
	case leaked && breached.ByEmail:
		name, focus, lead = "forgot", "", "breached.forgot"
	case !errors.Is(err, usher.ErrPasswordExpired):
		return err
	}
	page := site.newPage(x.r, name)
	page.RememberMe = rememberMe
	page.ReturnTo, page.values, page.focus, page.Address = x.page.ReturnTo, x.page.values, focus, x.page.Address
	if leaked {
		page.Title, page.Lead = page.T("replace.title"), page.T(lead)
	}
	return site.show(x.w, http.StatusForbidden, page)
}

// confirmView is the page on which a signed-in user proves the password again.
func (site *Site) confirmView() *view {
	inputs := []string{"password"}
	return &view{
		page: "confirm", path: "/session/confirm", inputs: inputs, required: inputs,
		prepare: func(x *exchange) error {
			err := site.loadAccount(x)
			if x.page.NoPassword {
				x.page.Lead = x.page.T("confirm.nopassword")
			}
			return err
		},
		send: func(x *exchange) error {
			in := usher.ReauthenticateParams{Password: usher.Secret(x.in["password"])}
			_, err := site.visits.Reauthenticate(x.w, x.r, x.claims, in, site.client(x))
			if err != nil {
				x.page.values["loginId"] = x.page.LoginID
				return site.demandNewPassword(x, err, !x.page.endsWithBrowser)
			}
			return redirect(x.w, site.destination(x.page.ReturnTo))
		},
	}
}

func (site *Site) replaceView() *view {
	inputs := []string{"loginId", "oldPassword", "newPassword"}
	return &view{page: "replace", path: "/signin", inputs: inputs, required: inputs, send: func(x *exchange) error {
		in := usher.ReplacePasswordParams{
			LoginID: x.in["loginId"], OldPassword: usher.Secret(x.in["oldPassword"]), NewPassword: usher.Secret(x.in["newPassword"]),
		}
		result, err := site.visits.Start(x.w, x.r, site.clientSigningIn(x), func(c usher.Client) (usher.Result, error) {
			return site.service.ReplacePassword(x.r.Context(), in, c)
		})
		if err != nil {
			return site.demandNewPassword(x, err, x.page.RememberMe)
		}
		return site.redirectAfter(x, result)
	}}
}
