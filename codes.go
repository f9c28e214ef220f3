package usher

import (
	"context"
	"crypto/hmac"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/usherkit/usher/internal/emailcode"
	"github.com/usherkit/usher/internal/loginid"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/token"
)

const (
	// codeLifetime is how long the code in an email is valid (OWASP ASVS 6.5.5). Its link
	// may be valid for longer.
	codeLifetime = 10 * time.Minute
	// maxWrongCodes is how many wrong codes are judged for an account in a day, over all
	// emails and login ids: from unknown browsers, and as many more from known ones. All
	// accounts with the same unverified address count together, and so do all that want it.
	maxWrongCodes = 10
	// maxNetworkWrongCodes is how many wrong codes are judged for the unknown browsers of a
	// network in an hour, over all accounts.
	maxNetworkWrongCodes = 20
)

// addCode gives a token a code and returns it for the email. A code has only 20 bits, so it
// is stored under a keyed hash: a reader of the database cannot try all codes.
func (s *Service) addCode(t *store.OneTimeToken) Secret {
	if s.cfg.NoEmailCodes {
		return ""
	}
	code := emailcode.New()
	t.CodeHash = s.codeMAC.Sum(t.Hash, []byte(code))
	return Secret(code)
}

// emailedCode is a code that a client has typed, for the account of a login id or of a
// session.
type emailedCode struct {
	account   store.Account // zero if there is no such user
	canonical string        // the login id, or the user id
	known     bool          // the client has a known browser or a session of the user
	digits    string
}

// group returns the group of browsers that share a limit.
func (c emailedCode) group() string {
	if c.known {
		return "known"
	}
	return ""
}

// checkEmailProof checks the inputs that prove a mailbox: the token of the link, or the
// code. It returns the digits of the code, or "" for a token.
func checkEmailProof(raw Secret, loginID string, code Secret) (digits string, err error) {
	switch {
	case raw != "" && code != "":
		return "", &FieldError{"code", "not_allowed", "must not be given together with a token"}
	case code == "" && loginID != "" && raw == "":
		return "", &FieldError{"code", "required", "must not be empty"}
	case code == "":
		return "", checkTokenGiven(raw)
	}
	digits, ok := emailcode.Parse(code.Reveal())
	if !ok {
		return "", &FieldError{"code", "invalid", "must have six digits"}
	}
	return digits, nil
}

// codeOfLoginID returns a typed code for the account of a canonical login id.
func (s *Service) codeOfLoginID(ctx context.Context, canonical, digits string, c Client) (emailedCode, error) {
	account, err := s.store.AccountByLoginID(ctx, canonical)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return emailedCode{}, s.storeError(err)
	}
	known := err == nil && s.knownDeviceID(account, c) != ""
	return emailedCode{account, canonical, known, digits}, nil
}

// verificationCode returns a typed code for the account of a login id, or without one for
// that of the session.
func (s *Service) verificationCode(ctx context.Context, claims *token.Claims, loginID, digits string, c Client) (emailedCode, error) {
	if loginID == "" && claims != nil {
		account, _, err := s.fullSession(ctx, claims)
		return emailedCode{account, account.User.ID, true, digits}, err
	}
	canonical, err := canonicalLoginID(loginID, s.cfg.UnicodeLoginIDs)
	if err != nil {
		return emailedCode{}, err
	}
	return s.codeOfLoginID(ctx, canonical, digits, c)
}

// lookUpCode returns the one-time token of the email with the code, without spending it.
// Every code of an email that is still valid works. The answer, the work and the round
// trips are the same for a wrong code and for a login id without a user. A right code does
// not count on the limits.
func (s *Service) lookUpCode(ctx context.Context, in emailedCode, c Client, purposes ...store.Purpose) (store.OneTimeToken, error) {
	open, err := s.store.UserTokens(ctx, in.account.User.ID, purposes, s.now())
	if err != nil {
		return store.OneTimeToken{}, s.storeError(err)
	}
	targets := s.targetLimits(in, open)
	limits := append(targets, s.codeLimits(in, c)...)
	counts, err := s.takeLimitsOrError(ctx, c, limits...)
	if err != nil {
		return store.OneTimeToken{}, err
	}
	guesses := slices.Max(counts[:len(targets)+1])
	if t, ok := s.tokenOfCode(open, in.digits); ok && guesses <= maxWrongCodes {
		s.releaseLimits(ctx, limits...)
		return t, nil
	}
	s.audit.StoreSampled(ctx, "code "+in.canonical+" "+widestNetwork(c),
		s.newEvent(EventTokenRefused, in.account.User.ID, "", "code", c))
	return store.OneTimeToken{}, ErrInvalidCode
}

// tokenOfCode returns the token with that code. It compares in constant time, and with at
// least as many tokens as a user may have for one purpose.
func (s *Service) tokenOfCode(open []store.OneTimeToken, digits string) (found store.OneTimeToken, ok bool) {
	for len(open) < maxOpenTokens {
		open = append(open, store.OneTimeToken{Hash: make([]byte, 32)})
	}
	for _, t := range open {
		inTime := s.now().Before(t.CreatedAt.Add(codeLifetime)) && !s.fromTheFuture(t.CreatedAt)
		for _, sum := range s.codeMAC.Sums(t.Hash, []byte(digits)) {
			if hmac.Equal(sum, t.CodeHash) && inTime {
				found, ok = t, true
			}
		}
	}
	return found, ok
}

