package descope

import (
	"errors"
	"strings"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/visit"
	"github.com/usherkit/usher/token"
)

// verifyLink answers POST /v1/auth/magiclink/verify. A token of signInToken starts a session.
// For the link of a reset, the tokens are those of a reset session:
// the call to update the password accepts the refresh token, and nothing else of the
// Service accepts either of them.
func (h *Handler) verifyLink(c *call) (any, error) {
	raw := usher.Secret(c.in.required("token"))
	if err := c.in.err(); err != nil {
		return nil, err
	}
	if strings.HasPrefix(raw.Reveal(), usher.SignInTokenPrefix) {
		answer, err := h.startSession(c, func(client usher.Client) (usher.Result, error) {
			a, err := h.service.SignInWithToken(c.r.Context(), raw, client)
			if err != nil {
				return usher.Result{}, err
			}
			return usher.Result{Next: usher.NextSignedIn, Authentication: a}, nil
		})
		if s, ok := answer.(sessionJSON); ok {
			// The token is spent, so an outage from here on must not refuse the session.
			if has, err := h.service.HasPassword(c.r.Context(), s.User.UserID); err == nil {
				s.User.Password = has
			}
		}
		return answer, err
	}
	client := h.visits.Client(c.w, c.r)
	link, err := h.service.ResetLink(c.r.Context(), raw, client)
	if err != nil {
		return nil, err
	}
	reset, err := h.service.VerifyReset(c.r.Context(), raw, client)
	if err != nil {
		return nil, err
	}
	pair := token.Pair{
		Session: reset.Token, SessionExpiresAt: reset.ExpiresAt, Refresh: reset.RefreshToken, RefreshExpiresAt: reset.ExpiresAt,
	}
	if h.visits.Cookies != nil {
		h.visits.EndOverwritten(c.w, c.r)
		if err := h.visits.Cookies.SetTokens(c.w, c.r, pair); err != nil {
			return nil, err
		}
	}
	// The client has proven the mailbox, not that it knows the account: it gets what the
	// link says, and the login id, which the update has to name.
	return h.sessionAnswer(&usher.Authentication{Tokens: pair, User: usher.User{
		ID: link.UserID, LoginIDs: []string{link.LoginID}, Email: link.Email, EmailVerified: true, Status: usher.StatusEnabled,
	}}, true), nil
}

// refresh answers POST /v1/auth/refresh.
func (h *Handler) refresh(c *call) (any, error) {
	return h.refreshed(c)(h.service.RefreshSession(c.r.Context(), c.refresh, h.visits.Client(c.w, c.r)))
}

// selectTenant answers POST /v1/auth/tenant/select. An empty id selects none.
func (h *Handler) selectTenant(c *call) (any, error) {
	tenant := c.in.text("tenant")
	if err := c.in.err(); err != nil {
		return nil, err
	}
	return h.refreshed(c)(h.service.SelectTenant(c.r.Context(), c.refresh, tenant, h.visits.Client(c.w, c.r)))
}

// refreshed answers a call that has exchanged the refresh token.
func (h *Handler) refreshed(c *call) func(a *usher.Authentication, err error) (any, error) {
	return func(a *usher.Authentication, err error) (any, error) {
		if err != nil {
			return nil, err
		}
		// If the cookies cannot be set, the session goes on: the browser still has the refresh
		// token that was exchanged.
		if h.visits.Cookies != nil {
			if err := h.visits.Cookies.SetTokens(c.w, c.r, a.Tokens); err != nil {
				return nil, err
			}
		}
		return h.sessionAnswer(a, false), nil
	}
}

// tryRefresh answers POST /v1/auth/try-refresh: refresh, with an empty answer if the
// session has ended or there is none.
func (h *Handler) tryRefresh(c *call) (any, error) {
	err := h.findRefreshToken(c)
	if err == nil {
		var answer any
		if answer, err = h.refresh(c); err == nil {
			return answer, nil
		}
	}
	if errors.Is(err, usher.ErrInvalidSession) || errors.Is(err, visit.ErrNotSignedIn) {
		return nil, nil
	}
	return nil, err
}

