package visit

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/token"
)

// A request may have several session cookies, of which another host of the domain may
// have set one, and a bearer token as well. Every function that removes or replaces the
// cookies ends the sessions of all of them, because the user's session is not known.

// EndCookieSession ends the session of each session cookie, and removes the cookies. If
// the store is unavailable, the cookies stay, because the sessions have not ended.
//
// If an operator acts as a user, it ends that session alone, removes its cookie, and returns
// true: the operator's own session goes on.
func (v *Visits) EndCookieSession(w http.ResponseWriter, r *http.Request) (stoppedImpersonation bool, err error) {
	if _, present := v.Cookies.Tokens(r); !present && !v.isImpersonating(r) {
		return false, nil
	}
	if err := v.Origins.CheckCookie(r); err != nil {
		return false, err
	}
	if stopped, err := v.stopImpersonation(w, r); stopped || err != nil {
		return stopped, err
	}
	if err := v.endCookieSessions(w, r); err != nil {
		return false, err
	}
	v.ForgetUser(w, r)
	return false, nil
}

// CheckOrigin checks the origin of a GET that the session cookie authenticates, as if it
// changed something. A browser that does not name the origin is allowed.
func (v *Visits) CheckOrigin(r *http.Request) error {
	if middleware.Source(r.Context()) != middleware.SourceCookie {
		return nil
	}
	post := r.WithContext(r.Context())
	post.Method = http.MethodPost
	return v.Origins.Check(post)
}

// TokenCookies returns the jar for package middleware, or nil.
func (v *Visits) TokenCookies() middleware.TokenCookies {
	if v.Cookies == nil {
		return nil
	}
	return tokenCookies{v.Cookies, v}
}

// tokenCookies is a jar that also ends the sessions of cookies that it rejects.
type tokenCookies struct {
	*cookies.Jar
	visits *Visits
}

// RejectConflict ends the sessions of conflicting cookies, and removes the cookies. If the
// store is unavailable, it returns false and leaves them.
func (t tokenCookies) RejectConflict(w http.ResponseWriter, r *http.Request) bool {
	rejected, err := t.visits.rejectConflict(w, r)
	if err != nil {
		t.visits.Logger.WarnContext(r.Context(), "handlers: the sessions of cookies that contradict each other could not be ended", "error", err)
	}
	return rejected
}

// rejectConflict removes session cookies of different sessions, after it has ended those.
func (v *Visits) rejectConflict(w http.ResponseWriter, r *http.Request) (rejected bool, err error) {
	if !v.Cookies.HasConflict(r) {
		return false, nil
	}
	if err := v.endCookieSessions(w, r); err != nil {
		return false, err
	}
	return v.Cookies.RejectConflict(w, r), nil
}

// endCookieSessions ends the sessions of all cookies, or none if one of them cannot be read.
func (v *Visits) endCookieSessions(w http.ResponseWriter, r *http.Request) error {
	all, err := v.allTokens(r)
	if err != nil {
		return asUnavailable(err)
	}
	return v.endSessions(r.Context(), all, v.Client(w, r))
}

// endReplaced ends the sessions of tokens that a request had, and that of its bearer
// token, except those with the given ids. The new session is stored already, so it goes
// on if the client hangs up.
func (v *Visits) endReplaced(r *http.Request, had []token.Pair, c usher.Client, except ...string) error {
	ctx := context.WithoutCancel(r.Context())
	if claims, ok := middleware.Claims(ctx); ok && !slices.Contains(except, claims.SessionID) {
		if err := v.Service.SignOut(ctx, &claims, c); err != nil {
			return err
		}
		except = append(except, claims.SessionID)
	}
	return v.endSessions(ctx, had, c, except...)
}

// EndOverwritten ends the sessions of the cookies of a request before other tokens overwrite
// them. A failure is only logged.
func (v *Visits) EndOverwritten(w http.ResponseWriter, r *http.Request) {
	all, _ := v.allTokens(r) // the jar logs a failure
	err := v.endSessions(context.WithoutCancel(r.Context()), all, v.Client(w, r))
	if err != nil {
		v.Logger.WarnContext(r.Context(), "handlers: sessions that the client had could not be ended", "error", err)
	}
	v.clearImpersonation(w, r)
}

// endSessions ends the session of each pair of which a token is valid, except those with
// the given ids.
func (v *Visits) endSessions(ctx context.Context, pairs []token.Pair, c usher.Client, except ...string) error {
	for _, pair := range pairs {
		claims, err := v.claimsOf(ctx, pair)
		switch {
		case err != nil:
			return err
		case claims == nil || slices.Contains(except, claims.SessionID):
			continue
		}
		if err := v.Service.SignOut(ctx, claims, c); err != nil {
			return err
		}
		except = append(except, claims.SessionID)
	}
	return nil
}

// claimsOf returns the claims of the refresh token of a pair or, if the jar keeps none,
// of its session token. Package descope keeps the tokens of a reset session in these
// cookies too. The claims are nil if no token is valid.
func (v *Visits) claimsOf(ctx context.Context, pair token.Pair) (*token.Claims, error) {
	claims, err := v.Service.ValidateRefresh(ctx, pair.Refresh)
	if err != nil {
		claims, err = v.Service.ValidateSession(ctx, pair.Session)
	}
	if errors.Is(err, token.ErrInvalid) {
		claims, err = v.Service.ValidateReset(ctx, cmp.Or(pair.Refresh, pair.Session))
	}
	switch {
	case errors.Is(err, token.ErrInvalid):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return claims, nil
}

// allTokens returns the tokens of every session cookie of the request, and that of an operator
// who acts as a user. Its error is cookies.ErrStore.
func (v *Visits) allTokens(r *http.Request) ([]token.Pair, error) {
	if v.Cookies == nil {
		return nil, nil
	}
	all, err := v.Cookies.AllTokens(r)
	return append(all, v.impersonationTokens(r)...), err
}
