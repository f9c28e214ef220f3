package usher

import "github.com/usherkit/usher/token"

// Next names what the user has to do after a step that succeeded. Callers switch on
// it; later versions may add further steps.
type Next string

// The next steps.
const (
	// NextSignedIn means that the user is signed in: Result.Authentication holds the
	// session and its tokens.
	NextSignedIn Next = "signed_in"
	// NextConfirmEmail means that an email was sent, and that its link has to be
	// followed. With [Config.ConfirmFirst] this is the result of every sign-up,
	// whether the login id is free or taken.
	NextConfirmEmail Next = "confirm_email"
	// NextSignIn means that the user has to sign in, with the new password.
	NextSignIn Next = "sign_in"
)

// Result is the outcome of a sign-up, a sign-in or a change of the password that
// succeeded.
type Result struct {
	// Next is what the user has to do next.
	Next Next
	// Authentication is set if Next is NextSignedIn, and nil otherwise.
	Authentication *Authentication
}

// signedIn returns the Result of a session that has started or continues.
func signedIn(a *Authentication) Result { return Result{NextSignedIn, a} }

// Authentication is what a sign-in, a sign-up or a refresh hands out.
type Authentication struct {
	// User is who signed in.
	User User
	// Session is the device's session.
	Session Session
	// Tokens are the session token and the refresh token.
	Tokens token.Pair
	// Device is to be kept by the browser for half a year and sent along at
	// the next sign-in as [Client.Device]. A change of the password voids it;
	// who made the change is given a new one. Empty after a refresh.
	Device Secret
	// FirstSeen is true when this call created the user.
	FirstSeen bool
}
