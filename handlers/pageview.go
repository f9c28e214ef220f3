package handlers

import (
	"html/template"
	"strconv"
	"strings"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/locale"
	"github.com/usherkit/usher/password"
)

// Page is what the template of a page gets.
type Page struct {
	// Name is the page's, such as "signin": its file is signin.html.
	Name string
	// Product, Logo and Home are those of [Pages].
	Product, Logo, Home string
	// Initial is the first letter of Product.
	Initial string
	// Lang and Dir are for the attributes of the root element.
	Lang, Dir string
	// Title is the page's heading; Lead is a sentence below it, or empty.
	Title, Lead string
	// Notice says what has just succeeded, Alert what is wrong; each may be
	// empty. What is wrong with one input is in its Field.
	Notice, Alert string
	// NoticeCode names the notice, such as "verify_sent", or is empty.
	NoticeCode string
	// Address is the page's own path where the answer to a form is shown, which
	// has another; else empty.
	Address string
	// ReturnTo is the path to go on to after the sign-in, or empty.
	ReturnTo string
	// SignUpClosed is true if nobody can sign up.
	SignUpClosed bool
	// SignedIn is true if the browser has a session.
	SignedIn bool
	// EmailVerified is true on the page of a link that does not work where the
	// session's user has a confirmed address: such a link was followed before.
	EmailVerified bool
	// Policy is the policy for new passwords.
	Policy PagePolicy
	// Token is that of a mailed link, for a hidden input. It is a secret.
	Token string
	// LoginID names the user, for password managers: where somebody is signed
	// in or holds a mailed link.
	LoginID string
	// NewEmail is true where the mailed link is to put a new address in the place
	// of the account's.
	NewEmail bool
	// PasswordRequired is true where the mailed link needs the account's password:
	// the browser has no session of its user.
	PasswordRequired bool
	// Again is the path, below the mount, of the page that sends a mail again;
	// SentTo is the login id that was typed there, if that is known.
	Again, SentTo string
	// Reference is the id of the request, on a page that tells of a fault.
	Reference string
	// Retry is the path to open again, on a page that tells of what passes by
	// itself; else empty.
	Retry string
	// PendingEmail is the address that the user has asked to move to and that has
	// not confirmed it yet, or empty. PendingUntil is until when its link works, in
	// UTC, in words; PendingUntilISO is the same for the attribute datetime.
	PendingEmail, PendingUntil, PendingUntilISO string
	// User is that of the account page. Sessions are his or hers, the one that
	// asks first, then those that began last; what is over five is in
	// MoreSessions.
	User                   usher.User
	Sessions, MoreSessions []PageSession

	speaker *locale.Speaker
	pages   *pages
	values  map[string]string
	errors  map[string][]string
	links   map[string][]Link
	focus   string
	missing *[]string // gets the keys of texts that there are not, while pages are checked
}

// PagePolicy is the policy for new passwords.
type PagePolicy struct {
	// MinLength and MaxLength are in characters.
	MinLength, MaxLength int
	// Rules is the attribute passwordrules, by which some password managers
	// make passwords.
	Rules string
	// List are the rules: the length, and those of composition if there are any.
	List []PageRule
}

// PageRule is one rule of the policy.
type PageRule struct {
	// Kind is "length", "lowercase", "uppercase", "number" or "symbol".
	Kind string
	// Text says what it asks for.
	Text string
}

// PageSession is a signed-in device.
type PageSession struct {
	// Page is the page that the session is on.
	Page *Page
	// ID names the session; it opens nothing.
	ID string
	// Device is such as "Firefox on Linux".
	Device string
	// Address is the IP address at the last refresh, or empty.
	Address string
	// Seen is when the session was last refreshed, in UTC, in words; SeenISO is
	// the same for the attribute datetime.
	Seen, SeenISO string
	// Current is true for the session that asks.
	Current bool
}

// T returns the text of a key in the reader's language. Its arguments take the
// place of the verbs in it.
func (p *Page) T(key string, args ...any) string {
	if p.missing != nil && !p.pages.h.catalogue.Knows(key) {
		*p.missing = append(*p.missing, key)
	}
	return p.speaker.Text(key, args...)
}

// URL returns the path of a page or route of the mount, such as "/signin".
func (p *Page) URL(path string) string { return p.pages.base + path }

// URLBack is URL with the return path.
func (p *Page) URLBack(path string) string { return p.pages.signIn(path, p.ReturnTo) }

// Style returns the element style. The policy of the page allows no other.
func (p *Page) Style() template.HTML { return p.pages.files.style }

// Script returns the element script. The policy of the page allows no other.
func (p *Page) Script() template.HTML { return p.pages.files.script }

// Failed reports whether the page says that something is wrong.
func (p *Page) Failed() bool {
	return p.Name == "problem" || p.Alert != "" || len(p.errors) > 0
}

// Unverified reports whether the user has an address that is not confirmed.
func (p *Page) Unverified() bool { return p.User.Email != "" && !p.User.EmailVerified }

// wrong says what is wrong with one input.
func (p *Page) wrong(field, text string) {
	p.errors[field] = append(p.errors[field], text)
}

// policy is the password policy in words.
func (p *pages) policy(s *locale.Speaker) PagePolicy {
	policy := p.h.auth.PasswordPolicy()
	out := PagePolicy{
		MinLength: policy.MinLength, MaxLength: policy.MaxLength, Rules: passwordRules(policy),
		List: []PageRule{{"length", s.Text("password.rule.length", policy.MinLength)}},
	}
	for _, rule := range []struct {
		on   bool
		kind string
	}{
		{policy.Lowercase, "lowercase"}, {policy.Uppercase, "uppercase"},
		{policy.Number, "number"}, {policy.NonAlphanumeric, "symbol"},
	} {
		if rule.on {
			out.List = append(out.List, PageRule{rule.kind, s.Text("password.rule." + rule.kind)})
		}
	}
	return out
}

func passwordRules(policy password.Policy) string {
	rules := []string{"minlength: " + strconv.Itoa(policy.MinLength)}
	for _, rule := range []struct {
		on   bool
		text string
	}{
		{policy.Lowercase, "required: lower"}, {policy.Uppercase, "required: upper"},
		{policy.Number, "required: digit"}, {policy.NonAlphanumeric, "required: special"},
	} {
		if rule.on {
			rules = append(rules, rule.text)
		}
	}
	return strings.Join(rules, "; ") + ";"
}
