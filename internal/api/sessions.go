package api

import (
	"net/http"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/internal/visit"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/token"
)

// Refresh answers POST /session/refresh.
func (api *API) Refresh(w http.ResponseWriter, r *http.Request) error {
	in, err := decodeOptional(w, r)
	if err != nil {
		return err
	}
	raw, err := api.refreshToken(w, r, in)
	if err != nil {
		return err
	}
	a, err := api.service.RefreshSession(r.Context(), raw, api.visits.Client(w, r))
	if err != nil {
		return err
	}
	// If the cookies cannot be set, the session goes on: the browser still has the
	// refresh token that was exchanged.
	if api.visits.Cookies != nil {
		if err := api.visits.Cookies.SetTokens(w, r, a.Tokens); err != nil {
			return err
		}
	}
	api.writeSession(w, http.StatusOK, a)
	return nil
}

// ConfirmSession answers POST /session/confirm. A bearer token is not in the cookies, so
// the new one is in the body of the answer.
func (api *API) ConfirmSession(w http.ResponseWriter, r *http.Request, claims *token.Claims) error {
	in, err := decode(w, r)
	if err != nil {
		return err
	}
	request := usher.ReauthenticateParams{Password: in.secret("password")}
	if api.visits.Cookies == nil {
		request.RefreshToken = in.secret("refreshToken")
	}
	client := api.withDevice(api.visits.Client(w, r), in)
	if err := in.err(); err != nil {
		return err
	}
	result, err := api.visits.Reauthenticate(w, r, claims, request, client)
	if err != nil {
		return err
	}
	api.writeTokens(w, http.StatusOK, result.Authentication, middleware.Source(r.Context()) == middleware.SourceBearer)
	return nil
}

// refreshToken returns the refresh token of the cookies, or that of the body on a
// mount without cookies.
func (api *API) refreshToken(w http.ResponseWriter, r *http.Request, in object) (usher.Secret, error) {
	if api.visits.Cookies != nil {
		return api.visits.RefreshToken(w, r)
	}
	raw := in.secret("refreshToken")
	if err := in.err(); err != nil {
		return "", err
	}
	if raw == "" {
		return "", visit.ErrNotSignedIn
	}
	return raw, nil
}

// Sessions answers GET /sessions.
func (api *API) Sessions(w http.ResponseWriter, r *http.Request, claims *token.Claims) error {
	list, err := api.service.Sessions(r.Context(), claims)
	if err != nil {
		return err
	}
	body := struct {
		Sessions []sessionJSON `json:"sessions"`
	}{make([]sessionJSON, len(list))}
	for i, s := range list {
		body.Sessions[i] = newSessionJSON(s, claims.SessionID)
	}
	writeJSON(w, http.StatusOK, body)
	return nil
}

// RevokeSession answers DELETE /sessions/{id}.
func (api *API) RevokeSession(w http.ResponseWriter, r *http.Request, claims *token.Claims) error {
	id := r.PathValue("id")
	if err := api.service.RevokeSession(r.Context(), claims, id, api.visits.Client(w, r)); err != nil {
		return err
	}
	if id == claims.SessionID && middleware.Source(r.Context()) == middleware.SourceCookie {
		api.visits.ForgetUser(w, r)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}