// signOut answers POST /v1/auth/logout.
func (h *Handler) signOut(c *call) (any, error) {
	if h.useCookies(c) {
		_, err := h.visits.EndCookieSession(c.w, c.r)
		return h.signedOut(), err
	}
	if err := h.findRefreshToken(c); err != nil {
		return nil, err
	}
	claims, err := h.refreshOrReset(c)
	if err != nil {
		return nil, err
	}
	return h.signedOut(), h.service.SignOut(c.r.Context(), claims, h.visits.Client(c.w, c.r))
}

// signOutEverywhere answers POST /v1/auth/logoutall.
func (h *Handler) signOutEverywhere(c *call) (any, error) {
	claims, err := h.service.ValidateRefresh(c.r.Context(), c.refresh)
	if err != nil {
		return nil, err
	}
	if err := h.service.SignOutEverywhere(c.r.Context(), claims, h.visits.Client(c.w, c.r)); err != nil {
		return nil, err
	}
	if c.byCookie {
		h.visits.ForgetUser(c.w, c.r)
	}
	return h.signedOut(), nil
}

// signedOut returns the answer to a sign-out. The SDK for Go clears the cookies of the
// application with these attributes.
func (h *Handler) signedOut() any { return h.cookieAnswer(h.cfg.Now()) }

// me answers GET /v1/auth/me.
func (h *Handler) me(c *call) (any, error) {
	claims, err := h.service.ValidateRefresh(c.r.Context(), c.refresh)
	if err != nil {
		return nil, err
	}
	u, _, err := h.service.Me(c.r.Context(), claims)
	if err != nil {
		return nil, err
	}
	has, err := h.service.HasPassword(c.r.Context(), u.ID)
	if err != nil {
		return nil, err
	}
	return newUserJSON(u, has), nil
}

// history answers GET /v1/auth/me/history.
func (h *Handler) history(c *call) (any, error) {
	claims, err := h.service.ValidateRefresh(c.r.Context(), c.refresh)
	if err != nil {
		return nil, err
	}
	signIns, err := h.service.SignInHistory(c.r.Context(), claims, maxLogins)
	if err != nil {
		return nil, err
	}
	return logins(signIns), nil
}

// memberJSON is a tenant of a user. Tenants have no names here, so the name is the id.
type memberJSON struct {
	ID               string         `json:"id"`
	Name             string         `json:"name"`
	CustomAttributes map[string]any `json:"customAttributes"`
}

// myTenants answers POST /v1/auth/me/tenants: the current tenant of the session, those of a
// list, or all.
func (h *Handler) myTenants(c *call) (any, error) {
	current, ids := c.in.flag("dct"), c.in.texts("ids")
	if err := c.in.err(); err != nil {
		return nil, err
	}
	claims, err := h.service.ValidateRefresh(c.r.Context(), c.refresh)
	if err != nil {
		return nil, err
	}
	u, session, err := h.service.Me(c.r.Context(), claims)
	if err != nil {
		return nil, err
	}
	switch {
	case current:
		ids = []string{session.Tenant}
	case len(ids) == 0:
		ids = sortedKeys(u.Tenants)
	}
	tenants := []memberJSON{}
	for _, id := range ids {
		if u.InTenant(id) {
			tenants = append(tenants, memberJSON{id, id, map[string]any{}})
		}
	}
	return struct {
		Tenants []memberJSON `json:"tenants"`
	}{tenants}, nil
}

// refreshOrReset returns the claims of the refresh token, which may also be that of a reset
// session.
func (h *Handler) refreshOrReset(c *call) (*token.Claims, error) {
	claims, err := h.service.ValidateRefresh(c.r.Context(), c.refresh)
	if errors.Is(err, usher.ErrInvalidSession) {
		if reset, notReset := h.service.ValidateReset(c.r.Context(), c.refresh); notReset == nil {
			return reset, nil
		}
	}
	return claims, err
}