// targetLimits returns the limits of the addresses that the account wants and has not proven.
// All accounts that want an address, or have it unproven, count together: otherwise each of
// them would give further guesses. Like the limit of the account they never refuse; lookUpCode
// answers as to a wrong code. There is at least one, so that a pending change costs
// nothing more.
func (s *Service) targetLimits(in emailedCode, open []store.OneTimeToken) (all []namedLimit) {
	for _, t := range open {
		address, err := canonicalLoginID(t.NewEmail, true)
		if err != nil {
			continue // the token is not for a new address
		}
		limit := store.Limit{Key: s.limitKey(limitCodes, "address", address, in.group()), Max: math.MaxInt32, Window: 24 * time.Hour}
		if !slices.ContainsFunc(all, func(l namedLimit) bool { return l.Key == limit.Key }) {
			all = append(all, namedLimit{limitCodes, limit})
		}
	}
	if len(all) == 0 {
		limit := store.Limit{Key: s.limitKey(limitCodes, "no target", in.canonical, in.group()), Max: math.MaxInt32, Window: 24 * time.Hour}
		all = append(all, namedLimit{limitCodes, limit})
	}
	return all
}

// codeLimits returns the limits on wrong codes, that of the account first. They are apart
// from those of passwords, and links have none, so an attacker who uses them up keeps the
// user neither from a sign-in nor from a link. Known browsers have a limit of their own.
//
// For unknown browsers, the limit of the account never refuses: lookUpCode then answers as
// to a wrong code. What refuses is the limit of the login id, which does not depend on
// whether it has a user. Otherwise the limit would end when a user signs up.
func (s *Service) codeLimits(in emailedCode, c Client) []namedLimit {
	u := in.account.User
	account := store.Limit{Key: s.limitKey(limitCodes, "user", u.ID, in.group()), Max: maxWrongCodes, Window: 24 * time.Hour}
	if !u.EmailVerified {
		// A new account with the same address gives no further guesses.
		address, err := canonicalLoginID(u.Email, true)
		if err != nil {
			address = in.canonical
		}
		account.Key = s.limitKey(limitCodes, "address", address, in.group())
	}
	if in.known {
		return []namedLimit{{limitCodes, account}}
	}
	loginID := account
	loginID.Key, account.Max = s.limitKey(limitCodes, "login id", in.canonical), math.MaxInt32
	limits := []namedLimit{{limitCodes, account}, {limitCodes, loginID}}
	return append(limits, s.hourlyNetworkLimits(limitNetworkCodes, maxNetworkWrongCodes, c)...)
}

// checkResetProof is checkEmailProof for a link or a code that sets a password. It also
// returns the canonical login id of a code.
func (s *Service) checkResetProof(in ResetPasswordParams) (canonical, digits string, err error) {
	digits, err = checkEmailProof(in.Token, in.LoginID, in.Code)
	if in.Code == "" {
		return "", digits, err
	}
	canonical, badID := canonicalLoginID(loginid.Trim(in.LoginID), s.cfg.UnicodeLoginIDs)
	return canonical, digits, inputErrors(badID, err)
}

// lookUpResetProof returns the one-time token of a link or a code that sets a password, with
// its account.
func (s *Service) lookUpResetProof(ctx context.Context, raw Secret, canonical, digits string, c Client) (store.OneTimeToken, store.Account, error) {
	if digits != "" {
		typed, err := s.codeOfLoginID(ctx, canonical, digits, c)
		if err != nil {
			return store.OneTimeToken{}, store.Account{}, err
		}
		t, err := s.lookUpCode(ctx, typed, c, resetPurposes...)
		return t, typed.account, err
	}
	t, err := s.lookUpToken(ctx, raw, c, resetPurposes...)
	if err != nil {
		return store.OneTimeToken{}, store.Account{}, err
	}
	account, err := s.store.Account(ctx, t.UserID)
	if errors.Is(err, ErrNotFound) {
		return store.OneTimeToken{}, store.Account{}, s.refuseToken(ctx, t.UserID, c)
	}
	return t, account, s.storeError(err)
}

// lookUpVerification returns the one-time token of a link or a code that confirms an
// address, with its account.
func (s *Service) lookUpVerification(ctx context.Context, claims *token.Claims, in VerifyEmailParams, digits string, c Client) (store.OneTimeToken, store.Account, error) {
	if digits == "" {
		return s.lookUpLink(ctx, in.Token, c, verifyPurposes...)
	}
	typed, err := s.verificationCode(ctx, claims, loginid.Trim(in.LoginID), digits, c)
	if err != nil {
		return store.OneTimeToken{}, store.Account{}, err
	}
	t, err := s.lookUpCode(ctx, typed, c, verifyPurposes...)
	return t, typed.account, err
}
