// Package openid is the part of a program that signs users in with OpenID providers.
// docs/openid.md explains it.
package openid

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/cookies"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/middleware"
)

// Login signs users in with one provider. Each provider has its own name, of lower-case
// letters, and its own address of the callback.
type Login struct {
	Name     string
	Provider *oidc.Provider
	OAuth    oauth2.Config
	Service  *usher.Service
	Jar      *cookies.Jar
	Handlers *handlers.Handlers
}

// flow is what the browser keeps, sealed, until it comes back from the provider.
type flow struct{ State, Nonce, Verifier, ReturnTo string }

// Begin sends the browser to the provider.
func (l *Login) Begin(w http.ResponseWriter, r *http.Request) {
	f := flow{rand.Text(), rand.Text(), oauth2.GenerateVerifier(), middleware.SafeReturnTo(r.FormValue("return_to"))}
	text := fmt.Sprintln(f.State, f.Nonce, f.Verifier, f.ReturnTo)
	if err := l.Jar.SetNote(w, r, l.Name, usher.Secret(text), 10*time.Minute); err != nil {
		l.Handlers.Fail(w, r, err)
		return
	}
	http.Redirect(w, r, l.OAuth.AuthCodeURL(f.State, oidc.Nonce(f.Nonce), oauth2.S256ChallengeOption(f.Verifier)), http.StatusSeeOther)
}

// Callback signs the user in when the provider sends the browser back.
func (l *Login) Callback(w http.ResponseWriter, r *http.Request) {
	f, err := flow{}, usher.ErrForbidden // unless this browser has begun here
	n, _ := fmt.Sscan(l.Jar.Note(r, l.Name).Reveal(), &f.State, &f.Nonce, &f.Verifier, &f.ReturnTo)
	if n >= 3 && r.FormValue("state") == f.State { // there may be no return path
		l.Jar.ClearNote(w, r, l.Name)
		err = l.signIn(w, r, f)
	}
	if err != nil {
		l.Handlers.Fail(w, r, err)
	}
}

func (l *Login) signIn(w http.ResponseWriter, r *http.Request, f flow) error {
	tokens, err := l.OAuth.Exchange(r.Context(), r.FormValue("code"), oauth2.VerifierOption(f.Verifier))
	if refusal := new(oauth2.RetrieveError); err != nil && (!errors.As(err, &refusal) || refusal.Response.StatusCode >= 500) {
		return fmt.Errorf("%w: openid: %w", usher.ErrUnavailable, err)
	}
	if err != nil {
		return fmt.Errorf("%w: openid: %w", usher.ErrForbidden, err)
	}
	var claims struct {
		AuthTime int64 `json:"auth_time"`
	}
	id, err := l.Provider.Verifier(&oidc.Config{ClientID: l.OAuth.ClientID}).Verify(r.Context(), fmt.Sprint(tokens.Extra("id_token")))
	if err != nil || id.Nonce != f.Nonce || id.Claims(&claims) != nil {
		return fmt.Errorf("%w: openid: the ID token is not that of this sign-in: %v", usher.ErrForbidden, err)
	}
	info, err := l.Provider.UserInfo(r.Context(), oauth2.StaticTokenSource(tokens))
	if err != nil || info.Subject != id.Subject {
		return fmt.Errorf("%w: openid: the user is not that of the ID token: %v", usher.ErrForbidden, err)
	}
	user, err := l.Service.EnsureUser(r.Context(), usher.EnsureUserParams{Email: info.Email, EmailVerified: info.EmailVerified}, l.Handlers.Client(w, r))
	if err != nil {
		return err
	}
	session, err := l.Service.StartSession(r.Context(), user.ID, usher.Proof{
		Methods: []string{"oidc"}, At: time.Unix(cmp.Or(claims.AuthTime, id.IssuedAt.Unix()), 0)}, l.Handlers.Client(w, r))
	if err == nil {
		r.Form.Set("return_to", f.ReturnTo)
		l.Handlers.Finish(w, r, session)
	}
	return err
}
