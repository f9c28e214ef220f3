package middleware

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/usherkit/usher/token"
)

// RemoteConfig says whose sessions a program without users of its own accepts.
type RemoteConfig struct {
	// Issuer is the claim iss of the tokens, byte for byte: the BaseURL of the
	// program that signs people in, such as "https://app.example.com". Required.
	Issuer string
	// KeysURL is where that program publishes its JWK Set. Defaults to Issuer
	// and "/auth/keys".
	KeysURL string
	// Audiences are the values of the claim aud of which a token must have one.
	// Defaults to Issuer alone.
	Audiences []string
	// Leeway is how far the clocks may differ. Defaults to 5 seconds.
	Leeway time.Duration
	// InsecureLoopback allows an http KeysURL and RevocationsURL on this machine,
	// for development. Defaults to false.
	InsecureLoopback bool
	// AllowPrivateNetworks allows a KeysURL and RevocationsURL whose host has a
	// private address. Defaults to false.
	AllowPrivateNetworks bool
	// Client fetches both. Defaults to one of package token's own.
	Client *http.Client
	// RevocationsURL is where the issuer publishes which sessions ended early, such
	// as Issuer and "/auth/revocations". It is fetched every second, so that a
	// sign-out there holds here within two; no session is judged before it was
	// fetched once. Defaults to none: a session token then counts until it expires,
	// also where the person has signed out, which is 10 minutes by default.
	RevocationsURL string
	// RevocationsBearer is sent as a bearer token to an issuer that does not tell
	// everybody. Defaults to none.
	RevocationsBearer token.Secret
	// Revocations is a list of ended sessions that the program keeps by other means.
	// It excludes RevocationsURL. Defaults to none.
	Revocations *token.Revocations
	// Logger hears of failed fetches. Defaults to slog.Default().
	Logger *slog.Logger
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Remote validates the sessions of another program from its JWK Set alone. It
// is a [Sessions], safe for concurrent use.
type Remote struct {
	keys     *token.RemoteKeys
	revoked  *token.RemoteRevocations // nil without a RevocationsURL
	verifier *token.Verifier
}

// OpenRemote fetches the issuer's keys, and its list of revoked sessions if
// RevocationsURL is set, and follows them until Close is called. ctx bounds the first
// fetches only. An issuer that is down is not an error: sessions fail with
// token.ErrUnavailable until a fetch works.
func OpenRemote(ctx context.Context, cfg RemoteConfig) (*Remote, error) {
	if cfg.Issuer == "" {
		return nil, errors.New("middleware: RemoteConfig.Issuer is missing: the address of the program that signs people in")
	}
	if cfg.RevocationsURL != "" && cfg.Revocations != nil {
		return nil, errors.New("middleware: RemoteConfig.RevocationsURL and RemoteConfig.Revocations exclude each other")
	}
	if cfg.RevocationsBearer != "" && cfg.RevocationsURL == "" {
		return nil, errors.New("middleware: RemoteConfig.RevocationsBearer needs a RevocationsURL")
	}
	if cfg.KeysURL == "" {
		cfg.KeysURL = strings.TrimSuffix(cfg.Issuer, "/") + "/auth/keys"
	}
	if len(cfg.Audiences) == 0 {
		cfg.Audiences = []string{cfg.Issuer}
	}
	keys, err := token.OpenRemoteKeys(ctx, token.RemoteKeysConfig{
		URL:                  cfg.KeysURL,
		Client:               cfg.Client,
		InsecureLoopback:     cfg.InsecureLoopback,
		AllowPrivateNetworks: cfg.AllowPrivateNetworks,
		Logger:               cfg.Logger,
		Now:                  cfg.Now,
	})
	if err != nil {
		return nil, err
	}
	r := &Remote{keys: keys}
	if cfg.RevocationsURL != "" {
		if r.revoked, err = cfg.followRevocations(ctx); err != nil {
			r.Close()
			return nil, err
		}
		cfg.Revocations = r.revoked.List()
	}
	r.verifier, err = token.NewVerifier(token.VerifierConfig{
		Issuers:     []token.Issuer{{URL: cfg.Issuer, Audiences: slices.Clone(cfg.Audiences), Keys: keys}},
		Leeway:      cfg.Leeway,
		Revocations: cfg.Revocations,
		Now:         cfg.Now,
	})
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

func (cfg RemoteConfig) followRevocations(ctx context.Context) (*token.RemoteRevocations, error) {
	return token.OpenRemoteRevocations(ctx, token.RemoteRevocationsConfig{
		URL:                  cfg.RevocationsURL,
		Bearer:               cfg.RevocationsBearer,
		Client:               cfg.Client,
		InsecureLoopback:     cfg.InsecureLoopback,
		AllowPrivateNetworks: cfg.AllowPrivateNetworks,
		Logger:               cfg.Logger,
		Now:                  cfg.Now,
	})
}

// ValidateSession implements [Sessions]. See [token.Verifier.ValidateSession].
func (r *Remote) ValidateSession(ctx context.Context, raw string) (*token.Claims, error) {
	if r.revoked != nil {
		if err := r.revoked.Wait(ctx); err != nil {
			return nil, err
		}
	}
	return r.verifier.ValidateSession(ctx, raw)
}

// Close ends the fetching of keys and of revocations.
func (r *Remote) Close() {
	if r.revoked != nil {
		r.revoked.Close()
	}
	r.keys.Close()
}
