package token

import "errors"

// Errors to branch on with errors.Is.
var (
	// ErrInvalid is true of every refusal of a token, whatever the cause.
	ErrInvalid = errors.New("token: invalid")
	// ErrExpired is true, beside ErrInvalid, of a token whose only fault is that
	// its time is over: everything else about it verified. A caller may refresh.
	ErrExpired = errors.New("token: expired")
	// ErrRevoked is true, beside ErrInvalid, of a token whose session ended early.
	ErrRevoked = errors.New("token: revoked")
	// ErrUnavailable says that the token could not be judged, because the keys of
	// its issuer are not at hand. It is not a refusal: ErrInvalid is not true of it.
	ErrUnavailable = errors.New("token: cannot verify now")

	// ErrUnknownKey is a KeySource's answer for a key id that is not in its set.
	ErrUnknownKey = errors.New("token: unknown key id")
	// ErrNoKeys is a KeySource's answer when it has no keys at all: nothing was
	// ever fetched, or what was fetched is too old.
	ErrNoKeys = errors.New("token: no keys")
)

// The values of Error.Reason. They are stable and meant for logs and metrics;
// a client must never learn which one it was (RFC 6750 §3.1 has one code for all).
const (
	ReasonMalformed   = "malformed"     // not a strictly formed compact JWS with JSON objects
	ReasonAlgorithm   = "algorithm"     // alg is not allowed for the issuer or is not the key's
	ReasonKey         = "key"           // kid is missing, unsafe or unknown
	ReasonSignature   = "signature"     // the signature is not the key's
	ReasonType        = "type"          // the token was made for another purpose
	ReasonIssuer      = "issuer"        // iss is missing or not trusted
	ReasonAudience    = "audience"      // aud is missing or names others
	ReasonClaims      = "claims"        // a claim is missing or of the wrong JSON type
	ReasonNotYetValid = "not_yet_valid" // nbf or iat lies in the future
	ReasonExpired     = "expired"       // exp has passed, and nothing else is wrong
	ReasonRevoked     = "revoked"       // the session ended early
	ReasonUnavailable = "unavailable"   // not judged: no keys at hand
)

// Error is what Verify and ValidateSession return. Its text names the fault and
// never the token.
type Error struct {
	// Reason is the stable class of the fault, one of the Reason constants.
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

// Is makes errors.Is true for the sentinels that belong to the reason.
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
