package descope

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/route"
	"github.com/usherkit/usher/problem"
	"github.com/usherkit/usher/token"
)

// errConfirmEmail is the answer to a sign-up with usher.Config.ConfirmFirst, which starts
// no session, whether the login id is free or taken.
var errConfirmEmail = errors.New("descope: the user has to follow the link in an email")

// refusal is the answer to an error.
type refusal struct {
	// match reports whether an error has this answer.
	match func(err error) bool
	// status is the HTTP status. The SDKs have functions for 400, 401, 403 and 404.
	status int
	// code is errorCode. Codes of the form E0629.. are our own except for E062909: the
	// SDKs know none for these cases.
	code        string
	description string
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func code(want ...problem.Code) func(error) bool {
	return func(err error) bool { return slices.Contains(want, route.Code(err)) }
}

// refusals is the table of the answers to errors. The first entry that matches is used; the
// last one matches every error. docs/from-descope.md has the same table.
var refusals = []refusal{
	{is(errNoProject), 401, "E062911", "The Authorization header must be: Bearer, the project id, and what the call needs"},
	{is(errWrongProject), 401, "E062912", "This program serves another project"},
	{is(errWrongKey), 401, "E062913", "The management key is missing or wrong"},
	{is(errNotServed), 404, "E062914", "This program does not serve this call"},
	{is(errConfirmEmail), 403, "E062904", "An email is on its way: the user has to follow its link"},
	{missesField, 400, "E011002", "A required argument is missing"},
	{isBadBody, 400, "E011001", "The request is malformed"},
	{code(problem.InvalidRequest), 400, "E011003", "An argument is not valid"},
	{code(problem.PasswordPolicy), 400, "E062901", "The policy refuses the new password"},
	{code(problem.Rejected), 400, "E062908", "The program refuses this"},
	{code(problem.InvalidToken), 401, "E062504", "The link has expired, was used, or is void"},
	{code(problem.InvalidCredentials), 401, "E062902", "The login id or the password is wrong"},
	{code(problem.PasswordExpired), 401, "E062909", "The password has expired and must be replaced or reset"},
	{code(problem.PasswordBreached), 401, "E062909", "The password has leaked and must be reset with an emailed link"},
	{code(problem.UserDisabled), 403, "E062903", "The user is disabled"},
	{code(problem.EmailNotVerified), 403, "E062904", "The user has to confirm the email address first"},
	{code(problem.SignUpClosed), 403, "E062905", "Sign-up is closed"},
	{code(problem.Forbidden), 403, "E062906", "The token does not allow this"},
	{code(problem.EmailProofRequired), 403, "E062906", "This needs a password that was set with an emailed link"},
	{code(problem.RecentSignInRequired), 401, "E062907", "The sign-in is too old for this: sign in again, or replace the password"},
	{code(problem.NotSignedIn), 401, "E011002", "The request has no refresh token"},
	{isBadToken, 401, "E062910", "The token is not valid"},
	{code(problem.InvalidSession, problem.ImpersonationEnded), 401, "E064001", "The session has ended"},
	{code(problem.LoginIDTaken), 400, "E062107", "User already exists"},
	{code(problem.Conflict), 409, "E062915", "This was changed in the meantime"},
	{code(problem.CrossOrigin), 403, "E062916", "A page of another site sent the request"},
	{is(usher.ErrNotFound), 404, "E112102", "User not found"},
	{code(problem.NotFound), 404, "E062914", "This program does not serve this call"},
	{code(problem.MethodNotAllowed), 405, "E062914", "This program does not serve this method of the call"},
	{code(problem.TooLarge), 413, "E062917", "The body is too large"},
	{code(problem.UnsupportedMediaType), 415, "E062918", "The body must be application/json"},
	{code(problem.TooManyRequests), 429, "E130429", "Rate limit exceeded"},
	{code(problem.Unavailable), 503, "E062998", "The program cannot answer at the moment"},
	{func(error) bool { return true }, 500, "E062999", "Internal error"},
}

// missesField reports whether an input that is required is empty.
func missesField(err error) bool {
	input := route.AsInputError(err)
	if input == nil || input.Code != problem.InvalidRequest {
		return false
	}
	for _, f := range input.Fields {
		if f.Code == "required" {
			return true
		}
	}
	return false
}

// isBadBody reports whether the body as a whole cannot be read.
func isBadBody(err error) bool {
	input := route.AsInputError(err)
	return input != nil && input.Code == problem.InvalidRequest && len(input.Fields) == 0
}

// isBadToken reports whether a token itself is refused, such as a forged or expired one.
func isBadToken(err error) bool {
	return errors.As(err, new(*token.Error)) && route.Code(err) == problem.InvalidSession
}

// refusalJSON is the body of the answer to an error. All members are required by some SDK.
type refusalJSON struct {
	ErrorCode        string `json:"errorCode"`
	ErrorDescription string `json:"errorDescription"`
	ErrorMessage     string `json:"errorMessage"`
}

// writeError answers an error.
func (h *Handler) writeError(w http.ResponseWriter, _ *http.Request, err error) {
	for _, a := range refusals {
		if !a.match(err) {
			continue
		}
		route.SetRetryAfter(w, err)
		if a.status == http.StatusUnauthorized {
			w.Header().Set("WWW-Authenticate", "Bearer")
		}
		body := refusalJSON{ErrorCode: a.code, ErrorDescription: a.description, ErrorMessage: message(err)}
		if body.ErrorMessage == "" {
			body.ErrorMessage = a.description
		}
		_ = write(w, a.status, body) // text can always be encoded
		return
	}
}

// message says what is wrong with the inputs, or "" if that is not the cause.
func message(err error) string {
	input := route.AsInputError(err)
	if input == nil {
		return ""
	}
	var all []string
	if input.Detail != "" {
		all = append(all, input.Detail)
	}
	for _, f := range input.Fields {
		switch {
		case f.Detail == input.Detail:
		case input.Code == problem.InvalidRequest:
			all = append(all, f.Name+": "+f.Detail)
		default:
			all = append(all, f.Detail)
		}
	}
	return strings.Join(all, " ")
}
