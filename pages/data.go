package pages

import (
	"net/http"
	"net/url"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/locale"
	"github.com/usherkit/usher/middleware"
)

// Page is the data of a template.
type Page struct {
	// Name is the name of the page, such as "signin". Its file is signin.html.
	Name string
	// Product is usher.Config.Name. Logo and Home are the settings of the [Config].
	Product, Logo, Home string
	// Initial is the first letter of Product.
	Initial string
	// Lang and Dir are for the attributes of the root element.
	Lang, Dir string
	// Title is the page's heading; Lead is a sentence below it, or empty.
	Title, Lead string
	// Notice says what has just succeeded, Alert what is wrong; each may be
	// empty. An error of one input is in its Field.
	Notice, Alert string
	// NoticeCode names the notice, such as "verify_sent", or is empty.
	NoticeCode string
	// Address is the path of the page if the page answers a form, because the path of
	// the form differs. Otherwise it is empty.
	Address string
	// ReturnTo is the path to which the sign-in leads, or empty.
	ReturnTo string
	// RememberMe is true if the user is to stay signed in after the browser is closed.
	RememberMe bool
	// SignUpClosed is usher.Config.SignUpClosed: users cannot sign up.
	SignUpClosed bool
	// SignedIn is true if the browser has a session.
	SignedIn bool
	// ActingAs is the login id of the user as whom an operator acts in this browser
	// (usher.Operator.Impersonate), or empty.
	ActingAs string
	// EmailVerified is true on the page for a link that does not work, if the user is
	// signed in and the address is confirmed. The link was then probably used before.
	EmailVerified bool
	// NoPassword is true if the signed-in user has no password, on the pages of the
	// account.
	NoPassword bool
	// Policy is the policy for new passwords.
	Policy Policy
	// Token is the token of an emailed link, for a hidden input. It is a secret.
	Token string
	// LoginID names the user, for password managers. It is empty unless the user is
	// signed in or has opened an emailed link.
	LoginID string
	// NewEmail is true if the emailed link confirms a new address that replaces the
	// one of the account.
	NewEmail bool
	// PasswordRequired is true if the emailed link needs the password of the account,
	// because the browser has no session of its user.
	PasswordRequired bool
	// HasAccount is true on the page of an invitation if the user has an account with the
	// address already, so that no password is to be set.
	HasAccount bool
	// OtherUser is the login id of the signed-in user, if the emailed link is another
	// user's; otherwise empty.
	OtherUser string
	// ResendPath is the path, below the mount, of the page on which the user can request
	// another email. SentTo is the login id that the user typed there, or empty.
	ResendPath, SentTo string
	// Code is the code of the problem, such as "forbidden", on a page that reports one;
	// otherwise empty. Package problem lists the codes.
	Code string
	// Reference is the id of the request, on a page that reports a failure.
	Reference string
	// Retry is the path to open again, on a page that reports a temporary problem;
	// otherwise empty.
	Retry string
	// PendingEmail is the new address that the user has requested and not yet
	// confirmed, or empty. PendingUntil is the time at which its link expires, in UTC
	// and in the language of the page; PendingUntilISO is the same for the attribute
	// datetime.
	PendingEmail, PendingUntil, PendingUntilISO string
	// User is the user of the account page. Sessions are the first five sessions of
	// the user: the current one, then the newest ones. MoreSessions are the others.
	User                   usher.User
	Sessions, MoreSessions []Session

	speaker *locale.Speaker
	site    *Site
	values  map[string]string
	errors  map[string][]string
	links   map[string][]Link
	focus   string
	// endsWithBrowser is true if the session of the user ends with the browser.
	endsWithBrowser bool
	request         *http.Request
	data            any       // what Config.Data has returned
	nonce           string    // allows the assets of the program
	missing         *[]string // collects unknown keys of texts while pages are checked
}

// Policy is the policy for new passwords.
type Policy struct {
	// MinLength and MaxLength are in characters.
	MinLength, MaxLength int
	// Rules is the value of the attribute passwordrules, from which some password managers
	// generate a password.
	Rules string
	// List has the rules: the length, and the composition rules if there are any.
	List []Rule
}

// Rule is one rule of the policy.
type Rule struct {
	// Kind is "length", "lowercase", "uppercase", "number" or "symbol".
	Kind string
	// Text is the rule in the language of the page.
	Text string
}

// Session is a signed-in device.
type Session struct {
	// Page is the page that the session is on.
	Page *Page
	// ID is the id of the session. It is not a secret.
	ID string
	// Device is a name such as "Firefox on Linux".
	Device string
	// Address is the IP address at the last refresh, or empty. Of an IPv6 address it
	// is the network, such as "2001:db8:1:2:…".
	Address string
	// SameNetwork is true if that address is in the network of the browser that shows
	// the page.
	SameNetwork bool
	// Seen is the time of the last refresh, in UTC and in the language of the
	// page; SeenISO is the same for the attribute datetime, and Ago says how long ago
	// that was, such as "3 hours ago".
	Seen, SeenISO, Ago string
	// Current is true for the session of this browser.
	Current bool
}

// T returns the text of a key in the reader's language, formatted with the
// arguments.
func (p *Page) T(key string, args ...any) string {
	if p.missing != nil && !p.site.catalogue.Knows(key) {
		*p.missing = append(*p.missing, key)
	}
	return p.speaker.Text(key, args...)
}

// URL returns the path of a page or route of the mount, such as "/signin".
func (p *Page) URL(path string) string { return p.site.base + path }

// URLWithReturnTo is like URL, and adds ReturnTo to the query.
func (p *Page) URLWithReturnTo(path string) string { return p.site.pathWithReturn(path, p.ReturnTo) }

// Providers returns the other ways to sign in, with the paths to open.
func (p *Page) Providers() (all []Provider) {
	for _, one := range p.site.cfg.Providers {
		if p.ReturnTo != "" {
			one.Path += "?" + url.Values{"return_to": {p.ReturnTo}}.Encode()
		}
		all = append(all, one)
	}
	return all
}

// SignInURL returns the path of the sign-in page. If a user is signed in, it asks for
// the form all the same (prompt=select_account, a parameter of OpenID Connect).
func (p *Page) SignInURL() string {
	if p.SignedIn {
		return p.URL("/signin?prompt=select_account")
	}
	return p.URL("/signin")
}

// UserID returns the id of the signed-in user, or "". A form of the account sends it as "user",
// and does nothing if another user is signed in by then.
func (p *Page) UserID() string { return middleware.Subject(p.request.Context()) }

// Failed reports whether the page says that something is wrong.
func (p *Page) Failed() bool {
	return p.Name == "problem" || p.Alert != "" || len(p.errors) > 0
}

// Unverified reports whether the user has an address that is not confirmed.
func (p *Page) Unverified() bool { return p.User.Email != "" && !p.User.EmailVerified }

// wrong adds an error of one input.
func (p *Page) addError(field, text string) {
	p.errors[field] = append(p.errors[field], text)
}
