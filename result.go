package usher

import "github.com/usherkit/usher/token"

// Next names what the user has to do after a successful call. Callers switch on it.
// Later versions may add values, so the switch needs a default case.
type Next string

// The values of Next.
const (
	// NextSignedIn means that the user is signed in. Result.Authentication holds the
	// session and its tokens.
	NextSignedIn Next = "signed_in"
	// NextConfirmEmail means that the user has to follow the link in an email. With
	// [Config.ConfirmFirst] every sign-up returns it, whether the login id is free or
	// taken.
	NextConfirmEmail Next = "confirm_email"
	// NextSignIn means that the user has to sign in with the new password.
	NextSignIn Next = "sign_in"
	// NextHasAccount means that the user has an account with the address already, whose
	// password is unchanged. Only [Service.AcceptInvitation] returns it.
	NextHasAccount Next = "has_account"
)

// Result is the outcome of a successful sign-up, sign-in or change of the password.
type Result struct {
	// Next is what the user has to do next.
	Next Next
	// Authentication is not nil exactly if Next is NextSignedIn.
	Authentication *Authentication
	// Device is a token that makes the browser known, as [Authentication.Device] does. It
	// is set with NextSignIn, so that other clients in the network of the user who has
	// reset the password cannot prevent the sign-in that follows.
	Device Secret
}

// signedIn returns the Result of a session that has started or continues.
func signedIn(a *Authentication) Result { return Result{Next: NextSignedIn, Authentication: a} }

// signInNext returns the Result of a reset, after which the user signs in. The reset has
// proven the mailbox, so the browser becomes known.
func (s *Service) signInNext(userID string) Result {
	return Result{Next: NextSignIn, Device: s.newDeviceToken(userID, "")}
}

// Authentication is what a sign-up, a sign-in or a refresh returns: the user, the
// session and its tokens.
type Authentication struct {
	// User is the user who signed in.
	User User
	// Session is the session that the tokens prove.
	Session Session
	// Tokens are the session token and the refresh token.
	Tokens token.Pair
	// Device is a token that makes the browser known. The browser keeps it for 180 days and
	// sends it as [Client.Device] at the next sign-in. A change of the password invalidates
	// it, and the client that made the change gets a new one. It is empty after a refresh.
	Device Secret
	// UserCreated is true if this call created the user.
	UserCreated bool
}
