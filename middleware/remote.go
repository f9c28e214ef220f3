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
	// InsecureLoopback allows an http KeysURL on this machine, for development.
	// Defaults to false.
	InsecureLoopback bool
	// AllowPrivateNetworks allows a KeysURL whose host has a private address.
	// Defaults to false.
	AllowPrivateNetworks bool
	// Client fetches the keys. Defaults to one of package token's own.
	Client *http.Client
	// Revocations is a list of ended sessions that the program keeps. Defaults to
	// none: a session token then counts until it expires.
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
	verifier *token.Verifier
}

// OpenRemote starts to fetch and to follow the issuer's keys. It succeeds while
// the issuer is out of reach; sessions cannot be judged then.
func OpenRemote(cfg RemoteConfig) (*Remote, error) {
	if cfg.Issuer == "" {
		return nil, errors.New("middleware: RemoteConfig.Issuer is missing: the address of the program that signs people in")
	}
	if cfg.KeysURL == "" {
		cfg.KeysURL = strings.TrimSuffix(cfg.Issuer, "/") + "/auth/keys"
	}
	if len(cfg.Audiences) == 0 {
		cfg.Audiences = []string{cfg.Issuer}
	}
	keys, err := token.OpenRemoteKeys(token.RemoteConfig{
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
	verifier, err := token.NewVerifier(token.VerifierConfig{
		Issuers:     []token.Issuer{{URL: cfg.Issuer, Audiences: slices.Clone(cfg.Audiences), Keys: keys}},
		Leeway:      cfg.Leeway,
		Revocations: cfg.Revocations,
		Now:         cfg.Now,
	})
	if err != nil {
		keys.Close()
		return nil, err
	}
	return &Remote{keys, verifier}, nil
}

// ValidateSession implements [Sessions]. See [token.Verifier.ValidateSession].
func (r *Remote) ValidateSession(ctx context.Context, raw string) (*token.Claims, error) {
	return r.verifier.ValidateSession(ctx, raw)
}

// Close ends the fetching of keys.
func (r *Remote) Close() { r.keys.Close() }
