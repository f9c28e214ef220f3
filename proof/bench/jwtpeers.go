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
	"github.com/golang-jwt/jwt/v5"
)

const (
	peerKeyfunc = "golang-jwt v5 with keyfunc v3, by hand"
	peerOIDC    = "coreos/go-oidc v3"
	peerDescope = "Descope's Go SDK v1.6.10"
	peerAuth0   = "auth0/go-jwt-middleware v3"
)

// jwtPeers verify the same token with the same JWK Set, and check issuer, audience
// and times as far as each library does.
func (f *fixture) jwtPeers() ([]benchmark, error) {
	var list []benchmark
	for _, p := range []struct {
		name, note string
		build      func() (http.Handler, error)
	}{
		{peerKeyfunc, "", f.golangJWT},
		{peerOIDC, "", f.goOIDC},
		{peerDescope, "checks neither issuer nor audience", f.descopeSDK},
		{peerAuth0, "", f.auth0},
	} {
		h, err := p.build()
		if err != nil {
			return nil, err
		}
		list = append(list, benchmark{name: p.name, note: p.note, run: serveRepeatedly(h, f.bearer(), false)})
	}
	return list, nil
}

// requireVerified is the middleware a program writes around a library that only
// verifies.
func requireVerified[T any](verify func(r *http.Request, raw string) (T, error), subject func(T) string) http.Handler {
	next := protectedHandler(func(r *http.Request) string {
		v, _ := r.Context().Value(contextKey{}).(T)
		return subject(v)
	}, userID)
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		raw, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		v, err := verify(r, raw)
		if err != nil {
			http.Error(rw, "Unauthorized", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(rw, r.WithContext(context.WithValue(r.Context(), contextKey{}, v)))
	})
}

func (f *fixture) golangJWT() (http.Handler, error) {
	keys, err := keyfunc.NewDefaultCtx(context.Background(), []string{f.keyServer.URL})
	if err != nil {
		return nil, err
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer(issuerURL), jwt.WithAudience(audience),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt())
	return requireVerified(func(_ *http.Request, raw string) (jwt.Claims, error) {
		t, err := parser.Parse(raw, keys.Keyfunc)
		if err != nil {
			return nil, err
		}
		return t.Claims, nil
	}, func(c jwt.Claims) string {
		s, _ := c.GetSubject()
		return s
	}), nil
}

func (f *fixture) goOIDC() (http.Handler, error) {
	set := oidc.NewRemoteKeySet(context.Background(), f.keyServer.URL)
	verifier := oidc.NewVerifier(issuerURL, set, &oidc.Config{ClientID: audience, SupportedSigningAlgs: []string{"ES256"}})
	return requireVerified(func(r *http.Request, raw string) (*oidc.IDToken, error) { return verifier.Verify(r.Context(), raw) },
		func(t *oidc.IDToken) string { return t.Subject }), nil
}

func (f *fixture) descopeSDK() (http.Handler, error) {
	c, err := descopeclient.NewWithConfig(&descopeclient.Config{ProjectID: "P2aaaaaaaaaaaaaaaaaaaaaaaaaa", DescopeBaseURL: f.keyServer.URL})
	if err != nil {
		return nil, err
	}
	return sdk.AuthenticationMiddleware(c.Auth, nil, nil)(protectedHandler(func(r *http.Request) string {
		id, _ := r.Context().Value(descope.ContextUserIDPropertyKey).(string)
		return id
	}, userID)), nil
}

func (f *fixture) auth0() (http.Handler, error) {
	issuer, err := url.Parse(issuerURL)
	if err != nil {
		return nil, err
	}
	keys, err := url.Parse(f.keyServer.URL)
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
	return m.CheckJWT(protectedHandler(func(r *http.Request) string {
		claims, err := jwtmiddleware.GetClaims[*validator.ValidatedClaims](r.Context())
		if err != nil {
			return ""
		}
		return claims.RegisteredClaims.Subject
	}, userID)), nil
}
