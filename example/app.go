package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/descope"
	"github.com/usherkit/usher/handlers"
	"github.com/usherkit/usher/mail"
	"github.com/usherkit/usher/middleware"
	"github.com/usherkit/usher/pages"
	"github.com/usherkit/usher/password"
	"github.com/usherkit/usher/store"
	"github.com/usherkit/usher/store/postgres"
	"github.com/usherkit/usher/store/sqlite"
)

// app is the program: a Service, mounted for browsers and for programs, and a few
// pages.
type app struct {
	settings
	store   store.Store
	service *usher.Service
	browser *handlers.Handlers // tokens in cookies
	api     *handlers.Handlers // tokens in the body
	descope *descope.Handler   // nil without -project
	logger  *slog.Logger
}

func newApp(s settings, stdout io.Writer, logger *slog.Logger) (*app, error) {
	a := &app{settings: s, logger: logger}
	if err := a.build(stdout); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// sender returns the sender of the emails: an address at the host of the base URL,
// or at localhost if that host has no name.
func sender(baseURL string) string {
	u, err := url.Parse(baseURL)
	if err != nil || u.Hostname() == "" {
		return "no-reply@localhost" // usher.New reports the error in the URL
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		return "no-reply@localhost"
	}
	return "no-reply@" + u.Hostname()
}

func (a *app) build(stdout io.Writer) error {
	secret, err := usher.SecretFile(a.secretFile)
	if err != nil {
		return err
	}
	mailer, err := mail.ParseURL(a.mail, mail.Composer{From: sender(a.baseURL)})
	if err != nil {
		return fmt.Errorf("-mail: %w", err)
	}
	if folder, ok := mailer.(*mail.Folder); ok {
		folder.InsecurePrintLinks = stdout
	}
	if a.store, err = openStore(a.db); err != nil {
		return fmt.Errorf("-db: %w", err)
	}
	if len(a.redirects) == 0 {
		a.redirects = list{a.baseURL}
	}
	a.service, err = usher.New(context.Background(), a.store, usher.Config{
		Name:               "Usher",
		Secret:             secret,
		BaseURL:            a.baseURL,
		Issuer:             a.issuer(),
		Redirects:          a.redirects,
		Mailer:             mailer,
		Password:           password.Policy{MinLength: a.passwordMin, Words: []string{"usher"}},
		InsecureNoThrottle: a.noThrottle,
		Logger:             a.logger,
	})
	if err != nil {
		return err
	}
	a.browser, err = handlers.New(a.service, handlers.Config{
		Pages: &pages.Config{Home: "/dashboard"}, TrustedProxies: a.trustedProxies, Logger: a.logger,
	})
	if err != nil {
		return err
	}
	a.api, err = handlers.New(a.service, handlers.Config{TrustedProxies: a.trustedProxies, Logger: a.logger})
	if err != nil || a.project == "" {
		return err
	}
	a.descope, err = descope.New(a.service, descope.Config{
		ProjectID: a.project, ManagementKey: usher.Secret(a.managementKey), TrustedProxies: a.trustedProxies, Logger: a.logger,
	})
	return err
}

// issuer returns the issuer of the tokens: with -project an address that ends in it, because
// Descope's SDKs accept no other. It is empty without.
func (a *app) issuer() string {
	if a.project == "" {
		return ""
	}
	return a.baseURL + "/" + a.project
}

// openStore opens the store that -db names. It returns a nil interface after an
// error, not an interface that holds a nil pointer.
func openStore(db string) (store.Store, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	if path, ok := strings.CutPrefix(db, "sqlite:"); ok {
		store, err := sqlite.Open(ctx, path)
		if err != nil {
			return nil, err
		}
		return store, nil
	}
	if u, err := url.Parse(db); err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, errors.New("must be sqlite:FILE or postgres://…")
	}
	store, err := postgres.Open(ctx, db)
	if err != nil {
		return nil, err
	}
	return store, nil
}

func (a *app) close() {
	if a.service != nil {
		if err := a.service.Close(context.Background()); err != nil {
			a.logger.Error("close", "error", err)
		}
	}
	if a.store != nil {
		if err := a.store.Close(); err != nil {
			a.logger.Error("close", "error", err)
		}
	}
}

// routes returns the handler of all routes.
func (a *app) routes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/auth/", http.StripPrefix("/auth", a.browser))
	mux.Handle("/api/auth/", http.StripPrefix("/api/auth", a.api))
	mux.Handle("GET /dashboard", a.browser.RequireUser(dashboard))
	mux.Handle("GET /api/me", a.browser.Require(http.HandlerFunc(me)))
	mux.HandleFunc("GET /.well-known/change-password", a.browser.WellKnownChangePassword)
	mux.HandleFunc("GET /{$}", home)
	if a.descope != nil {
		mux.Handle("/v1/", a.descope)
		mux.Handle("/v2/", a.descope)
	}
	return mux
}

// me answers with the verified claims of the session of a cookie or bearer token.
func me(w http.ResponseWriter, r *http.Request) {
	claims, _ := middleware.Claims(r.Context())
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	json.NewEncoder(w).Encode(map[string]any{
		"sub":           claims.Subject,
		"sid":           claims.SessionID,
		"iss":           claims.Issuer,
		"aud":           claims.Audience,
		"iat":           claims.IssuedAt.Unix(),
		"exp":           claims.ExpiresAt.Unix(),
		"authTime":      claims.AuthTime.Unix(),
		"amr":           claims.AMR,
		"emailVerified": claims.EmailVerified,
		"roles":         claims.Roles,
		"permissions":   claims.Permissions,
	})
}
