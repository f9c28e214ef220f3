package problem

import (
	"maps"
	"slices"
)

// Code names a kind of error. It is stable: clients may depend on it.
type Code string

// The codes that Usher uses. The first paragraph says when a code occurs, the second what
// the client does. The pages in docs/errors are generated from them.
const (
	// InvalidRequest means that the body or an input cannot be accepted [400]. Fields has one
	// entry for each input that is wrong. Without them the body as a whole is wrong, and
	// Detail says in English what.
	//
	// The client corrects the inputs. The same request fails again.
	InvalidRequest Code = "invalid_request"
	// PasswordPolicy means that the new password breaks rules of the password policy [400].
	// Fields has one entry for each of these rules.
	//
	// The client shows the rules, and asks for another password. GET /password/policy has the
	// rules beforehand.
	PasswordPolicy Code = "password_policy"
	// InvalidToken means that an emailed link is unknown, used, expired or replaced by a newer
	// one [400].
	//
	// The client requests another email.
	InvalidToken Code = "invalid_token"
	// InvalidCode means that the code of an email is wrong, expired or void [400].
	//
	// The client asks for the code in the newest email, or requests another email.
	InvalidCode Code = "invalid_code"
	// InvalidCredentials means that a sign-in failed, or the password that confirms a step is
	// wrong [401]. The answer is the same for every reason, such as a login id that does not
	// exist.
	//
	// The client asks for the login id and the password again. A session that the request has
	// goes on.
	InvalidCredentials Code = "invalid_credentials"
	// NotSignedIn means that the request needs a session and has none [401]. The
	// WWW-Authenticate header asks for a bearer token.
	//
	// The client lets the user sign in.
	NotSignedIn Code = "not_signed_in"
	// InvalidSession means that the session is not valid or has ended [401]. The
	// WWW-Authenticate header has error="invalid_token".
	//
	// The client exchanges its refresh token once by POST /session/refresh. If it has none, or
	// if that fails with this code too, it removes its tokens and lets the user sign in. In a
	// browser Usher has tried that already, so the user signs in.
	InvalidSession Code = "invalid_session"
	// ImpersonationEnded means that the request comes from a browser in which an operator
	// acted as a user (usher.Operator.Impersonate), and that session has ended [401]. The
	// request was not done. The WWW-Authenticate header has error="invalid_token". The session
	// of the operator goes on.
	//
	// The client loads again what it shows of the user, because the next request is one of
	// the operator.
	ImpersonationEnded Code = "impersonation_ended"
	// RecentSignInRequired means that the user signed in too long ago for this step [401]. The
	// WWW-Authenticate header has error="insufficient_user_authentication".
	//
	// The client asks for the password and sends it to POST /session/confirm, or in
	// currentPassword if the route takes one. Then it sends the request again.
	RecentSignInRequired Code = "recent_sign_in_required"
	// PasswordExpired means that the password is right and must be replaced [403].
	//
	// The client asks for a new password and sends both to POST /password/replace.
	PasswordExpired Code = "password_expired"
	// PasswordBreached means that the password is right but has leaked, and only an emailed
	// link sets another one [403].
	//
	// The client requests the email by POST /password/reset.
	PasswordBreached Code = "password_breached"
	// UserDisabled means that the password is right and the user is disabled [403].
	//
	// The client tells the user to contact the operator of the site.
	UserDisabled Code = "user_disabled"
	// PasswordRequired means that the emailed link needs the password of the account, or a
	// session of its user [403]. The link still works.
	//
	// The client asks for the password and sends it with the token of the link, or lets the
	// user sign in first.
	PasswordRequired Code = "password_required"
	// EmailProofRequired means that the step needs a password that was set with an emailed
	// link, because the user has none, or has set it less than 24 hours ago without the
	// earlier one [403].
	//
	// The client requests the email by POST /password/reset. The user sets a password with it,
	// and does the step again.
	EmailProofRequired Code = "email_proof_required"
	// SignUpClosed means that users cannot sign up [403].
	//
	// The client says so in place of its form.
	SignUpClosed Code = "sign_up_closed"
	// Forbidden means that the user may not do this, for example because a role is missing, or
	// because an operator acts as the user [403]. If a guard of package middleware refused the
	// request, the WWW-Authenticate header has error="insufficient_scope".
	//
	// The client does not repeat the request. The session goes on.
	Forbidden Code = "forbidden"
	// EmailNotVerified means that the user has not confirmed the email address [403].
	//
	// The client asks the user to open the link in the email. POST /email/verify/send sends
	// another one.
	EmailNotVerified Code = "email_not_verified"
	// CrossOrigin means that a page of another site sent the request, or may have sent it
	// [403].
	//
	// A client that is not a browser sends an X-Requested-With header of any value. The origin
	// of another site whose pages may send requests belongs in handlers.Config.TrustedOrigins.
	CrossOrigin Code = "cross_origin"
	// NotFound means that the path or the item does not exist [404].
	//
	// The client does not repeat the request.
	NotFound Code = "not_found"
	// MethodNotAllowed means that the path lacks the method [405]. The Allow header lists the
	// methods that it has.
	//
	// The client uses one of them.
	MethodNotAllowed Code = "method_not_allowed"
	// LoginIDTaken means that another user has the login id [409].
	//
	// The client offers the user to sign in or to reset the password, or asks for another
	// login id.
	LoginIDTaken Code = "login_id_taken"
	// Conflict means that another request changed the item at the same time [409]. Nothing was
	// stored.
	//
	// The client loads the item again, and repeats the request if it still applies.
	Conflict Code = "conflict"
	// TooLarge means that the body is too large [413].
	//
	// The client sends less: at most 16 KiB to the routes of this module.
	TooLarge Code = "too_large"
	// UnsupportedMediaType means that the body has the wrong Content-Type [415].
	//
	// The client sends the body as application/json. Routes with a page also take forms.
	UnsupportedMediaType Code = "unsupported_media_type"
	// Rejected means that the program's own rules refuse the request [422]. Fields has the
	// program's code, and the input if one is refused.
	//
	// The client shows Detail, or decides by the program's code.
	Rejected Code = "rejected"
	// TooManyRequests means that a limit is reached [429]. The Retry-After header says in how
	// many seconds to try again.
	//
	// The client waits that long. An attempt before that is refused, too.
	TooManyRequests Code = "too_many_requests"
	// Internal means that the program failed [500]. The log has the cause under RequestID.
	//
	// The client reports the problem with RequestID. It keeps its session.
	Internal Code = "internal"
	// Unavailable means that the program cannot answer at the moment [503]. A change may have
	// been stored all the same, if the answer of the store was lost. The Retry-After header
	// says in how many seconds to try again.
	//
	// The client waits that long and repeats the request. It keeps its session: an outage
	// never ends one.
	Unavailable Code = "unavailable"
)

