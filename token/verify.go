package token

import (
	"context"
	"errors"
	"slices"

	"github.com/golang-jwt/jwt/v5"

	"github.com/usherkit/usher/internal/strictjson"
)

// verified is the result of verify, with what the cache needs to check it again.
type verified struct {
	claims     *Claims
	issuer     *issuer
	key        PublicKey
	generation uint64
}

// verify checks a token. With an error it returns no claims, except if the token has
// expired and has no other fault: ValidateSession then reads in them whether the
// session is revoked.
func (v *Verifier) verify(ctx context.Context, raw string, want Type) (verified, error) {
	if len(raw) > MaxSize {
		return verified{}, errTooLong
	}
	seg, ok := split(raw)
	if !ok {
		return verified{}, errParts
	}
	head, err := readHeader(seg.header)
	if err != nil {
		return verified{}, err
	}
	signature, decodeErr := decodeSegment(seg.signature)
	if decodeErr != nil {
		return verified{}, refuse(ReasonMalformed, "signature is not canonical base64url")
	}
	members, err := readObject(seg.payload, "payload")
	if err != nil {
		return verified{}, err
	}

	// The payload is not verified yet: its iss only selects the keys to try.
	iss, _ := strictjson.AsString(members.Get("iss"))
	from, ok := v.issuers[iss]
	if !ok {
		return verified{}, refuse(ReasonIssuer, "iss is not trusted")
	}
	if !slices.Contains(from.algorithms, head.alg) {
		return verified{}, refuse(ReasonAlgorithm, "alg is not allowed for the issuer")
	}
	if !from.accepts(head.typ, want) {
		return verified{}, refuse(ReasonType, "typ is that of another type of token")
	}
	generation := from.generation() // before the key, so that a change in between is noticed later
	key, sourceErr := from.keys.PublicKey(ctx, head.kid)
	switch {
	case errors.Is(sourceErr, ErrUnknownKey):
		return verified{}, &Error{Reason: ReasonKey, err: sourceErr}
	case sourceErr != nil:
		return verified{}, &Error{Reason: ReasonUnavailable, err: sourceErr}
	case key.Algorithm != head.alg:
		return verified{}, refuse(ReasonAlgorithm, "alg is not that of the key")
	}
	if err := checkSignature(head.alg, key, seg.signed, signature); err != nil {
		return verified{}, &Error{Reason: ReasonSignature, err: err}
	}

	p, err := readPayload(members, head.typ)
	if err != nil {
		return verified{}, err
	}
	found := verified{issuer: from, key: key, generation: generation}
	if err := from.validator.Validate(p); err != nil {
		refusal := classify(err)
		if refusal.Reason == ReasonExpired {
			found.claims = p.claims(head)
		}
		return found, refusal
	}
	found.claims = p.claims(head)
	return found, nil
}

var (
	errTooLong = refuse(ReasonMalformed, "too long")
	errParts   = refuse(ReasonMalformed, "not three parts")
)

func checkSignature(alg Algorithm, key PublicKey, signed string, signature []byte) error {
	method := methods[alg] // alg is one of the issuer's, all of which are in the table
	if secret, ok := key.Key.(Secret); ok {
		return method.Verify(signed, signature, []byte(secret.Reveal()))
	}
	return method.Verify(signed, signature, key.Key)
}

// classify returns the reason for an error of golang-jwt's validator, which reports all
// faults at once. Expiry is the reason only if there is no other fault.
func classify(err error) *Error {
	refusal := &Error{Reason: ReasonExpired, err: err}
	faults := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		faults = joined.Unwrap()
	}
	for _, fault := range faults {
		switch {
		case errors.Is(fault, jwt.ErrTokenExpired):
		case errors.Is(fault, jwt.ErrTokenInvalidAudience):
			refusal.Reason = ReasonAudience
		case errors.Is(fault, jwt.ErrTokenNotValidYet), errors.Is(fault, jwt.ErrTokenUsedBeforeIssued):
			refusal.Reason = ReasonNotYetValid
		case errors.Is(fault, jwt.ErrTokenInvalidIssuer):
			refusal.Reason = ReasonIssuer
		default:
			refusal.Reason = ReasonClaims
		}
	}
	return refusal
}

type header struct {
	alg Algorithm
	typ string
	kid string
}

// readHeader reads alg, typ and kid. It ignores members that contain or locate a key
// (jku, jwk, x5u, x5c), because a token must not choose the key that verifies it.
func readHeader(segment string) (header, error) {
	members, err := readObject(segment, "header")
	if err != nil {
		return header{}, err
	}
	// crit and b64 change what is signed (RFC 7515 §4.1.11, RFC 7797); zip and enc
	// belong to encryption. A signed session token has no use for them.
	for _, name := range [...]string{"crit", "b64", "zip", "enc"} {
		if members.Get(name) != nil {
			return header{}, refuse(ReasonMalformed, "header has "+name)
		}
	}
	alg, ok := strictjson.AsString(members.Get("alg"))
	if !ok {
		return header{}, refuse(ReasonAlgorithm, "no alg")
	}
	typ, ok := strictjson.AsString(members.Get("typ"))
	if !ok {
		return header{}, refuse(ReasonType, "no typ")
	}
	kid, _ := strictjson.AsString(members.Get("kid"))
	if !validKeyID(kid) {
		return header{}, refuse(ReasonKey, "no kid, or an unsafe one")
	}
	return header{alg: Algorithm(alg), typ: typ, kid: kid}, nil
}

func readObject(segment, name string) (strictjson.Object, error) {
	data, err := decodeSegment(segment)
	if err != nil {
		return nil, refuse(ReasonMalformed, name+" is not canonical base64url")
	}
	members, err := strictjson.Parse(data)
	if err != nil {
		return nil, refuse(ReasonMalformed, name+": "+err.Error())
	}
	return members, nil
}
