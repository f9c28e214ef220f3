package token

import "errors"

// The errors of a Verifier, for errors.Is, and those of a KeySource.
var (
	// ErrInvalid matches every refusal of a token.
	ErrInvalid = errors.New("token: invalid")
	// ErrExpired matches, as ErrInvalid does, the refusal of a token that has expired
	// and has no other fault. The client may refresh it.
	ErrExpired = errors.New("token: expired")
	// ErrRevoked matches, as ErrInvalid does, the refusal of a token whose session was
	// revoked.
	ErrRevoked = errors.New("token: revoked")
	// ErrUnavailable means that the token cannot be verified, because the keys of its
	// issuer are not available. It is not a refusal: ErrInvalid does not match it.
	ErrUnavailable = errors.New("token: cannot verify now")

	// ErrUnknownKey is the error of a KeySource for a key id that is not in its set.
	ErrUnknownKey = errors.New("token: unknown key id")
	// ErrNoKeys is the error of a KeySource that has no keys: none was ever fetched, or
	// those that were fetched are too old.
	ErrNoKeys = errors.New("token: no keys")
)

// The values of Error.Reason. They are stable, and meant for logs and metrics. Do not
// send them to the client (RFC 6750 §3.1 has one code for all).
const (
	ReasonMalformed   = "malformed"     // not a compact JWS with two JSON objects in strict form
	ReasonAlgorithm   = "algorithm"     // alg is not allowed for the issuer or is not the key's
	ReasonKey         = "key"           // kid is missing, unsafe or unknown
	ReasonSignature   = "signature"     // the signature is not the key's
	ReasonType        = "type"          // the token was made for another purpose
	ReasonIssuer      = "issuer"        // iss is missing or not trusted
	ReasonAudience    = "audience"      // aud is missing or names others
	ReasonClaims      = "claims"        // a claim is missing or of the wrong JSON type
	ReasonNotYetValid = "not_yet_valid" // nbf or iat lies in the future
	ReasonExpired     = "expired"       // exp has passed, and there is no other fault
	ReasonRevoked     = "revoked"       // the session was revoked
	ReasonUnavailable = "unavailable"   // not verified: no keys available
)

// Error is the type of the errors of Verify and ValidateSession. Its text names the
// fault and never contains the token.
type Error struct {
	// Reason is the class of the fault, one of the Reason constants.
	Reason string

	err error
}

// Error returns the reason and the detail.
func (e *Error) Error() string {
	if e.err == nil {
		return "token: " + e.Reason
	}
	return "token: " + e.Reason + ": " + e.err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.err }

// Is reports whether target is one of the errors above that matches the reason.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrInvalid:
		return e.Reason != ReasonUnavailable
	case ErrUnavailable:
		return e.Reason == ReasonUnavailable
	case ErrExpired:
		return e.Reason == ReasonExpired
	case ErrRevoked:
		return e.Reason == ReasonRevoked
	}
	return false
}

func refuse(reason, detail string) *Error {
	return &Error{Reason: reason, err: errors.New(detail)}
}