// UnavailableRetryAfter is the Retry-After header of answers with [Unavailable], in
// seconds.
const UnavailableRetryAfter = "5"

// typeBase begins the type of every code that Usher uses. What follows is the name of a page
// in docs/errors.
const typeBase = "https://github.com/usherkit/usher/blob/main/docs/errors/"

// entry has the status and the English texts of a code.
type entry struct {
	status int
	title  string
	detail string
}

// codes is the table of all codes.
var codes = map[Code]entry{
	InvalidRequest:       {400, "Invalid request", "The request is incomplete or not valid."},
	PasswordPolicy:       {400, "Password not allowed", "Choose another password."},
	InvalidToken:         {400, "Invalid link", "The link is no longer valid. Request another one."},
	InvalidCode:          {400, "Invalid code", "The code is wrong or has expired. Use the code in the newest email, or its link."},
	InvalidCredentials:   {401, "Invalid credentials", "The login id or the password is wrong."},
	NotSignedIn:          {401, "Not signed in", "Sign in first."},
	InvalidSession:       {401, "Invalid session", "The session is not valid. Sign in again."},
	ImpersonationEnded:   {401, "Acting as another user has ended", "The session in which you acted as another user has ended, so this was not done. You act as yourself from now on."},
	RecentSignInRequired: {401, "Recent sign-in required", "You signed in too long ago to do this. Sign in again."},
	PasswordExpired:      {403, "Password expired", "Choose a new password first."},
	PasswordBreached:     {403, "Password leaked", "The password is in a list of leaked passwords. Request an email to set another one."},
	UserDisabled:         {403, "Account disabled", "This account has been disabled. Contact the operator of this site."},
	PasswordRequired:     {403, "Password required", "Enter the password of the account, or open the link in a browser that is signed in."},
	EmailProofRequired:   {403, "Proof by email required", "This needs a password that you have set with the link of an email. Request one. A password that was set without the earlier one is enough after 24 hours."},
	SignUpClosed:         {403, "Sign-up is closed", "No new accounts can be created here."},
	Forbidden:            {403, "Forbidden", "You don’t have permission to do this."},
	EmailNotVerified:     {403, "Email address not confirmed", "Confirm the email address first."},
	CrossOrigin:          {403, "Cross-origin request", "The request must come from this site. Clients that are not browsers send an X-Requested-With header."},
	NotFound:             {404, "Not found", "There’s nothing at this address."},
	MethodNotAllowed:     {405, "Method not allowed", "The Allow header lists the allowed methods."},
	LoginIDTaken:         {409, "Address taken", "There’s already an account with this address."},
	Conflict:             {409, "Conflict", "This was changed in the meantime, so your change wasn’t saved."},
	TooLarge:             {413, "Too large", "The body is too large."},
	UnsupportedMediaType: {415, "Unsupported media type", "The body has the wrong Content-Type."},
	Rejected:             {422, "Not accepted", "This is not accepted here."},
	TooManyRequests:      {429, "Too many requests", "Wait before you try again."},
	Internal:             {500, "Internal error", "Something went wrong on our side. Please try again."},
	Unavailable:          {503, "Temporarily unavailable", "The service is unavailable right now. Try again in a moment."},
}

// Codes returns the codes that Usher uses, sorted.
func Codes() []Code { return slices.Sorted(maps.Keys(codes)) }

// Status returns the HTTP status of a code that Usher uses, or 0.
func (c Code) Status() int { return codes[c].status }

// Title returns a few English words that name the error, or "" for a code that
// Usher does not use.
func (c Code) Title() string { return codes[c].title }

// Detail returns an English sentence for the client, or "" for a code that
// Usher does not use.
func (c Code) Detail() string { return codes[c].detail }

// Type returns the URI that identifies the kind of problem (RFC 9457, section 3.1.1): the
// address of the page that documents the code, docs/errors/not_found.md for example. It is
// about:blank for a code that Usher does not use.
func (c Code) Type() string {
	if _, ours := codes[c]; !ours {
		return "about:blank"
	}
	return typeBase + string(c) + ".md"
}
