package main

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/MicahParks/keyfunc/v3"
	jwtmiddleware "github.com/auth0/go-jwt-middleware/v3"
	"github.com/auth0/go-jwt-middleware/v3/jwks"
	"github.com/auth0/go-jwt-middleware/v3/validator"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/descope/go-sdk/descope"
	descopeclient "github.com/descope/go-sdk/descope/client"
	"github.com/descope/go-sdk/descope/sdk"
	"github.com/go-chi/jwtauth/v5"
	"github.com/golang-jwt/jwt/v5"
	jwx2jwt "github.com/lestrrat-go/jwx/v2/jwt" // what jwtauth takes
	"github.com/lestrrat-go/jwx/v3/jwk"
	jwxjwt "github.com/lestrrat-go/jwx/v3/jwt"
)

const (
	peerKeyfunc = "golang-jwt v5 with keyfunc v3, by hand"
	peerOIDC    = "coreos/go-oidc v3"
	peerDescope = "Descope's Go SDK v1.6.10"
	peerJWX     = "lestrrat-go/jwx v3"
	peerAuth0   = "auth0/go-jwt-middleware v3"
	peerJWTAuth = "go-chi/jwtauth v5"
)

var jwtPeerNames = []string{peerKeyfunc, peerOIDC, peerDescope, peerJWX, peerAuth0, peerJWTAuth}

// jwtPeers verify the same token from the same JWK Set and check its issuer,
// audience and times, as far as each can; then the handler reads sub.
func (w *world) jwtPeers() ([]job, error) {
	type build func() (http.Handler, error)
	var jobs []job
	for _, p := range []struct {
		name, note string
		build      build
	}{
		{peerKeyfunc, "", w.golangJWT},
		{peerOIDC, "", w.goOIDC},
		{peerDescope, "checks neither issuer nor audience", w.descopeSDK},
		{peerJWX, "", w.jwx},
		{peerAuth0, "", w.auth0},
		{peerJWTAuth, "one key, given in the program", w.jwtAuth},
	} {
		h, err := p.build()
		if err != nil {
			return nil, err
		}
		jobs = append(jobs, job{name: p.name, note: p.note, run: serve(h, w.bearer(), false)})
	}
	return jobs, nil
}

func fromHeader(r *http.Request) string {
	raw, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return raw
}

func unauthorized(rw http.ResponseWriter) { http.Error(rw, "Unauthorized", http.StatusUnauthorized) }

func (w *world) golangJWT() (http.Handler, error) {
	keys, err := keyfunc.NewDefaultCtx(context.Background(), []string{w.keyServer.URL})
	if err != nil {
		return nil, err
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer(issuerURL), jwt.WithAudience(audience),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt())
	next := reached(func(r *http.Request) string {
		c, _ := r.Context().Value(ctxKey{}).(jwt.MapClaims)
		s, _ := c["sub"].(string)
		return s
	}, userID)
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		t, err := parser.Parse(fromHeader(r), keys.Keyfunc)
		if err != nil {
			unauthorized(rw)
			return
		}
		next.ServeHTTP(rw, r.WithContext(context.WithValue(r.Context(), ctxKey{}, t.Claims)))
	}), nil
}

func (w *world) goOIDC() (http.Handler, error) {
	set := oidc.NewRemoteKeySet(context.Background(), w.keyServer.URL)
	verifier := oidc.NewVerifier(issuerURL, set, &oidc.Config{ClientID: audience, SupportedSigningAlgs: []string{"ES256"}})
	next := reached(func(r *http.Request) string {
		t, _ := r.Context().Value(ctxKey{}).(*oidc.IDToken)
		return t.Subject
	}, userID)
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		t, err := verifier.Verify(r.Context(), fromHeader(r))
		if err != nil {
			unauthorized(rw)
			return
		}
		next.ServeHTTP(rw, r.WithContext(context.WithValue(r.Context(), ctxKey{}, t)))
	}), nil
}

func (w *world) descopeSDK() (http.Handler, error) {
	c, err := descopeclient.NewWithConfig(&descopeclient.Config{ProjectID: "P2aaaaaaaaaaaaaaaaaaaaaaaaaa", DescopeBaseURL: w.keyServer.URL})
	if err != nil {
		return nil, err
	}
	next := reached(func(r *http.Request) string {
		id, _ := r.Context().Value(descope.ContextUserIDPropertyKey).(string)
		return id
	}, userID)
	return sdk.AuthenticationMiddleware(c.Auth, nil, nil)(next), nil
}

func (w *world) jwx() (http.Handler, error) {
	set, err := jwk.Parse(w.keys.JSON())
	if err != nil {
		return nil, err
	}
	next := reached(func(r *http.Request) string {
		t, _ := r.Context().Value(ctxKey{}).(jwxjwt.Token)
		s, _ := t.Subject()
		return s
	}, userID)
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		t, err := jwxjwt.ParseRequest(r, jwxjwt.WithKeySet(set), jwxjwt.WithIssuer(issuerURL), jwxjwt.WithAudience(audience))
		if err != nil {
			unauthorized(rw)
			return
		}
		next.ServeHTTP(rw, r.WithContext(context.WithValue(r.Context(), ctxKey{}, t)))
	}), nil
}

func (w *world) auth0() (http.Handler, error) {
	issuer, err := url.Parse(issuerURL)
	if err != nil {
		return nil, err
	}
	keys, err := url.Parse(w.keyServer.URL)
	if err != nil {
		return nil, err
	}
	provider, err := jwks.NewCachingProvider(jwks.WithIssuerURL(issuer), jwks.WithCustomJWKSURI(keys))
	if err != nil {
		return nil, err
	}
	v, err := validator.New(validator.WithKeyFunc(provider.KeyFunc), validator.WithAlgorithm(validator.ES256),
		validator.WithIssuer(issuerURL), validator.WithAudience(audience))
	if err != nil {
		return nil, err
	}
	m, err := jwtmiddleware.New(jwtmiddleware.WithValidator(v))
	if err != nil {
		return nil, err
	}
	return m.CheckJWT(reached(func(r *http.Request) string {
		claims, err := jwtmiddleware.GetClaims[*validator.ValidatedClaims](r.Context())
		if err != nil {
			return ""
		}
		return claims.RegisteredClaims.Subject
	}, userID)), nil
}

func (w *world) jwtAuth() (http.Handler, error) {
	ja := jwtauth.New("ES256", nil, w.key.Public().Key, jwx2jwt.WithIssuer(issuerURL), jwx2jwt.WithAudience(audience))
	next := reached(func(r *http.Request) string {
		_, claims, _ := jwtauth.FromContext(r.Context())
		s, _ := claims["sub"].(string)
		return s
	}, userID)
	return jwtauth.Verifier(ja)(jwtauth.Authenticator(ja)(next)), nil
}
